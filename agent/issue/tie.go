package issue

import (
	"context"
	"slices"

	"dvagent/agent/order"
	"dvagent/agent/state"
)

// tie has what further facts say of the order here be known in the fleet first.
func (d *Desk) tie(s *state.Snapshot, lease Lease) error {
	o := s.Order
	if o == nil {
		return nil
	}
	if o.Number == 0 {
		if err := d.number(o, lease); err != nil {
			return err
		}
	}
	t, err := d.newTie(o, lease)
	if err != nil {
		return err
	}
	if o.Instance != "" && o.Outcome == "" {
		if err := t.write(t.known); err != nil {
			return err
		}
	}
	o.Share(t.note)
	return nil
}

// tieHeld is tie where this host holds the lease.
func (d *Desk) tieHeld(s *state.Snapshot) error {
	if lease := d.lease(s.Config.Name); lease != nil {
		return d.tie(s, lease)
	}
	return nil
}

// number gives an order that this host began alone its place among those of the fleet.
func (d *Desk) number(o *order.Order, lease Lease) error {
	n, err := d.nextNumber(o.Certificate, lease)
	if err != nil {
		return err
	}
	return o.Reopen(order.Application{Domains: o.Domains, Account: o.Account, DNSAccount: o.DNSAccount, Webroot: o.Webroot,
		Reason: o.Reason, Forced: o.Forced, Number: n, Host: d.fleet.Host()})
}

// nextNumber comes after that of each order that is known, here or in the fleet.
func (d *Desk) nextNumber(certificate string, lease Lease) (int, error) {
	last, err := order.Last(d.host.Dir.Certificate(certificate))
	if err != nil {
		return 0, err
	}
	n := 0
	for _, o := range []*order.Order{last, lease.Known().order(certificate)} {
		if o != nil {
			n = max(n, o.Number)
		}
	}
	return n + 1, nil
}

// tie is between an order here and what the fleet knows of it.
type tie struct {
	desk        *Desk
	certificate string
	lease       Lease
	known       Known
	told        bool // the fleet knows of this order
}

func (d *Desk) newTie(o *order.Order, lease Lease) (*tie, error) {
	open, _, err := order.History(d.host.Dir.Certificate(o.Certificate))
	if err != nil {
		return nil, err
	}
	t := &tie{desk: d, certificate: o.Certificate, lease: lease, known: Known{Facts: order.Shared(open)}}
	there := lease.Known()
	if known := there.order(o.Certificate); known != nil && known.Same(o) {
		t.told = true
	}
	if o.Key != "" {
		t.known.Key, err = d.host.Dir.Key(o.Certificate, o.Key)
	}
	return t, err
}

// note tells the fleet of a fact. What nothing was claimed for is nobody else's
// concern, unless it brought a certificate.
func (t *tie) note(fact order.Fact) error {
	next := t.known
	next.Facts = append(slices.Clip(next.Facts), fact)
	var err error
	switch {
	case fact.Kind == order.Keyed:
		next.Key, err = t.desk.host.Dir.Key(t.certificate, fact.Key)
	case fact.Kind == order.Ended && fact.Outcome == order.Issued:
		next.Brought, err = t.desk.brought(t.certificate)
	}
	if err != nil {
		return err
	}
	if begins := fact.Kind == order.Claimed || next.Brought != nil; !t.told && !begins {
		t.known = next
		return nil
	}
	return t.write(next)
}

func (t *tie) write(k Known) error {
	k.Facts = order.WithoutRepetition(k.Facts) // a value in etcd has a bound
	if err := t.lease.Write(context.Background(), k); err != nil {
		return err
	}
	t.known, t.told = k, true
	return nil
}

// brought is the newest version as others are told of it.
func (d *Desk) brought(certificate string) (*Brought, error) {
	ids, err := d.host.Dir.Store(certificate).Versions()
	leaf := d.newestLeaf(certificate)
	if err != nil || leaf == nil {
		return nil, err
	}
	return &Brought{Version: ids[0], NotBefore: leaf.NotBefore, NotAfter: leaf.NotAfter}, nil
}
