package issue

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"dvagent/agent/config"
	"dvagent/agent/order"
	"dvagent/agent/state"
	"dvagent/internal/chance"
	"dvagent/internal/hint"
)

// This file holds how an order is worked on by one host of a fleet at a time, and by
// another one where that died.

// shares says that something may be done for the certificate that one host of the
// fleet does for all. A host that follows has at most an order to end that it began before.
func (d *Desk) shares(s state.Snapshot, forced bool) bool {
	if d.fleet == nil || s.Config.Follow && s.Order == nil {
		return false
	}
	claim, _ := d.ledger.ClaimOf(s.Config.Account, s.Config.Name)
	return d.Wants(s, forced) || claim.Instance != "" && !claim.Kept
}

// hold makes this host the one that works on the certificate's order, and brings what
// is known of it here and there together.
func (d *Desk) hold(ctx context.Context, s *state.Snapshot, forced bool) error {
	if err := order.DiscardStaged(d.host.Dir.Certificate(s.Config.Name)); err != nil {
		return err
	}
	if s.Order == nil && !forced { // as most hosts are that have it due: no lease is wanted to wait
		known, err := d.fleet.Known(ctx, s.Config.Name)
		if err != nil {
			return err
		}
		if d.awaits(*s, known) {
			return d.awaited(known)
		}
	}
	lease, err := d.fleet.Lease(ctx, s.Config.Name)
	var elsewhere *ElsewhereError
	if errors.As(err, &elsewhere) {
		return cmp.Or(d.letGoOf(ctx, s), d.host.Dir.Remember(s.Config.Name), err) // under another name, this host will ask for its order
	}
	if err != nil {
		return err
	}
	err = d.join()
	if err == nil {
		err = d.barred(*s)
	}
	if err == nil {
		err = d.bringTogether(ctx, s, lease, forced)
	}
	if err != nil {
		lease.Release(ctx)
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.leases[s.Config.Name] = lease
	return nil
}

func (d *Desk) lease(certificate string) Lease {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.leases[certificate]
}

// release lets another host order, where nothing is claimed.
func (d *Desk) release(ctx context.Context, certificate string) {
	o, err := order.Load(d.host.Dir.Certificate(certificate))
	if err != nil || o != nil && (o.Instance != "" || o.Step() == order.Done) {
		return
	}
	d.giveBack(ctx, certificate)
}

// giveBack gives back the right to work on a certificate's order, if this host has it.
func (d *Desk) giveBack(ctx context.Context, certificate string) {
	lease := d.lease(certificate)
	if lease == nil {
		return
	}
	ctx, cancel := state.Outliving(ctx)
	defer cancel()
	lease.Release(ctx)
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.leases, certificate)
}

// join makes the ledger of instances one with that of the fleet, once in a pass.
func (d *Desk) join() error {
	d.joining.Lock()
	defer d.joining.Unlock()
	if d.joined {
		return nil
	}
	err := d.ledger.Join(d.fleet.Ledger(), state.Now())
	d.joined = err == nil
	return err
}

// barred is why nothing may be done on the accounts of a certificate; nil: it may.
func (d *Desk) barred(s state.Snapshot) error {
	err := d.ledger.Barred(s.Config.Account)
	if err == nil && s.Order != nil {
		err = d.ledger.Barred(s.Order.Account)
	}
	return err
}

// stands fails where another host may work on the order by now.
func (w *work) stands(ctx context.Context) error {
	if w.desk.fleet == nil {
		return nil
	}
	lease := w.desk.lease(w.name())
	if lease == nil {
		return errNoLease
	}
	return lease.Stands(ctx)
}

// errNoLease says that something is to be done in a fleet without the right to it, for the
// reason came up after this host had looked. The next look takes the lease first.
var errNoLease = &undecidedError{"the lease of the order is to be taken first"}

