package deploy_test

import (
	"testing"
	"time"

	"dvagent/deploy"
	"dvagent/internal/hint"
)

func TestACommandThatRunsOutOfTimeIsToldWithWhatToDo(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	job := h.job(h.issue(t))
	job.Target.Reload, job.Target.Timeout = shell("sleep 600"), 300*time.Millisecond
	result := deploy.Install(t.Context(), []deploy.Job{job})[0]
	if got := hint.Of(result.Err); got != "see why it takes so long, or raise its timeout" {
		t.Errorf("%v (hint: %s)", result.Err, got)
	}
}
