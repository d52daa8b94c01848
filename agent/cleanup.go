package agent

import (
	"context"
	"fmt"
	"time"

	"dvagent/agent/order"
	"dvagent/dnsvalidate"
	"dvagent/internal/hint"
)

// cleanUp removes the validation records and ends the order.
func (w *work) cleanUp(ctx context.Context) (verdict, error) {
	err := w.removeRecords(ctx)
	if err != nil && w.order.FailuresSince(time.Time{}) < mostTries {
		return advance, err
	}
	// A record that cannot be removed stays owed in the ledger, and holds up no
	// later order.
	if err := w.oweRecords(w.order); err != nil {
		return advance, err
	}
	return advance, w.closeOrder(w.order, order.Issued, "")
}

// removeRecords removes every record that the order owes.
func (w *work) removeRecords(ctx context.Context) error {
	ctx, cancel := outliving(ctx)
	defer cancel()
	for _, record := range w.order.Owed() {
		if err := w.remove(ctx, record, w.recordBoth); err != nil {
			return hint.Add(fmt.Errorf("remove the TXT record %s: %w", record.Name, err), hint.Of(err))
		}
		w.say(w.Name, string(order.CleanUp), "removed the TXT record "+record.Name)
	}
	return nil
}

// cleanUpFor is how long a clean-up goes on after the run was told to end.
const cleanUpFor = 3 * time.Second

// outliving is a context that ends a while after ctx does: a signal does not
// cut a clean-up off.
func outliving(ctx context.Context) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(cleanUpFor, cancel) })
	return longer, func() { stop(); cancel() }
}

// remove deletes one validation record. The id of an add that was not answered
// is looked up and recorded before anything is deleted.
func (p *pass) remove(ctx context.Context, r order.Record, note func(order.Kind, order.Record) error) error {
	client, err := p.Client(r.Account)
	if err != nil {
		return err
	}
	if r.RecordID == "" {
		id, err := dnsvalidate.Find(ctx, client, asValidation(r))
		if err != nil {
			return err
		}
		if id == "" {
			return note(order.Removed, r)
		}
		r.RecordID = id
		if err := note(order.Removing, r); err != nil {
			return err
		}
	}
	if err := dnsvalidate.Remove(ctx, client, asValidation(r)); err != nil {
		return err
	}
	return note(order.Removed, r)
}

// sweep removes the records that are owed and belong to no open order: those
// of orders that were given up, and those whose journal was lost.
func (p *pass) sweep(ctx context.Context) []Outcome {
	ctx, cancel := outliving(ctx)
	defer cancel()
	var outcomes []Outcome
	for _, entry := range p.owed.All() {
		if !p.sweeps(entry.Certificate) || p.inOpenOrder(entry) {
			continue
		}
		if owed := p.sweepLater[entry.Record]; stillHeld(owed.Next) {
			outcomes = append(outcomes, owed)
			continue
		}
		err := p.remove(ctx, entry.Record, func(kind order.Kind, r order.Record) error {
			return p.owed.Record(order.OwedRecord{At: wallClock(), Kind: kind, Certificate: entry.Certificate, Record: r})
		})
		if err == nil {
			p.say(entry.Certificate, string(order.CleanUp), "removed the TXT record "+entry.Record.Name)
			continue
		}
		owed := Outcome{
			Certificate: entry.Certificate, Class: Pending, Step: string(order.CleanUp), Retry: true,
			Next: wallClock().Add(backoff(3, err)), Err: hint.Add(fmt.Errorf("the TXT record %s in zone %s is still to be removed: %w",
				entry.Record.Name, entry.Record.Zone, err), hint.Of(err)),
		}
		p.sweepLater[entry.Record] = owed
		outcomes = append(outcomes, owed)
	}
	return outcomes
}

// sweeps says whether the owed records of a certificate are in scope.
func (p *pass) sweeps(certificate string) bool {
	_, configured := p.config.Certificate(certificate)
	return p.has(certificate) || p.unconfigured && !configured
}

func (p *pass) inOpenOrder(entry order.OwedRecord) bool {
	o, err := order.Load(p.dir(entry.Certificate))
	if err != nil || o == nil {
		return err != nil
	}
	for _, r := range o.Owed() {
		if r.Name == entry.Record.Name && r.Value == entry.Record.Value {
			return true
		}
	}
	return false
}
