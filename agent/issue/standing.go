package issue

import (
	"context"
	"time"

	"dvagent/agent/order"
	"dvagent/agent/state"
)

// standsEvery is the time between two looks whether the proofs are still where they
// were put; seldomStands, where all were seen and the CA is waited for, or where one
// could not be put again.
const (
	standsEvery  = time.Minute
	seldomStands = 10 * time.Minute
)

// keepStanding has the proofs of ours put once more that are no longer where they were
// put: somebody synchronises the zone, or the webroot, with what he knows of.
func (w *work) keepStanding(ctx context.Context) error {
	pace, now, every := w.pace(), state.Now(), standsEvery
	if w.order.Step() == order.Issue {
		every = seldomStands
		if pace.standsAt.IsZero() { // another process has seen them
			pace.standsAt = w.order.ProvedAt.Add(every)
		}
	}
	if pace.polled.IsZero() || now.Before(pace.standsAt) { // "issued" wins: the order is asked about first
		return nil
	}
	pace.standsAt = now.Add(every)
	for _, c := range w.order.Challenges {
		if err := w.restore(ctx, c); err != nil {
			pace.standsAt = now.Add(seldomStands)
			return err
		}
	}
	return nil
}

// restore does it for the proof of one challenge.
func (w *work) restore(ctx context.Context, c order.Challenge) error {
	placed := w.order.Proof(c)
	if placed == nil || placed.Kept || !w.desk.records.Has(w.order.Certificate, placed.Record) {
		return nil
	}
	if err := w.stands(ctx); err != nil {
		return err
	}
	record := placed.Record
	restored, err := w.desk.prover.Restore(ctx, record, w.proofs())
	if restored {
		pace := w.pace()
		pace.looks, pace.began = 0, time.Time{} // the name servers have to show it anew
		w.say(order.Propagate, "somebody took away "+named(record)+"; it was put there again")
	}
	return err
}
