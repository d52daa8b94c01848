package agent

import (
	"slices"
	"time"
)

// State is how a certificate stands, in a word or two.
type State string

// The states, the most urgent first. Up to StateHookOwed a person is needed.
const (
	StateUnreadable State = "unreadable"   // what the disk says of it
	StateExpired    State = "expired"      // the current version
	StateEmergency  State = "emergency"    // a tenth of the current version's lifetime is left, or less
	StateStopped    State = "stopped"      // the order goes on when a person has acted
	StateNoInstance State = "no instance"  // is spare
	StateFailed     State = "failed"       // the order, for what does not pass by itself
	StateNotServed  State = "not served"   // a deployment failed
	StateHookOwed   State = "hook owed"    // a hook failed
	StateRetrying   State = "retrying"     // the order failed, and waiting may cure it
	StateOrdering   State = "ordering"     // an order is open
	StateDue        State = "due"          // an order is to be opened
	StateDeploying  State = "to deploy"    // a target lacks the current version
	StateUnproven   State = "not yet seen" // a probe does not show the current version
	StateHeld       State = "held"         // at a version that was rolled back to
	StateOK         State = "ok"
)

var states = []State{StateUnreadable, StateExpired, StateEmergency, StateStopped, StateNoInstance, StateFailed, StateNotServed, StateHookOwed,
	StateRetrying, StateOrdering, StateDue, StateDeploying, StateUnproven, StateHeld, StateOK}

// Rank is 0 for the most urgent state.
func (s State) Rank() int { return slices.Index(states, s) }

// NeedsPerson says that it gets no better by waiting.
func (s State) NeedsPerson() bool { return s.Rank() <= StateHookOwed.Rank() }

// state is the most urgent one that holds.
func (c CertificateStatus) state(now time.Time) State {
	o := c.Order
	known := !c.NotAfter.IsZero()
	left, lifetime := c.NotAfter.Sub(now), c.NotAfter.Sub(c.NotBefore)
	for _, one := range []struct {
		state State
		holds bool
	}{
		{StateUnreadable, c.Error != ""},
		{StateExpired, known && left <= 0},
		{StateEmergency, c.Reason == ReasonEmergency || known && left <= lifetime/10},
		{StateStopped, o.Open() && o.Stopped},
		{StateNoInstance, o.Open() && o.WantsInstance()},
		{StateFailed, o.Open() && o.Error != "" && !o.Transient},
		{StateNotServed, c.anyDeployment(func(d DeploymentStatus) bool { return d.Error != "" })},
		{StateHookOwed, c.HookError != ""},
		{StateRetrying, o.Open() && o.Error != ""},
		{StateOrdering, o.Open()},
		{StateDue, c.Reason != ""},
		{StateDeploying, c.anyDeployment(func(d DeploymentStatus) bool { return len(d.Lacks) > 0 })},
		{StateUnproven, c.anyDeployment(func(d DeploymentStatus) bool { return len(d.Probes) > 0 && !d.Served })},
		{StateHeld, c.Held},
	} {
		if one.holds {
			return one.state
		}
	}
	return StateOK
}

func (c CertificateStatus) anyDeployment(holds func(DeploymentStatus) bool) bool {
	return slices.ContainsFunc(c.Deployments, holds)
}
