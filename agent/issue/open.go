package issue

import (
	"cmp"
	"context"
	"slices"

	"dvagent/agent/config"
	"dvagent/agent/order"
	"dvagent/agent/state"
)

// ready gives the certificate an open order when it needs one.
func (d *Desk) ready(ctx context.Context, s *state.Snapshot, forced bool) (err error) {
	if held := s.Rollout.Held; held != "" && held != s.Current && s.Current == s.Newest { // a rollback that failed
		if err := s.Rollout.Free(); err != nil {
			return err
		}
	}
	if s.Current == "" && s.Newest != "" {
		if err := d.relink(s); err != nil {
			return err
		}
	}
	if err := d.letGoOfMoved(ctx, s); err != nil {
		return err
	}
	if s.Order, err = d.settle(*s, forced); err != nil || s.Order != nil {
		return err
	}
	if s.Newest == "" || s.Rollout.Held == "" && s.Due(state.Now()) != "" && !forced && !s.SeenInPlace {
		if err := d.takeOver(ctx, s); err != nil {
			return err
		}
	}
	if s.Config.Follow {
		return nil
	}
	if err := d.inheritInstance(ctx, s.Config); err != nil {
		return err
	}
	reason := s.Due(state.Now())
	if reason == "" && forced {
		reason = state.ReasonForced
	}
	if reason == "" && d.unfinished(s.Config.Account, s.Config.Name) {
		reason = state.ReasonUnfinished // its journal is lost, and it may have been paid for
	}
	if reason == "" {
		return d.dropClaim(*s)
	}
	if s.Order, err = d.inherit(ctx, *s); err != nil {
		return err
	}
	if s.Order != nil {
		return d.tieHeld(s)
	}
	s.Order, err = d.begin(ctx, *s, reason, forced)
	return err
}

// Wants says that the certificate may have something to order or to take over, for
// which a server is asked.
func (d *Desk) Wants(s state.Snapshot, forced bool) bool {
	return forced || s.Order != nil || s.Config.Follow || s.Newest == "" || s.Due(state.Now()) != "" || d.unfinished(s.Config.Account, s.Config.Name)
}

// unfinished says that the ledger knows a submission of the certificate which may
// still bring one.
func (d *Desk) unfinished(account, certificate string) bool {
	claim, submitted := d.ledger.ClaimOf(account, certificate)
	return submitted && !claim.Kept
}

// relink restores the link to the current version where it is gone.
func (d *Desk) relink(s *state.Snapshot) error {
	version, err := s.Relink()
	if err != nil || version == "" {
		return err
	}
	d.host.Say(s.Config.Name, "", "the link to the current version was gone and is restored: "+version)
	*s, err = d.host.Dir.Read(s.Config)
	return err
}

// dropClaim ends a claim whose order is not known any more, was never submitted
// and is not needed either. A subscription stays with its certificate.
func (d *Desk) dropClaim(s state.Snapshot) error {
	claim, _ := d.ledger.ClaimOf(s.Config.Account, s.Config.Name)
	if claim.Instance == "" || claim.Kept {
		return nil
	}
	use := order.InstanceReleased
	if !claim.Until.IsZero() {
		use = order.InstanceKept
	}
	return d.ledger.Note(use, order.Instance{Account: s.Config.Account, ID: claim.Instance}, s.Config.Name)
}

// settle finishes what a killed process left of an ended order, and withdraws
// an order that claimed nothing and has no reason any more: its certificate is
// no longer due, its configuration was changed, or an earlier call forced it.
func (d *Desk) settle(s state.Snapshot, forced bool) (*order.Order, error) {
	o := s.Order
	if o == nil {
		return nil, nil
	}
	if err := order.DiscardStaged(d.host.Dir.Certificate(o.Certificate)); err != nil {
		return nil, err
	}
	if o.Step() == order.Done {
		return nil, d.finish(o)
	}
	if err := d.mend(s, o); err != nil {
		return nil, err
	}
	placed := o.Instance != "" && (o.Package == "" || o.Submissions > 0 || !o.SubmittedAt.IsZero())
	if placed || d.unfinished(o.Account, o.Certificate) {
		return o, nil
	}
	asConfigured := sameSet(o.Domains, s.Config.Domains) && o.Account == s.Config.Account && o.DNSAccount == s.Config.DNSAccount &&
		o.Webroot == s.Config.Webroot && (o.Instance == "" || o.Package == s.Config.Package)
	if asConfigured && !s.Config.Follow && (s.Due(state.Now()) != "" || forced) {
		return o, nil
	}
	return nil, d.end(o, order.Withdrawn, "no longer due")
}

// mend makes good for damaged lines, and for a process that died between the
// ledger and the journal: an order without names has the configured ones, an
// instance without a claim is claimed, and one that was given back is let go.
func (d *Desk) mend(s state.Snapshot, o *order.Order) error {
	if len(o.Domains) == 0 {
		if err := o.Reopen(application(s, s.Due(state.Now()), false)); err != nil {
			return err
		}
	}
	if o.Instance == "" {
		return nil
	}
	if err := readdress(o, s.Config); err != nil {
		return err
	}
	if o.Package == "" || o.Submitting || !o.SubmittedAt.IsZero() { // else the order is looked for by it
		if err := d.recallKey(s.Config, o); err != nil {
			return err
		}
	}
	instance := instanceOf(o)
	holder := d.ledger.Holder(instance)
	givenBack := holder == "" && o.SubmittedAt.IsZero() && d.ledger.RefusedTo(instance, o.Certificate)
	switch {
	case holder == o.Certificate:
		return nil
	case holder != "" || givenBack:
		return o.Refuse("", "")
	}
	_, err := d.ledger.Claim(o.Account, o.Certificate, order.Claim{Instance: o.Instance, Adopted: o.Adopted, Package: o.Package, Bare: o.Bare, Before: o.Before})
	return err
}

