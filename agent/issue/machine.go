package issue

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"dvagent/agent/order"
	"dvagent/agent/state"
	"dvagent/internal/hint"
)

// work is the advancing of one order within a pass.
type work struct {
	desk     *Desk
	snapshot state.Snapshot
	order    *order.Order
	forced   bool    // an operator wants it, whatever stands against it
	issuer   Issuer  // that the order is bound to, once it was wanted
	lists    *lists  // of the account, once they were wanted
	anew     bool    // the choice of an instance was gone back to
	report   *Report // with the certificate and its key, between issue and collect
}

// verdict is what a step answers: go on with the next one, or wait.
type verdict struct {
	until time.Time // zero: advance
	why   string
	long  bool      // so long that no call waits for it
	since time.Time // when this process began to wait so
}

var advance = verdict{}

func wait(until time.Time, why string) verdict { return verdict{until: until, why: why} }

// steps is what an order consists of. A step reads the facts, does one thing,
// records it and returns; none of them sleeps.
var steps = map[order.Step]func(*work, context.Context) (verdict, error){
	order.Allocate:  (*work).allocate,
	order.Submit:    (*work).submit,
	order.Present:   (*work).present,
	order.Propagate: (*work).propagate,
	order.Issue:     (*work).issue,
	order.Collect:   (*work).collect,
	order.CleanUp:   (*work).cleanUp,
}

// mostSteps bounds one turn of an order: a detour through every instance that
// may be refused, and no endless circle.
const mostSteps = 50

// Advance takes over, opens and advances the certificate's order as far as it
// goes now. It returns what the disk says then.
// forced says that an operator wants an order, whether or not one is due.
func (d *Desk) Advance(ctx context.Context, s state.Snapshot, forced bool) (state.Snapshot, state.Outcome) {
	if d.shares(s, forced) {
		if err := d.hold(ctx, &s, forced); err != nil {
			if waiting := d.waitsElsewhere(s, err); waiting != nil {
				return s, *waiting
			}
			return s, d.withoutFleet(s, err)
		}
		defer d.release(ctx, s.Config.Name)
	}
	did, newest := state.Nothing, s.Newest
	if err := d.ready(ctx, &s, forced); err != nil {
		if waiting := d.waitsElsewhere(s, err); waiting != nil {
			return s, *waiting
		}
		return s, d.unready(s, err, d.memory.missed(s.Config.Name))
	}
	d.memory.opened(s.Config.Name)
	if s.Newest != newest {
		did = state.TookOver
	}
	switch {
	case s.Order == nil && s.Config.FromFleet:
		return s, d.leaveToFleet(s, did)
	case s.Order == nil && s.Config.Follow:
		return d.follow(ctx, s, forced)
	case s.Order == nil:
		return s, state.Outcome{Certificate: s.Config.Name, Next: s.RenewsAt(), Did: did}
	}
	w := &work{desk: d, snapshot: s, order: s.Order, forced: forced}
	outcome := w.run(ctx)
	return w.snapshot, outcome
}

// unready is the outcome where nothing could be opened, so often in a row. What passes by
// itself is looked at again soon, and more and more seldom.
func (d *Desk) unready(s state.Snapshot, err error, failures int) state.Outcome {
	outcome := state.Failed(s.Config.Name, err)
	if outcome.Transient = state.Transient(err); outcome.Transient {
		outcome.Retry, outcome.Next = true, state.Now().Add(state.BeforeEmergency(state.Backoff(state.MostTries+failures-1, err), s.Leaf, state.Now()))
		d.host.Observe(state.Progress{At: state.Now(), Certificate: s.Config.Name, Err: err})
	}
	return outcome
}

func (w *work) run(ctx context.Context) state.Outcome {
	if held := w.heldBack(); held != nil {
		return *held
	}
	ordered := false
	for range mostSteps {
		step := w.order.Step()
		if step == order.Done {
			return state.Outcome{Certificate: w.name(), Ordered: ordered, Next: w.snapshot.RenewsAt()}
		}
		hasten(ctx, step)
		v, err := steps[step](w, ctx)
		w.desk.host.Alive()
		ordered = ordered || w.order.Version != "" && w.order.Instance != ""
		switch {
		case errors.Is(err, errClosed):
			return state.Outcome{Certificate: w.name(), Ordered: ordered, Class: state.Pending, Next: state.Now(), Retry: true,
				Waiting: "the account's lists, read anew"}
		case err != nil:
			if elsewhere := w.desk.waitsElsewhere(w.snapshot, err); elsewhere != nil {
				return *elsewhere
			}
			return w.fail(ctx, step, err)
		case !v.until.IsZero():
			return w.waitFor(step, v)
		}
	}
	return w.fail(ctx, w.order.Step(), fmt.Errorf("no end after %d steps", mostSteps))
}

func (w *work) name() string { return w.snapshot.Config.Name }

// errClosed says that a step ended the order without a certificate, and that
// another one may be opened.
var errClosed = errors.New("the order was closed")

