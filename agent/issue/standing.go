package issue

import (
	"context"
	"time"

	"dvagent/agent/order"
	"dvagent/agent/state"
)

// standsEvery is the time between two looks whether a proof is still where it was
// put; seenStandsEvery, where it was seen, and the CA is waited for.
const (
	standsEvery     = time.Minute
	seenStandsEvery = 10 * time.Minute
)

// putAnew has a proof of ours put once more that is no longer where it was put:
// somebody synchronises the zone, or the webroot, with what he knows of. Until it is
// put, it is owed like one whose add was not answered, since a list may leave out
// what is there. What cannot be told is asked again.
func (w *work) putAnew(ctx context.Context, r order.Record) error {
	pace := w.pace()
	if state.Now().Before(pace.stood.Add(standsEvery)) || !w.desk.records.Has(w.order.Certificate, r) {
		return nil
	}
	pace.stood = state.Now()
	back := Away(ctx)
	stands, err := w.desk.prover.Stands(ctx, r)
	back()
	if err != nil || stands {
		return nil
	}
	w.say(order.Propagate, "somebody took away "+named(r)+"; it is put there again")
	r.RecordID, pace.looks = "", 0
	return w.proofs().Note(order.Adding, r)
}

// keepStanding is putAnew for proofs that were seen already.
func (w *work) keepStanding(ctx context.Context) error {
	pace := w.pace()
	if pace.stood.IsZero() {
		pace.stood = w.order.ProvedAt
	}
	if state.Now().Before(pace.stood.Add(seenStandsEvery)) {
		return nil
	}
	for _, c := range w.order.Challenges {
		proof := w.order.Proof(c)
		if proof == nil {
			continue
		}
		pace.stood = time.Time{} // so that each of them is looked at
		if err := w.putAnew(ctx, proof.Record); err != nil {
			return err
		}
	}
	pace.stood = state.Now()
	return nil
}
