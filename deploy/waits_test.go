package deploy_test

import (
	"fmt"
	"testing"
	"time"

	"dvagent/deploy"
)

// fault 152
func TestWhatTakesLongIsToldOnce(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(h *host, target *deploy.Target) (want string)
	}{
		{"nobody listens", func(_ *host, target *deploy.Target) string {
			target.Probe = []string{"127.0.0.1:1"}
			return "127.0.0.1:1 to show the new certificate, up to 2 s"
		}},
		{"the old certificate is served", func(h *host, target *deploy.Target) string {
			h.ignores, target.Probe = true, append(target.Probe, h.address)
			return fmt.Sprintf("%[1]s, %[1]s to show the new certificate, up to 2 s", h.address)
		}},
		{"a reload is slow", func(_ *host, target *deploy.Target) string {
			target.Reload = shell("sleep 1.5; " + target.Reload[2])
			return "/bin/sh to end, up to 2 s"
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			h := newHost(t)
			h.put(t, h.issue(t))
			job := h.job(h.issue(t))
			job.Target.Timeout = 2 * time.Second
			told := make(chan string, 10)
			job.Waits = func(what string) { told <- what }
			want := test.change(h, &job.Target)
			install(t, job)
			close(told)
			times := 0
			for what := range told { // on a slow machine also what took long besides
				if what == want {
					times++
				}
			}
			if times != 1 {
				t.Errorf("told %d times: %q", times, want)
			}
		})
	}
}
