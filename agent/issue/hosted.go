package issue

import (
	"context"
	"fmt"
	"slices"
	"time"

	"dvagent/internal/words"

	"dvagent/agent/order"
	"dvagent/agent/state"
	"dvagent/internal/bundle"
)

// hosted takes what the account has renewed by itself on the instance that is
// kept for the certificate, and waits while it may still do so: in the window,
// but not into an emergency. done says that nothing is to be ordered now.
func (w *work) hosted(ctx context.Context, instance string) (v verdict, done bool, err error) {
	slots, err := w.lists.slots()
	i := slices.IndexFunc(slots, func(s Slot) bool { return s.ID == instance })
	if err != nil || i < 0 {
		return advance, false, err
	}
	slot, now := slots[i], state.Now()
	if w.outlasts(slot) {
		done, err = w.takeHosted(ctx, slot)
		if err != nil && w.snapshot.Emergency(now) {
			w.caution(fmt.Sprintf("what the account renewed by itself cannot be had: %v", err))
			return advance, false, nil
		}
		if err == nil && !done && w.awaitsFleet(now) {
			next := state.BeforeEmergency(w.desk.host.Config.Service.Interval, w.snapshot.Leaf, now)
			return verdict{until: now.Add(next), why: "the fleet, a host of which has likely renewed instance " + slot.ID, long: true}, true, nil
		}
		return advance, done, err
	}
	if !slot.Hosted || slot.Use == Spent || slot.ended(w.snapshot.ServesUntil()) {
		return advance, false, nil
	}
	switch w.snapshot.Due(now) {
	case state.ReasonInWindow:
		next := state.BeforeEmergency(w.desk.host.Config.Service.Interval, w.snapshot.Leaf, now)
		return verdict{until: now.Add(next), why: "the account, which renews instance " + slot.ID + " by itself", long: true}, true, nil
	case state.ReasonEmergency:
		w.caution("the account has not renewed instance " + slot.ID + " by itself in time: the next certificate is applied for")
	}
	return advance, false, nil
}

// awaitsFleet says that what is served does so for a while yet, and that another host of
// the fleet may have ordered though etcd does not know it, as after an old backup of etcd
// was put back.
func (w *work) awaitsFleet(now time.Time) bool {
	return w.desk.fleet != nil && !w.snapshot.ServesUntil().IsZero() && !w.snapshot.Emergency(now)
}

// outlasts says that the latest certificate of a slot ends later than the
// installed one.
func (w *work) outlasts(s Slot) bool {
	until := w.snapshot.ServesUntil()
	return s.Latest != "" && (until.IsZero() || s.Ends.After(until))
}

// takeHosted keeps the latest certificate of a slot, if it is for a key of ours,
// covers the names and is not due itself.
func (w *work) takeHosted(ctx context.Context, slot Slot) (bool, error) {
	report, err := w.issuer.Report(ctx, Ticket{Slot: slot.ID})
	if err != nil || !report.fetched(true) {
		return false, err
	}
	key, err := w.keyFor(report)
	if err != nil {
		return false, err
	}
	if key == nil {
		w.caution("the latest certificate of instance " + slot.ID + " is for a key that is not ours: it is left alone")
		return false, nil
	}
	b, err := bundle.Parse(report.Chain, key)
	if err != nil || !w.snapshot.Fits(b, state.Now()) {
		return false, nil
	}
	if err := w.snapshot.Keep(b); err != nil {
		return false, err
	}
	w.say(order.Collect, fmt.Sprintf("took what the account renewed by itself on instance %s, valid until %s: nothing is applied for",
		slot.ID, words.Date(b.Leaf.NotAfter)))
	return true, w.order.CollectFrom(order.Claim{Instance: slot.ID, API: w.issuer.Terms().API}, b.ID())
}

// keyFor is the private key of a certificate that was not applied for by this
// order: the issuer's, where that is to make it, or one of ours; nil: neither.
func (w *work) keyFor(report Report) ([]byte, error) {
	if len(report.Key) > 0 && w.snapshot.Config.CloudKey {
		return report.Key, nil
	}
	leaf, err := bundle.LeafOf(report.Chain)
	if err != nil {
		return nil, nil // it cannot be read, let alone served
	}
	return w.desk.host.Dir.AnyKey(w.name(), bundle.LeafKeyID(leaf))
}

// chooseAnew goes back to the choice of an instance without giving up the one
// that is kept for the certificate: somebody else, such as the account itself,
// was sooner on it. What that has brought is looked at there.
func (w *work) chooseAnew(why error) error {
	w.say(order.Submit, fmt.Sprintf("instance %s was used meanwhile: %s", w.order.Instance, why))
	if err := w.desk.ledger.Note(order.InstanceKept, instanceOf(w.order), w.name()); err != nil {
		return err
	}
	if err := w.order.Refuse("", why.Error()); err != nil {
		return err
	}
	if w.anew {
		return &undecidedError{why.Error()}
	}
	w.anew, w.lists = true, nil
	return nil
}
