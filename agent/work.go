package agent

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"time"

	"dvagent/agent/order"
	"dvagent/internal/aliyun"
	"dvagent/internal/hint"
)

// work is the advancing of one order within a pass.
type work struct {
	*pass
	standing
	result *aliyun.OrderResult // of the last look, while it is fresh
}

// verdict is what a step answers: go on with the next one, or wait.
type verdict struct {
	until time.Time // zero: advance
	why   string
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

// mostSteps bounds one pass over an order: a detour through every instance
// that may be refused, and no endless circle.
const mostSteps = 50

func (w *work) run(ctx context.Context) Outcome {
	if held := w.heldBack(); held != nil {
		return *held
	}
	ordered := false
	for range mostSteps {
		step := w.order.Step()
		if step == order.Done {
			return Outcome{Certificate: w.Name, Ordered: ordered, Next: w.renewsAt()}
		}
		v, err := steps[step](w, ctx)
		w.moved()
		ordered = ordered || w.order.Version != "" && w.order.Instance != ""
		switch {
		case errors.Is(err, errClosed):
			return Outcome{Certificate: w.Name, Ordered: ordered, Class: Pending, Next: wallClock(), Retry: true,
				Waiting: "another look at the account"}
		case err != nil:
			return w.fail(ctx, step, err)
		case !v.until.IsZero():
			return w.waitFor(step, v)
		}
	}
	return w.fail(ctx, w.order.Step(), fmt.Errorf("no end after %d steps", mostSteps))
}

// errClosed says that a step ended the order without a certificate, and that
// another one may be opened.
var errClosed = errors.New("the order was closed")

// heldBack says whether an earlier failure keeps the order from going on.
func (w *work) heldBack() *Outcome {
	o := w.order
	waiting := o.Error != "" && (o.Stopped || stillHeld(o.Until))
	if !waiting || o.FailedAt.Before(w.since) || o.Stopped && w.force[w.Name] {
		return nil
	}
	outcome := failed(w.Name, hint.Add(errors.New(o.Error), o.Hint))
	outcome.Step, outcome.Next, outcome.Transient = string(o.Step()), o.Until, o.Transient
	if w.emergency(wallClock()) { // else nobody hears of it until the end
		w.observe(Progress{At: wallClock(), Certificate: w.Name, Step: outcome.Step, Err: outcome.Err})
	}
	switch {
	case strings.HasPrefix(o.Error, errNoInstance.Error()):
		outcome.Class = NoInstance
	case !o.Stopped && o.Instance != "":
		outcome.Class = Pending
	}
	return &outcome
}

func (w *work) waitFor(step order.Step, v verdict) Outcome {
	if v.why != w.order.Waiting {
		if err := w.record(order.Fact{Kind: order.Waiting, Reason: v.why}); err != nil {
			return failed(w.Name, err)
		}
		w.observe(Progress{At: wallClock(), Certificate: w.Name, Step: string(step), Text: v.why, Waiting: true})
	}
	return Outcome{Certificate: w.Name, Class: Pending, Next: v.until, Step: string(step), Waiting: v.why, Since: v.since, Retry: true}
}

// observe and say tell of an order as those of Agent do, and that it is urgent.
func (w *work) observe(p Progress) {
	p.Emergency = w.emergency(wallClock())
	w.Agent.observe(p)
}

func (w *work) say(certificate, step, text string) {
	w.observe(Progress{At: wallClock(), Certificate: certificate, Step: step, Text: text})
}

// record makes a fact of the order durable.
func (w *work) record(fact order.Fact) error {
	fact.At = wallClock()
	return w.order.Record(fact)
}

// stopError ends the automatic part of an order: a person is asked.
type stopError struct{ error }

func (e stopError) Unwrap() error { return e.error }

func stop(err error, hints string) error { return stopError{hint.Add(err, hints)} }

// errNoInstance says that nothing is left to order with.
var errNoInstance = errors.New("no spare instance")

// interrupted is what work waits for that a signal or a time limit cut off.
const interrupted = "the next call, for this one was interrupted"

// fail records why a step failed and when it is tried again, and tells the
// hooks when that is news. A cancelled context is no failure of the order.
func (w *work) fail(ctx context.Context, step order.Step, err error) Outcome {
	outcome := Outcome{Certificate: w.Name, Class: Failure, Step: string(step), Err: err}
	if ctx.Err() != nil && (w.order.Instance != "" || !w.order.Forced) {
		outcome.Class, outcome.Err, outcome.Waiting = Pending, nil, interrupted
		return outcome
	}
	if ctx.Err() != nil {
		outcome.Err = hint.Add(err, "nothing was claimed yet; the next call begins anew")
		return outcome
	}
	if transient(err) && w.leaf != nil && w.broken == nil {
		err = hint.Add(err, strings.TrimPrefix(hint.Of(err)+"; the present certificate is valid until "+w.leaf.NotAfter.Format(time.DateOnly), "; "))
		outcome.Err = err
	}
	news := !sameFailure(w.order.Error, err)
	outcome.Transient = transient(err)
	fact := order.Fact{Kind: order.Failed, Error: err.Error(), Hint: hint.Of(err), Transient: outcome.Transient}
	var stopped stopError
	fact.Stopped = errors.As(err, &stopped)
	if !fact.Stopped {
		fact.Until = wallClock().Add(w.retryIn(step, err))
	}
	if err := w.record(fact); err != nil {
		return failed(w.Name, also(outcome.Err, err))
	}
	outcome.Next = fact.Until
	outcome.Retry = transient(err) || rejected(err) || errors.Is(err, errNoInstance)
	switch {
	case errors.Is(err, errNoInstance):
		outcome.Class = NoInstance
	case step == order.CleanUp:
		outcome.Class, outcome.Retry = Pending, true
	case transient(err) && w.order.Instance != "":
		outcome.Class = Pending
	}
	w.observe(Progress{At: wallClock(), Certificate: w.Name, Step: string(step), Err: err})
	if news && !transient(err) {
		w.tellFailure(ctx, w.standing, err)
	}
	return outcome
}

// passing is what differs in two reports of one failure: the id of a request,
// the port that a connection came from, and the last line of a command, which
// may tell a time or a process.
var passing = regexp.MustCompile(`\(request [^)]*\)|\S+->|\("(?:[^"\\]|\\.)*"\)`)

// sameFailure says that a failure was told before.
func sameFailure(told string, err error) bool {
	return passing.ReplaceAllString(told, "") == passing.ReplaceAllString(err.Error(), "")
}

// transient says that waiting may cure the failure.
func transient(err error) bool {
	var api *aliyun.Error
	return errors.Is(err, errUndecided) || errors.As(err, &api) && api.Transient()
}

// retryIn is how long a failed step rests. An emergency does not change what a
// limit forbids.
func (w *work) retryIn(step order.Step, err error) time.Duration {
	delay := backoffAt(step, w.order.FailuresSince(w.since), err)
	if errors.Is(err, errPace) {
		return delay
	}
	return beforeEmergency(delay, w.leaf, wallClock())
}

// backoffAt is backoff, but for a record that is to be removed: the first tries
// follow each other soon.
func backoffAt(step order.Step, failures int, err error) time.Duration {
	if step == order.CleanUp && failures < mostTries {
		return time.Second << failures
	}
	return backoff(failures, err)
}

// longestBackoff is how long anything is held up because it failed.
const longestBackoff = time.Hour

// stillHeld says that a failure's time has not run out. One that lies further
// ahead than any backoff was written by a clock that was wrong.
func stillHeld(until time.Time) bool {
	left := until.Sub(wallClock())
	return left > 0 && left <= longestBackoff
}

// rejected says that the credentials were not accepted. They are read anew for
// each call, so that a rotation cures it.
func rejected(err error) bool {
	var api *aliyun.Error
	return errors.As(err, &api) && api.Kind == aliyun.Credential
}

// backoff grows with the failures in a row: from a second to five minutes for
// what passes by itself, and to an hour for what a person must mend. That
// begins with a minute, or sooner where the next look may show something else:
// credentials that are being rotated, a list that lacks a fresh instance.
func backoff(failures int, err error) time.Duration {
	first, longest := time.Minute, longestBackoff
	switch {
	case transient(err):
		first, longest = time.Second, 5*time.Minute
	case rejected(err):
		first = 5 * time.Second
	case errors.Is(err, errNoInstance):
		first = 2 * time.Second
	}
	delay := min(first<<min(failures, 12), longest)
	return delay - time.Duration(rand.Int64N(int64(delay)/5+1))
}
