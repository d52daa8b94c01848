package state

import (
	"time"

	"dvagent/agent/rollout"
)

// StepFleet stands for what a host takes from its fleet where a step is named.
const StepFleet = "fleet"

// FleetFailure is why what the fleet has published is not installed; without a text it
// is, or this host's turn comes later.
func (s Snapshot) FleetFailure() rollout.Failure { return s.Rollout.Targets[StepFleet].Failure }

// FleetFailed records such a reason, and when the next look comes. passes says that
// nothing is to be done on this host. news says that its cause is another one than before.
func (s Snapshot) FleetFailed(cause error, until time.Time, passes bool) (news bool, err error) {
	return s.stepFailed(StepFleet, cause, until, passes)
}

// FleetReached says that there is no such reason any more.
func (s Snapshot) FleetReached() error { return s.stepDone(StepFleet) }
