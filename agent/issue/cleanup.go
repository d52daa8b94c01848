package issue

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"time"

	"dvagent/agent/order"
	"dvagent/agent/proof"
	"dvagent/agent/state"
	"dvagent/internal/hint"
)

// cleanUp removes the proofs and ends the order.
func (w *work) cleanUp(ctx context.Context) (verdict, error) {
	err := w.removeProofs(ctx)
	if err != nil && w.order.FailuresSince(time.Time{}) < state.MostTries {
		return advance, err
	}
	// A proof that cannot be removed stays owed in the ledger, and holds up no
	// later order.
	if err := w.desk.owe(w.order); err != nil {
		return advance, err
	}
	return advance, w.desk.end(w.order, order.Issued, "")
}

// removeProofs removes every record that the order owes.
func (w *work) removeProofs(ctx context.Context) error {
	ctx, cancel := state.Outliving(ctx)
	defer cancel()
	for _, record := range w.order.Owed() {
		if err := w.stands(ctx); err != nil {
			return err
		}
		if err := w.desk.prover.Remove(ctx, record, w.proofs()); err != nil {
			return hint.Add(fmt.Errorf("remove %s: %w", named(record), err), hint.Of(err))
		}
		w.say(order.CleanUp, "removed "+named(record))
	}
	return nil
}

// named is what people call a proof.
func named(r order.Record) string {
	if r.Kind == order.File {
		return "the file " + filepath.Join(r.Zone, r.RR)
	}
	return fmt.Sprintf("the %s record %s", r.Type(), r.Name)
}

// owe makes sure that the ledger knows what the order's journal knows.
func (d *Desk) owe(o *order.Order) error {
	for _, record := range o.Owed() {
		kind := order.Added
		if record.RecordID == "" {
			kind = order.Adding
		}
		if err := d.records.Note(kind, o.Certificate, record); err != nil {
			return err
		}
	}
	return nil
}

// Sweep removes the records that a certificate owes and that belong to no open
// order: those of orders that were given up, and those whose journal was lost.
// What cannot be removed comes back as one outcome. open is the certificate's order where
// the caller has it as the disk does, and else nil: then it is read.
func (d *Desk) Sweep(ctx context.Context, certificate string, open *order.Order) state.Outcome {
	ctx, cancel := state.Outliving(ctx)
	defer cancel()
	outcome := state.Outcome{Certificate: certificate}
	for _, entry := range d.records.Of(certificate) {
		if d.inOpenOrder(entry, open) {
			continue
		}
		if needed := d.neededElsewhere(ctx, entry); needed != nil {
			outcome = outcome.And(*needed)
			continue
		}
		outcome = outcome.And(d.sweep(ctx, entry))
	}
	return outcome
}

// SweepUnconfigured is Sweep for every certificate that is not configured any
// more.
func (d *Desk) SweepUnconfigured(ctx context.Context) []state.Outcome {
	var outcomes []state.Outcome
	seen := map[string]bool{}
	for _, entry := range d.records.All() {
		if _, configured := d.host.Config.Certificate(entry.Certificate); configured || seen[entry.Certificate] {
			continue
		}
		seen[entry.Certificate] = true
		outcomes = append(outcomes, d.Sweep(ctx, entry.Certificate, nil))
	}
	return outcomes
}

// Owes says that there is something to sweep.
func (d *Desk) Owes(certificate string) bool { return len(d.records.Of(certificate)) > 0 }

func (d *Desk) sweep(ctx context.Context, entry order.OwedRecord) state.Outcome {
	if owed, held := d.memory.held(entry.Record); held {
		return owed
	}
	r := entry.Record
	err := d.prover.Remove(ctx, r, proof.Owed{Records: d.records, Certificate: entry.Certificate})
	if err == nil {
		d.memory.release(r)
		d.host.Say(entry.Certificate, string(order.CleanUp), "removed "+named(r))
		return state.Outcome{Certificate: entry.Certificate, Did: state.Swept}
	}
	again := state.Backoff(state.MostTries+d.memory.swept(r), err)
	owed := state.Outcome{
		Certificate: entry.Certificate, Class: state.Pending, Step: string(order.CleanUp), Retry: true,
		Next: state.Now().Add(again), Err: hint.Add(fmt.Errorf("%w: %w", stillOwed(r), err), hint.Of(err)),
	}
	d.memory.hold(r, owed)
	return owed
}

// stillOwed says that a proof is there yet.
func stillOwed(r order.Record) error {
	if r.Kind == order.File {
		return fmt.Errorf("the file %s is still to be removed", filepath.Join(r.Zone, r.RR))
	}
	return fmt.Errorf("the %s record %s in zone %s is still to be removed", r.Type(), r.Name, r.Zone)
}

// leftAtServer says what goes on at the server after an order was given up.
func leftAtServer(o *order.Order) string {
	switch {
	case o.Instance == "" || o.SubmittedAt.IsZero() && !o.Submitting:
		return ""
	case o.Package != "":
		return "; order " + cmp.Or(o.ServerOrder, "(its number is not known)") + " runs on at the server, and may still be issued"
	}
	return "; instance " + o.Instance + " runs on at the server, may still be issued, and is used again only once the server calls it free"
}

func (d *Desk) inOpenOrder(entry order.OwedRecord, open *order.Order) bool {
	if open != nil && open.Step() != order.Done {
		return open.Needs(entry.Record)
	}
	o, err := order.Load(d.host.Dir.Certificate(entry.Certificate))
	if err != nil || o == nil {
		return err != nil
	}
	return o.Needs(entry.Record)
}

// Abandon gives up the certificate's open order. Its record is removed, or
// stays owed: then the outcome is Pending.
func (d *Desk) Abandon(ctx context.Context, certificate string) (state.Outcome, error) {
	outcome := state.Outcome{Certificate: certificate}
	o, err := d.heldOrder(ctx, certificate)
	if err != nil {
		return outcome, err
	}
	defer d.release(ctx, certificate)
	if o == nil {
		return outcome, hint.Add(fmt.Errorf("%s has no open order", certificate), "dvagent status lists the open ones")
	}
	if err := d.owe(o); err != nil {
		return outcome, err
	}
	if err := d.end(o, order.Abandoned, "given up by an operator"); err != nil {
		return outcome, err
	}
	d.host.Say(certificate, "", "abandoned the order"+leftAtServer(o))
	return d.Sweep(ctx, certificate, nil), nil
}
