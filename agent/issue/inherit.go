package issue

import (
	"context"
	"fmt"
	"slices"

	"dvagent/agent/config"
	"dvagent/agent/order"
	"dvagent/agent/state"
)

// This file holds how an order comes under another name. Its certificate was renamed while
// it ran: the order goes along, and none is placed beside it. In a fleet, hosts are renamed
// one after another, so that some still look for the order under the old name, and others
// already under the new one. The ledger tells all of them where it is: the certificate that
// has claimed its instance. Who does not find his order under his own name follows the
// claim, waits for the host that works there, and takes the order back where that has died.

// inherit gives a certificate that is about to order the open order of one that is not
// configured here and was for the same names. It may be cut anywhere, and done again.
func (d *Desk) inherit(ctx context.Context, s state.Snapshot) (*order.Order, error) {
	left, err := d.leftOrders(ctx)
	if err != nil {
		return nil, err
	}
	moved, err := d.wentTo(ctx, s)
	if err != nil {
		return nil, err
	}
	if moved != nil {
		left = append([]*order.Order{moved}, left...)
	}
	claim, submitted := d.ledger.ClaimOf(s.Config.Account, s.Config.Name)
	for _, open := range left {
		if another := submitted && !claim.Kept && claim.Instance != open.Instance; another || !isFor(open, s) {
			continue
		}
		o, err := d.takeAlong(ctx, open, s)
		if err != nil {
			return nil, fmt.Errorf("go on with the order of %s: %w", open.Certificate, err)
		}
		if o != nil {
			return o, nil
		}
	}
	return nil, nil
}

// isFor says that an open order is what the certificate would order.
func isFor(o *order.Order, s state.Snapshot) bool {
	return o.Outcome == "" && o.Instance != "" && o.Account == s.Config.Account && sameSet(o.Domains, s.Config.Domains)
}

// leftOrders are the open orders of certificates that were configured here once, as far as
// this host or its fleet knows of them. They are read once in a pass. What cannot be read is
// shown as an orphan.
func (d *Desk) leftOrders(ctx context.Context) ([]*order.Order, error) {
	d.leaving.Lock()
	defer d.leaving.Unlock()
	if d.left != nil {
		return *d.left, nil
	}
	names, err := d.strangers()
	if err != nil {
		return nil, err
	}
	var all []*order.Order
	for _, name := range names {
		o, err := order.Load(d.host.Dir.Certificate(name))
		if o == nil && err == nil && d.fleet != nil {
			var known Known
			known, err = d.fleet.Known(ctx, name)
			o = known.order(name)
		}
		if err != nil && state.Transient(err) {
			return nil, err
		}
		if err == nil && o != nil && o.Outcome == "" {
			all = append(all, o)
		}
	}
	d.left = &all
	return all, nil
}

// wentTo is the open order that the order of a certificate went to, under a name that is
// not configured here; nil: it did not go.
func (d *Desk) wentTo(ctx context.Context, s state.Snapshot) (*order.Order, error) {
	lease := d.lease(s.Config.Name)
	if lease == nil {
		return nil, nil
	}
	known := lease.Known()
	there, _, err := d.heir(ctx, known.order(s.Config.Name))
	if there == nil || d.isConfigured(there.Certificate) {
		return nil, err
	}
	return there, nil
}

// letGoOfMoved ends an order here that goes on under a name that is not configured here.
func (d *Desk) letGoOfMoved(ctx context.Context, s *state.Snapshot) error {
	if s.Order == nil || s.Order.Step() == order.Done {
		return nil
	}
	there, host, err := d.heir(ctx, s.Order)
	if err != nil || there == nil || d.isConfigured(there.Certificate) {
		return err
	}
	return d.handOn(s, host)
}

// heir is the open order that has the instance of an order, as the fleet knows it, and the
// host that works on it; nil: it is the order itself, or none.
func (d *Desk) heir(ctx context.Context, o *order.Order) (there *order.Order, host string, err error) {
	if d.fleet == nil || o == nil || o.Instance == "" {
		return nil, "", nil
	}
	holder := d.ledger.Holder(instanceOf(o))
	if holder == "" || holder == o.Certificate {
		return nil, "", nil
	}
	known, err := d.fleet.Known(ctx, holder)
	if there = known.order(holder); err != nil || there == nil || there.Outcome != "" || there.Instance != o.Instance {
		return nil, "", err
	}
	return there, known.Host, nil
}