// waitsElsewhere is the outcome of a certificate that another host works on; nil: err
// says something else.
func (d *Desk) waitsElsewhere(s state.Snapshot, err error) *state.Outcome {
	var elsewhere *ElsewhereError
	var awaited *awaitedError
	again := time.Duration(0)
	switch {
	case errors.As(err, &elsewhere):
		again, err = elsewhere.Again, elsewhere
	case errors.As(err, &awaited):
		again, err = awaited.again, awaited
	default:
		return nil
	}
	name, now := s.Config.Name, state.Now()
	pace := d.memory.of(name)
	if pace.elsewhere != err.Error() {
		pace.elsewhere, pace.waits = err.Error(), now
		d.host.Observe(state.Progress{At: now, Certificate: name, Step: state.StepFleet, Text: err.Error(), Waiting: true, Emergency: s.Emergency(now)})
	}
	return &state.Outcome{Certificate: name, Class: state.Pending, Step: state.StepFleet, Waiting: err.Error(), Next: now.Add(pace.soon(now, again)), Retry: true}
}

// soonest is after how long a host asks first how another one fares with an order.
const soonest = 2 * time.Second

// soon is after how long it asks again: the longer it has waited the later, so that it is
// not late by more than half of what the order takes. It is never longer than most.
func (p *pace) soon(now time.Time, most time.Duration) time.Duration {
	again := max(now.Sub(p.waits).Abs()/2, soonest)
	return min(again+chance.Below(again/4), most)
}

// withoutFleet is the outcome of a certificate that nothing is done for while the fleet
// cannot be asked, or what it knows is of no use.
func (d *Desk) withoutFleet(s state.Snapshot, err error) state.Outcome {
	outcome := d.unready(s, err, 1)
	if s.Order != nil && s.Order.Instance != "" {
		outcome.Class = state.Pending
	}
	if outcome.Next.IsZero() {
		outcome.Next = state.Now().Add(state.Backoff(state.MostTries, err))
	}
	return outcome
}

// heldOrder is the open order of a certificate, which no other host works on then. Of one
// that is not configured any more it is what this host has: that of another is not gone on with.
func (d *Desk) heldOrder(ctx context.Context, certificate string) (*order.Order, error) {
	c, configured := d.host.Config.Certificate(certificate)
	if d.fleet == nil || !configured {
		o, err := order.Load(d.host.Dir.Certificate(certificate))
		if d.fleet == nil || err != nil || o == nil {
			return o, err
		}
		c = config.Certificate{Name: certificate, Domains: o.Domains, Account: o.Account, DNSAccount: o.DNSAccount, Webroot: o.Webroot, Follow: true}
	}
	return d.held(ctx, c)
}

// held is the same in a fleet, of a certificate that need not be configured here.
func (d *Desk) held(ctx context.Context, c config.Certificate) (*order.Order, error) {
	s, err := d.host.Dir.Read(c)
	if err == nil {
		err = d.hold(ctx, &s, true)
	}
	return s.Order, err
}

// neededElsewhere says that a record which is owed here stays, for another host of the
// fleet may need it for an order that is open; nil: it does not.
func (d *Desk) neededElsewhere(ctx context.Context, entry order.OwedRecord) *state.Outcome {
	if d.fleet == nil {
		return nil
	}
	there, host, err := d.goesOn(ctx, entry.Certificate)
	owed := state.Outcome{Certificate: entry.Certificate, Class: state.Pending, Step: string(order.CleanUp), Next: state.Now().Add(time.Minute), Retry: true}
	if err != nil {
		owed.Err = hint.Add(fmt.Errorf("%w: whether another host needs it is not known: %w", stillOwed(entry.Record), err), hint.Of(err))
		return &owed
	}
	if there == nil || !there.Needs(entry.Record) {
		return nil
	}
	owed.Waiting = "the order of host " + host + ", which needs " + named(entry.Record)
	return &owed
}

// goesOn is the open order of a certificate that the fleet knows, under whatever name, and
// the host that works on it; nil: there is none.
func (d *Desk) goesOn(ctx context.Context, certificate string) (*order.Order, string, error) {
	known, err := d.fleet.Known(ctx, certificate)
	there := known.order(certificate)
	if err != nil || there == nil || there.Outcome == "" {
		return there, known.Host, err
	}
	if err := d.join(); err != nil {
		return nil, "", err
	}
	return d.heir(ctx, there)
}