// heldBack says whether an earlier failure keeps the order from going on.
func (w *work) heldBack() *state.Outcome {
	f := w.order.Failure
	waiting := f.Text != "" && (f.Stopped || state.StillHeld(f.Until))
	if !waiting || f.At.Before(w.desk.scope.Since) || f.Stopped && (w.forced || w.looksAgain()) {
		return nil
	}
	outcome := state.Failed(w.name(), state.Recall(f.Text, f.Hint, f.Cause))
	outcome.Step, outcome.Next, outcome.Transient = string(w.order.Step()), f.Until, f.Transient
	if w.snapshot.Emergency(state.Now()) { // else nobody hears of it until the end
		w.tell(state.Progress{Step: outcome.Step, Err: outcome.Err})
	}
	switch {
	case f.Cause == order.CauseNoInstance:
		outcome.Class = state.NoInstance
	case !f.Stopped && w.order.Instance != "":
		outcome.Class = state.Pending
	}
	return &outcome
}

// looksAgain says, once in a process, that an order which stopped goes on all the
// same: an older dvagent took the orders of other hosts for ours, and stopped.
func (w *work) looksAgain() bool {
	pace := w.pace()
	if !w.assumed() || pace.again {
		return false
	}
	pace.again = true
	return true
}

func (w *work) waitFor(step order.Step, v verdict) state.Outcome {
	if v.why != w.order.Waiting || v.long && w.order.Failure.Text != "" {
		if err := w.order.Wait(v.why); err != nil {
			return state.Failed(w.name(), err)
		}
		w.tell(state.Progress{Step: string(step), Text: v.why, Waiting: true})
	}
	return state.Outcome{Certificate: w.name(), Class: state.Pending, Next: v.until, Step: string(step), Waiting: v.why, Since: v.since, Retry: !v.long}
}

// tell completes what has happened to the order, and how urgent it is.
func (w *work) tell(p state.Progress) {
	p.At, p.Certificate, p.Emergency = state.Now(), w.name(), w.snapshot.Emergency(state.Now())
	w.desk.host.Observe(p)
}

func (w *work) say(step order.Step, text string) {
	w.tell(state.Progress{Step: string(step), Text: text})
}

// stopError ends the automatic part of an order: an operator is asked.
type stopError struct{ error }

func (e stopError) Unwrap() error { return e.error }

func stop(err error, hints string) error { return stopError{hint.Add(err, hints)} }

// fail records why a step failed and when it is tried again. A cancelled
// context is no failure of the order.
func (w *work) fail(ctx context.Context, step order.Step, err error) state.Outcome {
	if ctx.Err() != nil {
		return w.interrupted(step, err)
	}
	if state.Transient(err) && w.snapshot.Leaf != nil && w.snapshot.Broken == nil {
		err = state.SayEnd(err, w.snapshot.Leaf.NotAfter)
	}
	var stopped stopError
	f := order.Failure{Text: err.Error(), Hint: hint.Of(err), Cause: state.Cause(err),
		Transient: state.Transient(err), Stopped: errors.As(err, &stopped)}
	if !f.Stopped {
		f.Until = state.Now().Add(w.retryIn(step, err))
	}
	news := state.News(f.Cause, cmp.Or(w.order.Failure.Cause, w.order.Failure.Text))
	if recordErr := w.order.Fail(f); recordErr != nil {
		return state.Failed(w.name(), state.Also(err, recordErr))
	}
	w.tell(state.Progress{Step: string(step), Err: err})
	return w.failure(step, err, news)
}

// failure is the outcome of a step that failed.
func (w *work) failure(step order.Step, err error, news bool) state.Outcome {
	f := w.order.Failure
	outcome := state.Outcome{Certificate: w.name(), Class: state.Failure, Step: string(step), Err: err, Next: f.Until,
		Transient: f.Transient, News: news && !f.Transient,
		Retry: f.Transient || state.Rejected(err) || f.Cause == order.CauseNoInstance}
	switch {
	case f.Cause == order.CauseNoInstance:
		outcome.Class = state.NoInstance
	case step == order.CleanUp:
		outcome.Class, outcome.Retry = state.Pending, true
	case f.Transient && w.order.Instance != "":
		outcome.Class = state.Pending
	}
	return outcome
}

// interrupted is the outcome of a step that a signal or a time limit cut off.
func (w *work) interrupted(step order.Step, err error) state.Outcome {
	if w.order.Instance != "" || !w.order.Forced {
		return state.Outcome{Certificate: w.name(), Class: state.Pending, Step: string(step), Waiting: state.Interrupted}
	}
	return state.Outcome{Certificate: w.name(), Class: state.Failure, Step: string(step),
		Err: hint.Add(err, "nothing was claimed yet; the next call begins anew")}
}

// retryIn is how long a failed step rests. An emergency does not change what a
// limit forbids.
func (w *work) retryIn(step order.Step, err error) time.Duration {
	failures := w.order.FailuresSince(w.desk.scope.Since)
	delay := state.Backoff(failures, err)
	if step == order.CleanUp && failures < state.MostTries {
		delay = time.Second << failures // the first tries follow each other soon
	}
	if errors.Is(err, errPace) {
		return delay
	}
	return state.BeforeEmergency(delay, w.snapshot.Leaf, state.Now())
}
