package issue

import (
	"context"
	"fmt"

	"dvagent/agent/order"
	"dvagent/agent/state"
)

// inherit gives a certificate the open order of one that is gone from the
// configuration and was for the same names: it was renamed while its order ran.
// It may be cut anywhere, and done again: the journal moves last. In a fleet that is done by
// who holds the lease of the order: another host may have gone on with it.
func (d *Desk) inherit(ctx context.Context, s state.Snapshot) (*order.Order, error) {
	names, err := d.host.Dir.Certificates()
	if err != nil {
		return nil, err
	}
	for _, old := range names {
		if _, configured := d.host.Config.Certificate(old); configured {
			continue
		}
		o, err := order.Load(d.host.Dir.Certificate(old))
		if err != nil || o == nil || !isFor(o, s) {
			continue // what cannot be read is shown as an orphan
		}
		if o, err = d.heldOrder(ctx, old); err == nil && o != nil {
			err = d.move(o, s.Config.Name) // its lease stays: a host that still has the old name would order anew
		}
		if err != nil {
			return nil, fmt.Errorf("go on with the order of %s: %w", old, err)
		}
		if o == nil { // it is another host's
			continue
		}
		d.host.Say(s.Config.Name, "", "goes on with the order of "+old+", which is not configured any more and was for the same names")
		return order.Load(d.host.Dir.Certificate(s.Config.Name))
	}
	return nil, nil
}

// isFor says that an open order is what the certificate would order.
func isFor(o *order.Order, s state.Snapshot) bool {
	return o.Outcome == "" && o.Instance != "" && o.Account == s.Config.Account && o.DNSAccount == s.Config.DNSAccount && o.Webroot == s.Config.Webroot &&
		sameSet(o.Domains, s.Config.Domains)
}

// move puts all that belongs to an open order under another certificate's name.
func (d *Desk) move(o *order.Order, name string) error {
	claim, submitted := d.ledger.ClaimOf(o.Account, o.Certificate)
	if claim.Instance == o.Instance {
		if err := d.ledger.Note(order.InstanceReleased, instanceOf(o), o.Certificate); err != nil {
			return err
		}
		if _, err := d.ledger.Claim(o.Account, name, claim); err != nil {
			return err
		}
		if submitted {
			if err := d.ledger.Submit(instanceOf(o), name, claim.Stock); err != nil {
				return err
			}
		}
	}
	for _, owed := range d.records.Of(o.Certificate) {
		if err := d.records.Note(owed.Kind, name, owed.Record); err != nil {
			return err
		}
		if err := d.records.Note(order.Removed, o.Certificate, owed.Record); err != nil { // it is the other's now
			return err
		}
	}
	return d.host.Dir.MoveOrder(o.Certificate, name)
}
