package agent

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"dvagent/agent/notice"
	"dvagent/agent/order"
	"dvagent/agent/state"
	"dvagent/internal/hint"
)

// Renewal is what the one-shot is asked to do.
type Renewal struct {
	Names   []string // none: every certificate
	Force   bool     // order although nothing is due
	Adopt   string   // go on with this order of a package, by the server's id; of one certificate
	Alone   bool     // order without asking the fleet
	NoWait  bool     // leave what has to wait to the next call
	Timeout time.Duration
	Caller  state.Caller
}

// Renew does all that is due and waits for it. It returns how each certificate
// stands; an error says that nothing could be looked at.
func (a *Agent) Renew(ctx context.Context, r Renewal) ([]state.Outcome, error) {
	names, err := a.host.Selected(r.Names)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, r.Timeout)
	defer cancel()
	if r.Adopt != "" {
		if err := a.adopt(ctx, r); err != nil {
			return nil, err
		}
	}
	run := newOneShot(a, r, names)
	for {
		if err := run.pass(ctx); err != nil && (len(run.last) == 0 || len(run.first) > 0) {
			return nil, err
		} else if err != nil {
			a.host.Log.Warn("stopped waiting", "error", err)
			break
		}
		next := run.next(state.Now())
		if len(run.first) > 0 { // the pass was over before their turn came
			_ = state.SleepUntil(ctx, state.Now().Add(betweenPasses))
			continue
		}
		if next.IsZero() || state.SleepUntil(ctx, next) != nil {
			break
		}
	}
	notice.NotifyAtEnd(ctx, a.host)
	return run.outcomes(), run.withdraw()
}

// oneShot is one call of Renew. It is the agenda of its passes.
type oneShot struct {
	agent   *Agent
	renewal Renewal
	started time.Time
	force   map[string]bool
	first   map[string]bool // that were not begun yet, or not worked on
	tries   map[string]int
	last    map[string]state.Outcome // of each certificate
}

func newOneShot(a *Agent, r Renewal, names map[string]bool) *oneShot {
	run := &oneShot{agent: a, renewal: r, started: state.Now(), force: map[string]bool{}, first: names,
		tries: map[string]int{}, last: make(map[string]state.Outcome, len(names))}
	if r.Force {
		run.force = maps.Clone(names)
	}
	return run
}

// pass works under the lock on what is due.
func (run *oneShot) pass(ctx context.Context) error {
	return run.agent.workOn(ctx, run, run.renewal.Caller, state.Scope{Since: run.started, Alone: run.renewal.Alone}, func() {
		if len(run.last) == len(run.agent.host.Config.Certificates) {
			run.agent.passed(run.renewal.Caller.Who)
		}
	})
}

// forced is for agenda.
func (run *oneShot) forced(name string) bool { return run.force[name] }

// noteForce forgets --force where an order was placed in this run or has come and
// gone: a forced order is placed once, whoever finishes it. Where the instance was
// given back, it is wanted again; and where the look failed before any step, it still is.
func (run *oneShot) noteForce(outcome state.Outcome) {
	name := outcome.Certificate
	o, err := order.Load(run.agent.host.Dir.Certificate(name))
	if err == nil && o == nil && outcome.Class == state.Failure && outcome.Step == "" {
		return
	}
	if err != nil || o == nil {
		delete(run.force, name)
		return
	}
	placed := o.Instance != "" && o.SubmittingAt.After(run.started) && (o.Submitting || !o.SubmittedAt.IsZero())
	if taken := o.Instance != "" && o.Adopted; placed || taken || o.Version != "" {
		delete(run.force, name)
	} else if o.Forced {
		run.force[name] = true
	}
}

// due is for agenda: each certificate once, and again those that wait, unless
// waiting is not wanted.
func (run *oneShot) due(now time.Time) map[string]bool {
	due := maps.Clone(run.first)
	for name, outcome := range run.last {
		if waits(outcome) && !run.renewal.NoWait && !now.Before(outcome.Next) {
			due[name] = true
		}
	}
	return due
}

// begin is for agenda. What is at work has no next look until it is taken: else it would
// hide one that comes sooner.
func (run *oneShot) begin(names map[string]bool) {
	for name := range names {
		delete(run.first, name)
		if last, known := run.last[name]; known {
			last.Next = time.Time{}
			run.last[name] = last
		}
	}
}

// handBack is for agenda.
func (run *oneShot) handBack(names map[string]bool) { maps.Copy(run.first, names) }

// waits says that another look may help.
func waits(o state.Outcome) bool { return o.Class != state.Served && o.Retry }

// take is for agenda: it notes whether another look may help.
func (run *oneShot) take(outcome state.Outcome) {
	name := outcome.Certificate
	outcome.Ordered = outcome.Ordered || run.last[name].Ordered
	outcome.Did = max(outcome.Did, run.last[name].Did)
	if run.renewal.Force {
		run.noteForce(outcome)
	}
	if outcome.Class == state.Failure || outcome.Class == state.NoInstance || outcome.Err != nil && outcome.Step == string(order.CleanUp) {
		run.tries[name]++
		outcome.Retry = outcome.Retry && run.tries[name] < state.MostTries
	}
	limit := run.agent.host.Config.DNS.PropagationTimeout
	if outcome.Step == string(order.Propagate) && outcome.Err == nil && state.Now().Sub(outcome.Since) > limit {
		outcome.Retry = false
		outcome.Err = hint.Add(run.unseen(outcome), "the order stays open; the next call goes on with it")
	}
	run.last[name] = outcome
}

// unseen says that a proof was not shown within the limit.
func (run *oneShot) unseen(outcome state.Outcome) error {
	cfg := run.agent.host.Config
	if c, _ := cfg.Certificate(outcome.Certificate); c.Webroot != "" {
		return fmt.Errorf("not every address shows the file after %s: %s", cfg.DNS.PropagationTimeout, outcome.Waiting)
	}
	return fmt.Errorf("not every name server shows the record after %s: %s", cfg.DNS.PropagationTimeout, outcome.Waiting)
}

// alarms, wake and noted are for agenda: a one-shot watches nothing, and tells
// people at its end.
func (run *oneShot) alarms() <-chan map[string]bool { return nil }
func (run *oneShot) wake(map[string]bool)           {}
func (run *oneShot) noted()                         {}

// next is for agenda: when the first certificate that waits is looked at again; now, where
// one was not looked at yet.
func (run *oneShot) next(now time.Time) time.Time {
	var next time.Time
	switch {
	case len(run.first) > 0:
		return now
	case run.renewal.NoWait:
		return next
	}
	for _, outcome := range run.last {
		if waits(outcome) {
			next = state.Sooner(next, outcome.Next)
		}
	}
	return next
}

func (run *oneShot) outcomes() []state.Outcome {
	outcomes := make([]state.Outcome, 0, len(run.last))
	for _, name := range slices.Sorted(maps.Keys(run.last)) {
		outcomes = append(outcomes, run.last[name])
	}
	return outcomes
}

// withdraw forgets the forced orders that claimed nothing: --force is not
// remembered.
func (run *oneShot) withdraw() error {
	if len(run.force) == 0 {
		return nil
	}
	return run.agent.underLock(context.Background(), run.renewal.Caller, state.Scope{Alone: run.renewal.Alone}, func(ctx context.Context, p *pass) error {
		var all []error
		for name := range run.force {
			all = append(all, p.desk.Withdraw(name))
		}
		return errors.Join(all...)
	})
}