// readdress has an order that is placed know what was configured since of where its
// proofs go. What it was placed with, the CA's challenges say.
func readdress(o *order.Order, c config.Certificate) error {
	webroot, account := cmp.Or(c.Webroot, o.Webroot), cmp.Or(o.DNSAccount, c.DNSAccount)
	if webroot == o.Webroot && account == o.DNSAccount {
		return nil
	}
	return o.Reopen(order.Application{Domains: o.Domains, Account: o.Account, DNSAccount: account, Webroot: webroot,
		Reason: o.Reason, Forced: o.Forced})
}

// recallKey finds the key of an order whose journal lost the line of it, or
// whose process died before it was written.
func (d *Desk) recallKey(c config.Certificate, o *order.Order) error {
	if o.Key != "" || o.Adopted || c.CloudKey {
		return nil
	}
	if id := d.host.Dir.LastKey(c.Name); id != "" && !slices.Contains(o.Former, id) {
		return o.Keyed(id)
	}
	return nil
}

func (d *Desk) begin(ctx context.Context, s state.Snapshot, reason string, forced bool) (*order.Order, error) {
	a := application(s, reason, forced)
	if d.fleet != nil {
		lease := d.lease(s.Config.Name)
		if lease == nil {
			return nil, errNoLease
		}
		err := lease.MayBegin(ctx)
		if err == nil {
			a.Number, err = d.nextNumber(s.Config.Name, lease)
		}
		if err != nil {
			return nil, err
		}
		a.Host = d.fleet.Host()
	}
	d.memory.forget(s.Config.Name)
	d.host.Observe(state.Progress{At: state.Now(), Certificate: s.Config.Name, Step: string(order.Allocate),
		Text: "ordering: " + reason, Emergency: s.Emergency(state.Now())})
	d.host.Observe(state.OrderOpened)
	o, err := order.Open(d.host.Dir.Certificate(s.Config.Name), a)
	if err != nil {
		return nil, err
	}
	s.Order = o
	return o, d.tieHeld(&s)
}

func application(s state.Snapshot, reason string, forced bool) order.Application {
	return order.Application{Domains: s.Config.Domains, Account: s.Config.Account, DNSAccount: s.Config.DNSAccount, Webroot: s.Config.Webroot,
		Reason: reason, Forced: forced}
}

// end closes an order and its claim.
func (d *Desk) end(o *order.Order, outcome order.Outcome, why string) error {
	d.memory.served(Shop{Account: o.Account, API: o.API, Package: o.Package}, o.Certificate)
	if err := o.End(outcome, why); err != nil {
		return err
	}
	d.host.Observe(state.OrderChange(outcome))
	return d.finish(o)
}

// finish gives the claim of an ended order back, removes the key that was made
// for it (a stored version has its own copy) and sets its journal aside.
func (d *Desk) finish(o *order.Order) error {
	if o.Instance != "" && o.Outcome != order.HandedOn && d.ledger.Holder(instanceOf(o)) == o.Certificate {
		if err := d.ledger.Note(useAfter(o), instanceOf(o), o.Certificate); err != nil {
			return err
		}
	}
	if err := d.putKeyAway(o); err != nil {
		return err
	}
	return o.Archive()
}

// putKeyAway removes the keys of an order that brought its certificate. For one
// that was given up the server may still issue: its key is set aside until the
// next one is made, whatever orders come in between that are not placed.
func (d *Desk) putKeyAway(o *order.Order) error {
	dir := d.host.Dir
	switch {
	case o.Outcome == order.Issued || o.Outcome == order.KeyLost:
		return dir.DropKeys(o.Certificate)
	case (o.Outcome == order.Abandoned || o.Outcome == order.HandedOn) && (o.Submitting || !o.SubmittedAt.IsZero()):
		return dir.GiveKeysUp(o.Certificate)
	}
	return dir.DropOpenKeys(o.Certificate)
}

// useAfter is what becomes of the instance of an ended order. One that lasts
// stays with the certificate for its renewals.
func useAfter(o *order.Order) order.InstanceUse {
	switch {
	case o.Outcome == order.Abandoned && o.Package == "":
		return order.InstanceAbandoned
	case o.Outcome == order.LetGo:
		return order.InstanceForeign
	case lasting(o):
		return order.InstanceKept
	}
	return order.InstanceReleased
}

// lasting says that an order is on an instance that yields one certificate after
// another.
func lasting(o *order.Order) bool { return o.API != order.API2018 && o.Package == "" }

// Withdraw ends the certificate's order if it was forced and claimed nothing:
// --force is not remembered.
func (d *Desk) Withdraw(certificate string) error {
	o, err := order.Load(d.host.Dir.Certificate(certificate))
	if err != nil || o == nil || !o.Forced || o.Instance != "" {
		return err
	}
	return d.end(o, order.Withdrawn, "forced, and nothing was claimed")
}

func instanceOf(o *order.Order) order.Instance {
	return order.Instance{Account: o.Account, ID: o.Instance}
}

func sameSet(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}