func (d *Desk) isConfigured(certificate string) bool {
	_, is := d.host.Config.Certificate(certificate)
	return is
}

// notConfigured names the certificates that have a directory and are not configured any more.
func (d *Desk) notConfigured() ([]string, error) {
	names, err := d.host.Dir.Certificates()
	return slices.DeleteFunc(names, d.isConfigured), err
}

// takeAlong has the certificate go on with the open order of another one; nil: that has
// ended meanwhile.
func (d *Desk) takeAlong(ctx context.Context, open *order.Order, s state.Snapshot) (*order.Order, error) {
	old, name := open.Certificate, s.Config.Name
	o, err := order.Load(d.host.Dir.Certificate(old))
	if d.fleet != nil {
		o, err = d.held(ctx, config.Certificate{Name: old, Domains: open.Domains, Account: open.Account,
			DNSAccount: s.Config.DNSAccount, Webroot: s.Config.Webroot, Follow: true})
		defer d.giveBack(ctx, old)
	}
	if err != nil || o == nil || !isFor(o, s) {
		return nil, err
	}
	if d.fleet == nil {
		err = d.move(o, name)
	} else {
		err = d.moveInFleet(ctx, o, s)
	}
	if err != nil {
		return nil, err
	}
	d.host.Say(name, "", "goes on with the order of "+old+", which is not configured any more and was for the same names")
	return order.Load(d.host.Dir.Certificate(name))
}

// moveInFleet is move where others look on, and may go on from any point of it. What the
// fleet knows comes under the new name first, the claim next; that the order is over under
// the old name is told last.
func (d *Desk) moveInFleet(ctx context.Context, o *order.Order, s state.Snapshot) error {
	before, after := d.lease(o.Certificate), d.lease(s.Config.Name)
	if before == nil || after == nil {
		return errNoLease
	}
	n, err := d.nextNumber(s.Config.Name, after)
	if err != nil {
		return err
	}
	t, err := d.newTie(o, before)
	if err != nil {
		return err
	}
	a := order.Application{Domains: o.Domains, Account: o.Account, DNSAccount: s.Config.DNSAccount, Webroot: s.Config.Webroot,
		Reason: o.Reason, Forced: o.Forced, Number: n, Host: d.fleet.Host()}
	if err := after.Write(ctx, Known{Facts: with(t.known.Facts, a.Fact()), Key: t.known.Key}); err != nil {
		return err
	}
	if err := d.move(o, s.Config.Name); err != nil {
		return err
	}
	moved, err := order.Load(d.host.Dir.Certificate(s.Config.Name))
	if err == nil {
		err = moved.Reopen(a)
	}
	if err != nil {
		return err
	}
	over := order.Fact{Kind: order.Ended, Outcome: order.HandedOn, Error: "it goes on as the order of " + s.Config.Name}
	return before.Write(ctx, Known{Facts: with(t.known.Facts, over)})
}

// with are the facts and one more, of now, as etcd has room for them.
func with(facts []order.Fact, fact order.Fact) []order.Fact {
	fact.At = state.Now()
	return append(slices.Clone(order.WithoutRepetition(facts)), fact)
}

// move puts all that belongs to an open order here under another certificate's name. The
// journal moves last.
func (d *Desk) move(o *order.Order, name string) error {
	if standing, _ := d.ledger.ClaimOf(o.Account, name); standing.Instance != "" && standing.Instance != o.Instance {
		if err := d.ledger.Note(order.InstanceReleased, order.Instance{Account: o.Account, ID: standing.Instance}, name); err != nil {
			return err
		}
	}
	if claim, _ := d.ledger.ClaimOf(o.Account, o.Certificate); claim.Instance == o.Instance {
		if err := d.ledger.Pass(instanceOf(o), o.Certificate, name); err != nil {
			return err
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
