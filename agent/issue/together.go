package issue

import (
	"context"
	"fmt"
	"slices"
	"time"

	"dvagent/agent/order"
	"dvagent/agent/state"
	"dvagent/internal/chance"
)

// This file holds how what is known of an order here and what is known of it in the
// fleet become one.

// letGoOf lets go of an order here that another host has gone on with.
func (d *Desk) letGoOf(ctx context.Context, s *state.Snapshot) error {
	if s.Order == nil || s.Order.Number == 0 {
		return nil
	}
	known, err := d.fleet.Known(ctx, s.Config.Name)
	if err != nil {
		return err
	}
	there := known.order(s.Config.Name)
	if there == nil || known.Host == d.fleet.Host() || there.Number < s.Order.Number {
		return nil
	}
	if another := !there.Same(s.Order) && there.Number == s.Order.Number; another && Placed(s.Order) { // an old backup was put back
		return nil
	}
	return d.handOn(s, known.Host)
}

// handOn ends an order here that is another host's now. What it wrote into a zone
// stays owed here, and is removed when that host does not need it any more.
func (d *Desk) handOn(s *state.Snapshot, to string) error {
	o := s.Order
	if err := d.owe(o); err != nil {
		return err
	}
	if err := o.End(order.HandedOn, "host "+to+" of the fleet went on with it"); err != nil {
		return err
	}
	d.host.Observe(state.OrderChange(order.HandedOn))
	d.host.Say(s.Config.Name, "", "host "+to+" of the fleet has gone on with the order, and it is let go here")
	s.Order = nil
	return d.finish(o)
}

// bringTogether makes one of what is known of the order here and in the fleet.
func (d *Desk) bringTogether(ctx context.Context, s *state.Snapshot, lease Lease, forced bool) error {
	known, here := lease.Known(), s.Order
	there := known.order(s.Config.Name)
	if there == nil {
		return d.tie(s, lease)
	}
	open := there.Outcome == ""
	switch {
	case here == nil && open:
		return d.goOnWith(ctx, s, lease, there)
	case here == nil:
		return d.ended(s, lease, there, forced)
	case here.Same(there) && (open || here.Outcome != ""):
		return d.catchUp(s, lease, there)
	case here.Same(there) && known.Host == d.fleet.Host(): // this process, or one before, died right after it had told of the end
		if err := d.endAs(s, there.Outcome); err != nil {
			return err
		}
		return d.ended(s, lease, there, forced)
	case here.Same(there): // another host has ended it
	case here.Number > there.Number: // an old backup of the fleet was put back
		return d.tie(s, lease)
	case Placed(here) && (here.Number == 0 || here.Number == there.Number): // this host has ordered alone
		if !open || !Placed(there) { // then nobody goes on with that one beside this one
			return d.tie(s, lease)
		}
		d.host.WarnOnce(s.Config.Name, "host "+known.Host+" of the fleet has an order open, too; this host goes on with its own, which it placed alone")
		return nil
	}
	if err := d.handOn(s, known.Host); err != nil || s.Config.Follow {
		return err
	}
	return d.bringTogether(ctx, s, lease, forced)
}

// Placed says that something was, or may have been, submitted; without an order, nothing.
func Placed(o *order.Order) bool {
	return o != nil && o.Instance != "" && (o.Submitting || !o.SubmittedAt.IsZero())
}

// endAs ends the order here as the fleet knows that it ended.
func (d *Desk) endAs(s *state.Snapshot, outcome order.Outcome) error {
	if !outcome.Known() {
		return fmt.Errorf("its end, %.80q, is none", outcome)
	}
	o := s.Order
	s.Order = nil
	if err := o.End(outcome, "as the fleet knows"); err != nil {
		return err
	}
	return d.finish(o)
}

// catchUp makes good for what one of the two accounts of an order lacks.
func (d *Desk) catchUp(s *state.Snapshot, lease Lease, there *order.Order) error {
	known := lease.Known()
	dir := d.host.Dir.Certificate(s.Config.Name)
	here, _, err := order.History(dir)
	if err != nil {
		return err
	}
	facts, err := d.vetted(*s, known, there)
	if err != nil {
		return err
	}
	if all := order.Union(here, facts); len(all) > len(here) {
		if err := d.host.Dir.KeepKey(s.Config.Name, known.Key); err != nil {
			return err
		}
		if s.Order, err = order.Replace(dir, order.WithoutRepetition(all)); err != nil {
			return err
		}
	}
	return d.tie(s, lease)
}

