package issue

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"

	"dvagent/agent/order"
	"dvagent/agent/state"
	"dvagent/internal/bundle"
	"dvagent/internal/words"
)

// Owing says what a certificate that is not configured any more still owes, or is
// still to get; nil: nothing.
func (d *Desk) Owing(certificate string) []error {
	var owing []error
	o, err := order.Load(d.host.Dir.Certificate(certificate))
	switch {
	case err != nil:
		owing = append(owing, fmt.Errorf("whether an order is open cannot be read: %w", err))
	case o != nil && o.Step() != order.Done:
		owing = append(owing, fmt.Errorf("an order is open at the step %s", o.Step()))
	case d.host.Dir.HasKeys(certificate):
		owing = append(owing, errors.New("a private key may still get its certificate"))
	}
	for account := range d.host.Config.Accounts {
		if claim, submitted := d.ledger.ClaimOf(account, certificate); submitted && !claim.Kept && o == nil {
			owing = append(owing, fmt.Errorf("what was submitted on instance %s may still be issued", claim.Instance))
		}
	}
	if leaf := d.newestLeaf(certificate); leaf != nil && state.Now().Before(leaf.NotAfter) {
		owing = append(owing, fmt.Errorf("its certificate is valid until %s, and the key is kept here", words.Date(leaf.NotAfter)))
	}
	for _, entry := range d.records.Of(certificate) {
		owing = append(owing, stillOwed(entry.Record))
	}
	return owing
}

// newestLeaf is nil where no version is stored, or none can be read.
func (d *Desk) newestLeaf(certificate string) *x509.Certificate {
	store := d.host.Dir.Store(certificate)
	ids, err := store.Versions()
	if err != nil || len(ids) == 0 {
		return nil
	}
	leaf, _ := bundle.LoadLeaf(store.Path(ids[0]))
	return leaf
}

// Forget gives up what is open of a certificate that is not configured any more,
// lets its instances go, and removes all that is kept of it. Records that cannot be
// removed now stay owed.
func (d *Desk) Forget(ctx context.Context, certificate string) (state.Outcome, error) {
	var outcome state.Outcome
	o, err := order.Load(d.host.Dir.Certificate(certificate))
	if err == nil && o != nil && o.Step() != order.Done {
		if outcome, err = d.Abandon(ctx, certificate); err != nil {
			return outcome, err
		}
	} else {
		outcome = d.Sweep(ctx, certificate)
	}
	for account := range d.host.Config.Accounts {
		claim, submitted := d.ledger.ClaimOf(account, certificate)
		use := order.InstanceReleased
		if submitted && !claim.Kept {
			use = order.InstanceAbandoned
		}
		if claim.Instance == "" {
			continue
		}
		if err := d.ledger.Note(use, order.Instance{Account: account, ID: claim.Instance}, certificate); err != nil {
			return outcome, err
		}
	}
	return outcome, d.host.Dir.Forget(certificate)
}
