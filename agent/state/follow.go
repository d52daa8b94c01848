package state

import (
	"cmp"
	"time"

	"dvagent/agent/rollout"
	"dvagent/internal/hint"
)

// StepFollow stands for the look at the account where a step is named.
const StepFollow = "follow"

// FollowFailure is why the last look at the account for a certificate that
// follows has failed, and how often in a row; without a text it has not.
func (s Snapshot) FollowFailure() (f rollout.Failure, inARow int) {
	known := s.Rollout.Targets[StepFollow]
	return known.Failure, known.Failures
}

// FollowFailed records such a failure, and when the next look comes. news says
// that its cause is another one than before.
func (s Snapshot) FollowFailed(cause error, until time.Time) (news bool, err error) {
	return s.stepFailed(StepFollow, cause, until, Transient(cause))
}

func (s Snapshot) stepFailed(step string, cause error, until time.Time, passes bool) (news bool, err error) {
	before := s.Rollout.Targets[step].Failure
	news = News(Cause(cause), cmp.Or(before.Cause, before.Text))
	failure := rollout.Failure{Text: cause.Error(), Hint: hint.Of(cause), Cause: Cause(cause), Until: until, Passes: passes}
	return news, s.Rollout.Fail(step, "", failure)
}

// Followed says that the look has not failed.
func (s Snapshot) Followed() error { return s.stepDone(StepFollow) }

func (s Snapshot) stepDone(step string) error {
	if s.Rollout.Targets[step].Failure.Text == "" {
		return nil
	}
	return s.Rollout.Told(step, "")
}
