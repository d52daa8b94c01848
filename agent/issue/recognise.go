package issue

import (
	"context"

	"dvagent/agent/order"
	"dvagent/internal/bundle"
)

// keyOfLost is the id of the key that is left of an order whose journal and lines
// of the ledger are lost, or "". Nothing else is left of it.
func (w *work) keyOfLost() string {
	c := w.snapshot.Config
	if w.order.Key != "" || w.order.Submissions > 0 || c.CloudKey || !w.issuer.Terms().OwnKey {
		return ""
	}
	key := w.desk.host.Dir.LastKey(c.Name)
	if w.snapshot.Leaf != nil && bundle.LeafKeyID(w.snapshot.Leaf) == key { // its certificate is stored
		return ""
	}
	return key
}

// recogniseLost goes on with the order of a key that is left on the disk.
func (w *work) recogniseLost(ctx context.Context) (bool, error) {
	key := w.keyOfLost()
	if key == "" {
		return false, nil
	}
	slots, err := w.lists.slots()
	if err != nil {
		return false, err
	}
	return w.recogniseSlot(ctx, slots, key)
}

// recogniseSlot finds the slot on which the order of the key is running, or was
// issued. What cannot be told now is asked again: nothing is written before.
func (w *work) recogniseSlot(ctx context.Context, slots []Slot, key string) (bool, error) {
	for _, slot := range slots {
		if slot.Use != Busy && slot.Use != Again || !w.allowed(slot.ID) || w.desk.ledger.Holder(w.instance(slot)) != "" {
			continue
		}
		ticket := Ticket{Slot: slot.ID, KeyID: key}
		if slot.Use == Busy { // what runs there is to bring another certificate
			ticket.Before = slot.Latest
		}
		report, ours, err := w.isOurs(ctx, ticket)
		if err != nil {
			return false, err
		}
		if ours {
			return w.goOn(slot, report, key)
		}
	}
	return false, nil
}

// goOn takes over the order that runs on a slot, or was issued there, for a key
// of ours.
func (w *work) goOn(slot Slot, report Report, key string) (bool, error) {
	if report.State == Issued {
		slot.Latest = "" // it is what was ordered
	}
	taken, err := w.take(slot)
	if err != nil || !taken {
		return false, err
	}
	if err := w.order.Keyed(key); err != nil || report.State == Unused { // then it was never handed in
		return true, err
	}
	w.say(order.Allocate, "the order that runs on it is for the key that was left here")
	return true, w.order.Submitted("", "")
}

// isOurs says that an order is for our key, as far as its report tells.
func (w *work) isOurs(ctx context.Context, t Ticket) (Report, bool, error) {
	report, err := w.issuer.Report(ctx, t)
	if err != nil {
		if unsaid(err) {
			err = nil
		}
		return report, false, err
	}
	leaf, err := bundle.LeafOf(report.Chain)
	return report, report.RequestKeyID == t.KeyID || err == nil && bundle.LeafKeyID(leaf) == t.KeyID, nil
}
