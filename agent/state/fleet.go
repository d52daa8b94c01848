package state

import "time"

// StepFleet stands for what a host takes from its fleet where a step is named.
const StepFleet = "fleet"

// FleetFailure is why what the fleet has published is not installed; "" where it is,
// or where it is this host's turn later.
func (s Snapshot) FleetFailure() (text, advice string) {
	f := s.Rollout.Targets[StepFleet].Failure
	return f.Text, f.Hint
}

// FleetFailed records such a reason, and when the next look comes. news says that its
// cause is another one than before.
func (s Snapshot) FleetFailed(cause error, until time.Time) (news bool, err error) {
	return s.stepFailed(StepFleet, cause, until)
}

// FleetReached says that there is no such reason any more.
func (s Snapshot) FleetReached() error { return s.stepDone(StepFleet) }
