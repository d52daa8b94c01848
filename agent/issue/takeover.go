package issue

import (
	"context"
	"crypto/x509"
	"fmt"

	"dvagent/agent/config"
	"dvagent/agent/state"
	"dvagent/internal/bundle"
	"dvagent/internal/words"
)

// takeOver keeps what the targets hold already, and says so. Where there is no
// version yet, it also says why it keeps nothing.
func (d *Desk) takeOver(ctx context.Context, s *state.Snapshot) error {
	pair, unfit := s.InPlace(state.Now())
	if pair == nil {
		return nil
	}
	if unfit == nil {
		unfit = d.Trusts(ctx, *s, pair)
	}
	switch {
	case unfit != nil && (ctx.Err() != nil || state.Transient(unfit)): // what the account says is not known yet
		return unfit
	case unfit != nil && s.Newest == "":
		d.host.WarnOnce(s.Config.Name, d.host.NotTakenOver(*s, pair, unfit))
		return nil
	case unfit != nil:
		return nil
	}
	if err := s.TakeOver(pair); err != nil {
		return err
	}
	d.host.Say(s.Config.Name, "", fmt.Sprintf("took over the certificate in place, valid until %s: nothing is ordered",
		words.Date(pair.Leaf.NotAfter)))
	return nil
}

// Trusts says why a pair that somebody else put in place is not trusted, or nil
// where this host's roots lead to it or its account was sold it. The account is
// asked about those alone that the roots do not know.
func (d *Desk) Trusts(ctx context.Context, s state.Snapshot, b *bundle.Bundle) error {
	untrusted := b.Trusted(d.host.Roots, state.Now())
	if untrusted == nil {
		return nil
	}
	sold, err := d.sold(ctx, s.Config, b.Leaf)
	if err != nil {
		return fmt.Errorf("%w, and whether Alibaba sold it to account %s cannot be asked: %w", untrusted, s.Config.Account, err)
	}
	if !sold {
		return fmt.Errorf("%w, and Alibaba did not sell it to account %s", untrusted, s.Config.Account)
	}
	return nil
}

func (d *Desk) sold(ctx context.Context, c config.Certificate, leaf *x509.Certificate) (bool, error) {
	if c.Account == "" { // it follows a fleet, and knows no account
		return false, nil
	}
	issuer, err := d.issuer(ctx, Shop{Account: c.Account, Package: c.Package})
	if err != nil {
		return false, err
	}
	seller, knows := issuer.(Seller)
	if !knows {
		return false, nil
	}
	return seller.Sold(ctx, leaf)
}
