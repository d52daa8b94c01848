package view

import (
	"slices"
	"time"

	"dvagent/agent/state"
	"dvagent/internal/bundle"
)

// State is how a certificate stands, in a word or two.
type State string

// The states, the most urgent first. Up to HookOwed an operator is needed.
const (
	Unreadable State = "unreadable"     // what the disk says of it
	Expired    State = "expired"        // the current version
	Emergency  State = "emergency"      // a tenth of the current version's lifetime is left, or less
	Stopped    State = "stopped"        // the order goes on when an operator has acted
	NoInstance State = "no instance"    // an order is due and none is spare
	Failed     State = "failed"         // the order, or what would be installed in its place, for what does not pass by itself
	NotServed  State = "not served"     // a deployment failed
	UploadOwed State = "upload owed"    // an upload failed
	HookOwed   State = "hook owed"      // a hook failed
	Retrying   State = "retrying"       // the order failed, and waiting may cure it
	Ordering   State = "ordering"       // an order is open
	Due        State = "due"            // an order is to be opened
	Deploying  State = "to deploy"      // a target, or the account, lacks the current version
	Unproven   State = "not yet seen"   // a probe does not show the current version
	Kept       State = "newer in place" // a target keeps a newer pair of somebody else's
	Held       State = "held"           // at a version that was rolled back to
	OK         State = "ok"
)

var states = []State{Unreadable, Expired, Emergency, Stopped, NoInstance, Failed, NotServed, UploadOwed, HookOwed,
	Retrying, Ordering, Due, Deploying, Unproven, Kept, Held, OK}

// Rank is 0 for the most urgent state.
func (s State) Rank() int { return slices.Index(states, s) }

// NeedsOperator says that it gets no better by waiting.
func (s State) NeedsOperator() bool { return s.Rank() <= HookOwed.Rank() }

// state is the most urgent one that holds.
func (c CertificateStatus) state(now time.Time) State {
	o := c.Order
	known := !c.NotAfter.IsZero()
	for _, one := range []struct {
		state State
		holds bool
	}{
		{Unreadable, c.Error != ""},
		{Expired, known && !now.Before(c.NotAfter)},
		{Emergency, c.Reason == state.ReasonEmergency || lastTenth(c.NotBefore, c.NotAfter, now)},
		{Stopped, o.Open() && o.Stopped},
		{NoInstance, o.Open() && o.WantsInstance()},
		{Failed, o.Open() && o.Error != "" && !o.Transient || c.refused},
		{NotServed, c.anyDeployment(func(d DeploymentStatus) bool { return d.Error != "" })},
		{UploadOwed, c.Upload.Failed()},
		{HookOwed, c.HookError != ""},
		{Retrying, o.Open() && o.Error != ""},
		{Ordering, o.Open()},
		{Due, c.Reason != ""},
		{Deploying, c.anyDeployment(func(d DeploymentStatus) bool { return len(d.Lacks) > 0 && d.Keeps == "" }) || c.Upload != nil && c.Upload.Owed},
		{Unproven, c.anyDeployment(func(d DeploymentStatus) bool { return len(d.Probes) > 0 && !d.Served && d.Keeps == "" })},
		{Kept, c.keeper() != nil},
		{Held, c.Held},
	} {
		if one.holds {
			return one.state
		}
	}
	return OK
}

func (c CertificateStatus) anyDeployment(holds func(DeploymentStatus) bool) bool {
	return slices.ContainsFunc(c.Deployments, holds)
}

// lastTenth is false for a leaf that is not known.
func lastTenth(notBefore, notAfter, now time.Time) bool {
	return !notAfter.IsZero() && !now.Before(bundle.LastTenth(notBefore, notAfter))
}
