package issue

import (
	"context"

	"dvagent/agent/order"
	"dvagent/internal/bundle"
)

// bereft says that nothing but a key on the disk is left of an order: its journal
// and the ledger's lines of it are lost. The key is the order's from now on.
func (w *work) bereft() (bool, error) {
	c := w.snapshot.Config
	if w.order.Key != "" || w.order.Submissions > 0 || c.CloudKey || !w.issuer.Terms().OwnKey {
		return false, nil
	}
	key := w.desk.keyLeft(c.Name)
	if key == "" || w.snapshot.Leaf != nil && bundle.LeafKeyID(w.snapshot.Leaf) == key { // its certificate is stored
		return false, nil
	}
	return true, w.order.Keyed(key)
}

// keyLeft is the id of the pending key that is left of an order, but for one that
// was given up, or "".
func (d *Desk) keyLeft(certificate string) string {
	key := d.host.Dir.LastKey(certificate)
	last, _ := order.Last(d.host.Dir.Certificate(certificate)) // where that is lost, the key counts
	if last != nil && last.Outcome == order.Abandoned && last.Key == key {
		return ""
	}
	return key
}

// recogniseLost goes on with the order of a key that is left on the disk.
func (w *work) recogniseLost(ctx context.Context) (bool, error) {
	bereft, err := w.bereft()
	if !bereft || err != nil {
		return false, err
	}
	slots, err := w.lists.slots()
	if err != nil {
		return false, err
	}
	return w.recogniseSlot(ctx, slots)
}

// recogniseSlot finds the slot on which the order of the key is running, or was
// issued.
func (w *work) recogniseSlot(ctx context.Context, slots []Slot) (bool, error) {
	for _, slot := range slots {
		if slot.Use != Busy && slot.Use != Again || !w.allowed(slot.ID) || w.desk.ledger.Holder(w.instance(slot)) != "" {
			continue
		}
		ticket := Ticket{Slot: slot.ID, KeyID: w.order.Key}
		if slot.Use == Busy { // what runs there is to bring another certificate
			ticket.Before = slot.Latest
		}
		report, ours, err := w.isOurs(ctx, ticket)
		if err != nil || !ours {
			if err != nil {
				return false, err
			}
			continue
		}
		if report.State == Issued {
			slot.Latest = "" // it is what was ordered
		}
		taken, err := w.take(slot)
		if err != nil || !taken {
			return false, err
		}
		if report.State == Unused { // it was filled in, and never handed in
			return true, nil
		}
		w.say(order.Allocate, "the order that runs on it is for the key that was left here")
		return true, w.order.Submitted("", "")
	}
	return false, nil
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
	id, err := bundle.CertificateKeyID(report.Chain)
	return report, report.RequestKeyID == t.KeyID || err == nil && id == t.KeyID, nil
}
