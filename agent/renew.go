package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"dvagent/agent/order"
	"dvagent/internal/hint"
)

// Renewal is what the one-shot is asked to do.
type Renewal struct {
	Names    []string // none: every certificate
	Force    bool     // order although nothing is due
	NoWait   bool     // leave what has to wait to the next call
	Timeout  time.Duration
	LockWait time.Duration
	Who      string // shown to those who wait for the lock
}

// mostTries is how often the one-shot tries what fails for a passing
// reason before anything is claimed, and the removal of a record.
const mostTries = 3

// Renew does all that is due and waits for it. It returns how each certificate
// stands; an error says that nothing could be looked at.
func (a *Agent) Renew(ctx context.Context, r Renewal) ([]Outcome, error) {
	names, err := a.selected(r.Names)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, r.Timeout)
	defer cancel()
	run := &oneShot{Agent: a, started: wallClock(), tries: map[string]int{}, standing: map[string]Outcome{}}
	run.scope = scope{since: run.started, force: map[string]bool{}}
	if len(r.Names) > 0 {
		run.names = names
	}
	if r.Force {
		run.force = names
	}
	for {
		if err := run.pass(ctx, r); err != nil && len(run.standing) == 0 {
			return nil, err
		} else if err != nil {
			a.log.Warn("stopped waiting", "error", err)
			break
		}
		next := run.waitsUntil()
		if next.IsZero() || r.NoWait || sleepUntil(ctx, next) != nil {
			break
		}
		run.names = run.dueNames()
	}
	run.tellAtEnd(ctx)
	return run.outcomes(), run.withdraw(r)
}

// selected checks the names given on the command line.
func (a *Agent) selected(names []string) (map[string]bool, error) {
	set := map[string]bool{}
	for _, name := range names {
		if _, known := a.config.Certificate(name); !known {
			return nil, &UnknownError{name}
		}
		set[name] = true
	}
	if len(names) == 0 {
		for _, certificate := range a.config.Certificates {
			set[certificate.Name] = true
		}
	}
	return set, nil
}

// UnknownError says that the configuration has no certificate of that name.
type UnknownError struct{ Name string }

func (e *UnknownError) Error() string { return fmt.Sprintf("no certificate is named %q", e.Name) }

// OperatorHint is for package hint.
func (e *UnknownError) OperatorHint() string { return "dvagent status lists them" }

// oneShot is one call of Renew.
type oneShot struct {
	*Agent
	scope
	started  time.Time
	tries    map[string]int
	standing map[string]Outcome
}

// pass works under the lock on what is due.
func (run *oneShot) pass(ctx context.Context, r Renewal) error {
	lock, err := run.lock(ctx, r.LockWait, r.Who)
	if err != nil {
		return err
	}
	defer lock.Unlock()
	p, err := run.newPass(run.scope)
	if err != nil {
		return err
	}
	for _, outcome := range p.run(ctx) {
		run.take(outcome)
	}
	return run.dropForce()
}

// dropForce forgets --force where an order has claimed an instance or has come
// and gone: a forced order is placed once, whoever finishes it.
func (run *oneShot) dropForce() error {
	for name := range run.force {
		o, err := order.Load(run.dir(name))
		if err != nil {
			return err
		}
		if o == nil || o.Instance != "" {
			delete(run.force, name)
		}
	}
	return nil
}

// take notes how a certificate stands, and whether another look may help.
func (run *oneShot) take(outcome Outcome) {
	name := outcome.Certificate
	if outcome.Class == Failure || outcome.Class == NoInstance || outcome.Err != nil && outcome.Step == string(order.CleanUp) {
		run.tries[name]++
		outcome.Retry = outcome.Retry && run.tries[name] < mostTries
	}
	waited := wallClock().Sub(outcome.Since)
	if outcome.Step == string(order.Propagate) && outcome.Err == nil && waited > run.config.DNS.PropagationTimeout {
		outcome.Retry = false
		outcome.Err = hint.Add(fmt.Errorf("not every name server shows the record after %s: %s",
			run.config.DNS.PropagationTimeout, outcome.Waiting), "the order stays open; the next call goes on with it")
	}
	run.standing[name] = outcome
}

// waitsUntil is when the first certificate that waits is looked at again, or
// zero when none does.
func (run *oneShot) waitsUntil() time.Time {
	var next time.Time
	for _, outcome := range run.standing {
		if outcome.Class != Served && outcome.Retry {
			next = sooner(next, outcome.Next)
		}
	}
	return next
}

func (run *oneShot) dueNames() map[string]bool {
	due := map[string]bool{}
	for name, outcome := range run.standing {
		if outcome.Class != Served && outcome.Retry && !wallClock().Before(outcome.Next) {
			due[name] = true
		}
	}
	return due
}

func (run *oneShot) outcomes() []Outcome {
	return slices.SortedFunc(maps.Values(run.standing), func(a, b Outcome) int {
		return cmp.Compare(a.Certificate, b.Certificate)
	})
}

// withdraw forgets the forced orders that claimed nothing: --force is not
// remembered.
func (run *oneShot) withdraw(r Renewal) error {
	if len(run.force) == 0 || !r.Force {
		return nil
	}
	lock, err := run.lock(context.Background(), r.LockWait, r.Who)
	if err != nil {
		return err
	}
	defer lock.Unlock()
	p, err := run.newPass(scope{})
	if err != nil {
		return err
	}
	var all []error
	for name := range run.force {
		o, err := order.Load(run.dir(name))
		if err == nil && o != nil && o.Forced && o.Instance == "" {
			err = p.closeOrder(o, order.Withdrawn, "forced, and nothing was claimed")
		}
		all = append(all, err)
	}
	return errors.Join(all...)
}

// sleepUntil waits by the wall clock, which a machine that slept has moved.
func sleepUntil(ctx context.Context, until time.Time) error {
	for {
		left := time.Until(until.Round(0))
		if left <= 0 {
			return nil
		}
		if err := sleep(ctx, min(left, time.Minute)); err != nil {
			return err
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// lock takes the lock of the state directory, for which it waits so long.
func (a *Agent) lock(ctx context.Context, wait time.Duration, who string) (*order.Lock, error) {
	deadline := wallClock().Add(wait)
	for {
		lock, err := order.TryLock(a.config.StateDir, who)
		var held *order.HeldError
		if err == nil || !errors.As(err, &held) || wallClock().After(deadline) {
			return lock, err
		}
		if sleep(ctx, 50*time.Millisecond) != nil {
			return nil, held
		}
	}
}