// goOnWith goes on with the order that another host began, unless this host knows that
// it has ended: an old backup of the fleet was put back.
func (d *Desk) goOnWith(ctx context.Context, s *state.Snapshot, lease Lease, there *order.Order) error {
	past, err := order.Archived(d.host.Dir.Certificate(s.Config.Name))
	if err != nil {
		return err
	}
	if len(past) > 0 {
		last := past[len(past)-1]
		later := !last.Order.Same(there) && there.OpenedAt.After(last.Order.EndedAt) // numbers began anew with an old backup
		if o := last.Order; o.Number >= there.Number && o.Outcome != order.HandedOn && !later {
			return d.tellEnd(s, lease, last)
		}
	}
	if !Placed(there) {
		if err := lease.MayBegin(ctx); err != nil {
			return err
		}
	}
	if err := d.takeOn(s, lease.Known(), there); err != nil {
		return err
	}
	return d.tie(s, lease)
}

// tellEnd tells the fleet again how the last order ended.
func (d *Desk) tellEnd(s *state.Snapshot, lease Lease, last order.Past) (err error) {
	known := Known{Facts: order.Shared(last.Facts)}
	if last.Order.Outcome == order.Issued {
		if known.Brought, err = d.brought(s.Config.Name); err != nil {
			return err
		}
	}
	return lease.Write(context.Background(), known)
}

// takeOn makes the order that another host began this host's own.
func (d *Desk) takeOn(s *state.Snapshot, known Known, there *order.Order) error {
	facts, err := d.vetted(*s, known, there)
	if err != nil {
		return fmt.Errorf("the order that host %s began cannot be gone on with: %w", known.Host, err)
	}
	if err := d.host.Dir.KeepKey(s.Config.Name, known.Key); err != nil {
		return err
	}
	if s.Order, err = order.Replace(d.host.Dir.Certificate(s.Config.Name), facts); err != nil {
		return err
	}
	d.memory.forget(s.Config.Name)
	d.host.Say(s.Config.Name, "", fmt.Sprintf("goes on with the order of instance %s, which host %s of the fleet began", there.Instance, known.Host))
	return d.owe(s.Order)
}

// ended does what is left of an order that ended. Where another host has brought a
// certificate by it, that is waited for, and nothing is ordered.
func (d *Desk) ended(s *state.Snapshot, lease Lease, there *order.Order, forced bool) error {
	known := lease.Known()
	claim, _ := d.ledger.ClaimOf(there.Account, there.Certificate)
	if there.Instance != "" && claim.Instance == there.Instance && !claim.Kept && claim.Begun.Before(there.EndedAt.Add(clocksDiffer)) {
		if err := d.ledger.Note(useAfter(there), instanceOf(there), there.Certificate); err != nil {
			return err
		}
	}
	switch {
	case known.Brought == nil || forced || !d.lacks(*s, *known.Brought):
		return nil
	case d.awaits(*s, known):
		return d.awaited(known)
	case there.Instance == "": // it was found in the account, and may be found there again
		return nil
	}
	known.Facts = slices.DeleteFunc(slices.Clone(known.Facts), func(f order.Fact) bool { return f.Kind == order.Ended })
	d.host.Say(s.Config.Name, "", "host "+known.Host+" of the fleet did not publish the certificate that it brought: it is fetched again")
	if err := d.takeOn(s, known, order.Replay(there.Certificate, known.Facts)); err != nil {
		return err
	}
	return d.tie(s, lease)
}

// clocksDiffer is how far the clocks of hosts may be apart. What was submitted so soon after
// the end of an order counts as that order's.
const clocksDiffer = 2 * time.Hour

// awaits says that another host has brought a certificate which may still reach this one.
func (d *Desk) awaits(s state.Snapshot, known Known) bool {
	there := known.order(s.Config.Name)
	return there != nil && there.Outcome != "" && known.Brought != nil && d.lacks(s, *known.Brought) &&
		state.Now().Sub(there.EndedAt).Abs() < d.fleet.Patience()
}

func (d *Desk) awaited(known Known) error {
	again := d.fleet.Patience() / 8
	return &awaitedError{known.Host, again + chance.Below(again/4)}
}

// lacks says that a certificate which another host brought is newer than what is here,
// and not due itself.
func (d *Desk) lacks(s state.Snapshot, b Brought) bool {
	if s.Newest == b.Version || s.Leaf != nil && s.Broken == nil && !s.Leaf.NotBefore.Before(b.NotBefore) {
		return false
	}
	return state.Now().Before(b.NotAfter.Add(-s.Config.RenewBefore.Of(b.NotAfter.Sub(b.NotBefore))))
}
