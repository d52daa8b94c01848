package issue

import (
	"context"
	"fmt"
	"strings"
	"time"

	"dvagent/agent/order"
	"dvagent/agent/state"
	"dvagent/internal/hint"
)

// leaveOutAfter is how long the quorum waits for the name servers that do not
// show a record: most only lag behind, and the CA may ask any of them.
const leaveOutAfter = 10 * time.Second

// propagate watches the name servers, or the web servers, until they show every
// proof. The CA looks
// on its own meanwhile, so the order is still polled, and wins.
func (w *work) propagate(ctx context.Context) (verdict, error) {
	next, err := w.poll(ctx)
	if err != nil || w.order.Step() != order.Propagate {
		return advance, err
	}
	if err := w.keepStanding(ctx); err != nil || w.order.Step() != order.Propagate {
		return advance, err
	}
	pace := w.pace()
	if due := pace.looked.Add(w.desk.prover.Interval(pace.looks)); pace.looks == 0 || !state.Now().Before(due) {
		seen, err := w.lookAtAll(ctx, pace)
		if err != nil || seen {
			return advance, err
		}
	}
	v, err := w.patient(state.Sooner(next, pace.looked.Add(w.desk.prover.Interval(pace.looks))), pace.said)
	v.since = pace.began
	return v, err
}

// lookAtAll looks once at each proof that was not seen yet, and says whether
// all are seen now.
func (w *work) lookAtAll(ctx context.Context, pace *pace) (bool, error) {
	if pace.began.IsZero() {
		pace.began = state.Now()
	}
	all := true
	for _, placed := range w.order.Unseen() {
		record := placed.Record
		seen, said := w.look(ctx, record, pace.began)
		if pace.said = said; !seen {
			all = false
			break
		}
		w.say(order.Propagate, said)
		if err := w.order.Visible(record); err != nil {
			return false, err
		}
	}
	pace.looked, pace.looks = state.Now(), pace.looks+1
	return all, nil
}

// look asks the name servers once. That they cannot be asked is a verdict like
// another: the CA may reach them nevertheless.
func (w *work) look(ctx context.Context, r order.Record, began time.Time) (seen bool, said string) {
	back := Away(ctx)
	sight, err := w.desk.prover.Look(ctx, r)
	back()
	switch waited := state.Now().Sub(began); {
	case err != nil:
		return false, unasked(err)
	case sight.Shown:
		return true, sight.Said
	case !sight.Enough || waited.Abs() < leaveOutAfter:
		return false, sight.Said
	}
	return true, fmt.Sprintf("enough name servers show the record by the quorum; left out: %s", strings.Join(sight.LeftOut, "; "))
}

// unasked is what is waited for where the name servers cannot be asked.
func unasked(err error) string {
	if advice := hint.Of(err); advice != "" {
		return fmt.Sprintf("the name servers cannot be asked: %s (hint: %s)", err, advice)
	}
	return fmt.Sprintf("the name servers cannot be asked: %s", err)
}
