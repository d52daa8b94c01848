package agent

import (
	"context"
	"fmt"
	"time"

	"dvagent/agent/order"
	"dvagent/dnsvalidate"
	"dvagent/hooks"
	"dvagent/internal/bundle"
	"dvagent/internal/hint"
)

// versionsKept is how many versions of a certificate stay on disk.
const versionsKept = 5

// collect fetches the issued bundle, verifies it and makes it the current
// version.
func (w *work) collect(ctx context.Context) (verdict, error) {
	if w.result == nil {
		client, err := w.Client(w.order.Account)
		if err != nil {
			return advance, err
		}
		result, err := client.DescribeDVOrderResult(ctx, w.order.Instance)
		if err != nil {
			return advance, err
		}
		if !result.Status.Issued() || result.Certificate == "" || result.PrivateKey == "" {
			return w.patient(time.Now().Add(longestLook), "the issued certificate")
		}
		w.result = &result
	}
	b, err := w.verified([]byte(w.result.Certificate), []byte(w.result.PrivateKey))
	w.result = nil
	if err != nil {
		return advance, w.unfit(err)
	}
	return advance, w.keep(ctx, b)
}

// verified makes a bundle of what the server sent, or says why it may not be
// served.
func (w *work) verified(certificate, key []byte) (*bundle.Bundle, error) {
	b, err := bundle.Parse(certificate, key)
	if err != nil {
		return nil, err
	}
	if err := b.Verify(w.order.Domains, time.Now()); err != nil {
		return nil, err
	}
	if w.leaf != nil && w.broken == nil && b.Leaf.NotAfter.Before(w.leaf.NotAfter) {
		return nil, fmt.Errorf("the certificate ends on %s, before the installed one", b.Leaf.NotAfter.Format(time.DateOnly))
	}
	return b, nil
}

// unfit lets an adopted order go, for it was not ours; of an order that we
// submitted ourselves a person is asked, for it was paid.
func (w *work) unfit(err error) error {
	err = fmt.Errorf("the issued certificate is refused: %w", err)
	if w.order.Adopted {
		w.say(w.Name, string(order.Collect), err.Error()+"; the adopted order is let go")
		return w.letGo(err.Error())
	}
	return stop(err, "ask Alibaba Cloud's support about the order; what is installed stays. To order anew: dvagent abandon "+w.Name)
}

// letGo ends an adopted order; another one is opened at the next look.
func (w *work) letGo(why string) error {
	if err := w.closeOrder(w.order, order.LetGo, why); err != nil {
		return err
	}
	return errClosed
}

// keep stores the bundle, makes it current and tells the hooks.
func (w *work) keep(ctx context.Context, b *bundle.Bundle) error {
	previous := w.current
	if err := w.install(w.standing, b); err != nil {
		return err
	}
	w.leaf, w.newest, w.current, w.broken = b.Leaf, b.ID(), b.ID(), nil
	if err := w.record(order.Fact{Kind: order.Collected, Version: b.ID()}); err != nil {
		return err
	}
	w.say(w.Name, string(order.Collect), fmt.Sprintf("stored version %s, valid until %s", b.ID(), b.Leaf.NotAfter.Format(time.DateOnly)))
	w.hook(ctx, hooks.Issued, previous, nil)
	return w.record(order.Fact{Kind: order.Announced})
}

// cleanUp removes the validation records and ends the order.
func (w *work) cleanUp(ctx context.Context) (verdict, error) {
	if !w.order.Announced {
		w.hook(ctx, hooks.Issued, "", nil)
		if err := w.record(order.Fact{Kind: order.Announced}); err != nil {
			return advance, err
		}
	}
	if err := w.removeRecords(ctx); err != nil {
		return advance, err
	}
	return advance, w.closeOrder(w.order, order.Issued, "")
}

// removeRecords removes every record that the order owes.
func (w *work) removeRecords(ctx context.Context) error {
	for _, record := range w.order.Owed() {
		if err := w.remove(ctx, record, w.recordBoth); err != nil {
			return hint.Add(fmt.Errorf("remove the TXT record %s: %w", record.Name, err), hint.Of(err))
		}
		w.say(w.Name, string(order.CleanUp), "removed the TXT record "+record.Name)
	}
	return nil
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
	var outcomes []Outcome
	for _, entry := range p.owed.All() {
		if !p.has(entry.Certificate) || p.inOpenOrder(entry) {
			continue
		}
		err := p.remove(ctx, entry.Record, func(kind order.Kind, r order.Record) error {
			return p.owed.Record(order.OwedRecord{At: time.Now(), Kind: kind, Certificate: entry.Certificate, Record: r})
		})
		if err == nil {
			p.say(entry.Certificate, string(order.CleanUp), "removed the TXT record "+entry.Record.Name)
			continue
		}
		outcomes = append(outcomes, Outcome{
			Certificate: entry.Certificate, Class: Pending, Step: string(order.CleanUp), Retry: transient(err),
			Next: time.Now().Add(backoff(3, err)), Err: hint.Add(fmt.Errorf("the TXT record %s in zone %s is still to be removed: %w",
				entry.Record.Name, entry.Record.Zone, err), hint.Of(err)),
		})
	}
	return outcomes
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
