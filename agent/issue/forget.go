package issue

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"

	"dvagent/agent/config"
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
// removed now stay owed. What another host of the fleet has still stays that host's.
func (d *Desk) Forget(ctx context.Context, certificate string) (state.Outcome, error) {
	var outcome state.Outcome
	other, err := d.otherHost(ctx, certificate)
	if err != nil {
		return outcome, err
	}
	if other == "" {
		outcome, err = d.giveUp(ctx, certificate)
	} else {
		outcome, err = d.leaveTo(ctx, other, certificate)
	}
	if err != nil {
		return outcome, err
	}
	return outcome, d.host.Dir.Forget(certificate)
}

// giveUp ends what is open of a certificate that nobody has any more.
func (d *Desk) giveUp(ctx context.Context, certificate string) (outcome state.Outcome, err error) {
	if d.opened(certificate) == nil {
		outcome = d.Sweep(ctx, certificate, nil)
	} else if outcome, err = d.Abandon(ctx, certificate); err != nil {
		return outcome, err
	}
	return outcome, d.letInstancesGo(certificate)
}

// leaveTo hands what is open on to another host of the fleet, which has the certificate still.
func (d *Desk) leaveTo(ctx context.Context, host, certificate string) (state.Outcome, error) {
	if o := d.opened(certificate); o != nil {
		if err := d.handOn(&state.Snapshot{Config: config.Certificate{Name: certificate}, Order: o}, host); err != nil {
			return state.Outcome{}, err
		}
	}
	d.host.Say(certificate, "", "host "+host+" of the fleet has the certificate still, and keeps its instance")
	return d.Sweep(ctx, certificate, nil), nil
}

// opened is the order that is open of a certificate, or nil.
func (d *Desk) opened(certificate string) *order.Order {
	o, err := order.Load(d.host.Dir.Certificate(certificate))
	if err != nil || o == nil || o.Step() == order.Done {
		return nil
	}
	return o
}

// otherHost is one of the fleet that has the certificate, or an order of it; "": none.
func (d *Desk) otherHost(ctx context.Context, certificate string) (string, error) {
	if d.fleet == nil {
		return "", nil
	}
	host, err := d.fleet.Serves(ctx, certificate)
	if err != nil || host != "" {
		return host, err
	}
	known, err := d.fleet.Known(ctx, certificate)
	if there := known.order(certificate); err == nil && there != nil && there.Outcome == "" && known.Host != d.fleet.Host() {
		host = known.Host
	}
	return host, err
}

// letInstancesGo ends the claims of a certificate. In a fleet, another host may have taken
// them over for another certificate since this one has looked.
func (d *Desk) letInstancesGo(certificate string) error {
	if d.fleet != nil {
		if err := d.join(); err != nil {
			return err
		}
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
			return err
		}
	}
	return nil
}
