package install

import (
	"cmp"
	"fmt"
	"maps"
	"time"

	"dvagent/agent/rollout"
	"dvagent/agent/state"
	"dvagent/deploy"
)

// putOff leaves a target as it is that was installed too often: something takes
// away again what was installed, and each installation reloads a server.
func (r *Rollout) putOff(c *candidate, target deploy.Target, drift deploy.Drift, next time.Time) error {
	s := c.item.Snapshot
	found := "its probes do not show the certificate"
	if len(drift.Files) > 0 {
		found = drift.Files[0]
	}
	cause := state.Recall(
		fmt.Sprintf("installed %d times within an hour without a new version, and again %s", rollout.MostInstalls, found),
		"find what changes it, such as a reload command or another program; dvagent installs it again within the hour, and at once by: dvagent deploy "+c.item.name(),
		rollout.TooOften)
	outcome := state.Outcome{Certificate: c.item.name(), Class: state.NotServed, Step: state.StepDeploy, Next: next, Err: cause}
	c.item.add(outcome)
	before := s.Rollout.Targets[target.ID()].Failure
	if !state.News(rollout.TooOften, cmp.Or(before.Cause, before.Text)) {
		return nil
	}
	r.addFailure(c.item, cause)
	r.host.Observe(state.Progress{At: state.Now(), Certificate: c.item.name(), Step: state.StepDeploy, Err: cause})
	return s.Rollout.Fail(target.ID(), s.Current, failure(cause, outcome))
}

// noteUnkept tells once, and remembers, what the file systems of a target do not
// keep of the modes and owners that files were given.
func (r *Rollout) noteUnkept(c *candidate, result deploy.Result) error {
	for _, text := range result.Shortcomings {
		r.host.Log.Warn(text, "certificate", c.item.name(), "target", result.Job.Target.String())
	}
	if maps.Equal(result.Instead, result.Job.Target.Instead) {
		return nil
	}
	instead := map[string]rollout.Attributes{}
	for path, is := range result.Instead {
		instead[path] = rollout.Attributes(is)
	}
	return c.item.Snapshot.Rollout.Keeps(result.Job.Target.ID(), instead)
}
