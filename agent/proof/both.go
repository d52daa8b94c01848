package proof

import (
	"context"
	"errors"
	"time"

	"dvagent/agent/order"
	"dvagent/internal/hint"
)

// Both proves by files what has a webroot, and by DNS records all else. What was
// put is looked at and removed as what it is, whatever is configured now.
type Both struct {
	dns   *DNS
	files *Files
}

var _ Prover = (*Both)(nil)

// New is a Prover for every certificate.
func New(zones *Zones) *Both {
	dns := NewDNS(zones)
	return &Both{dns, NewFiles(dns)}
}

func (b *Both) by(files bool) Prover {
	if files {
		return b.files
	}
	return b.dns
}

// Sites is for Prover.
func (b *Both) Sites(ctx context.Context, s Subject, domains []string) ([]Site, error) {
	return b.by(s.Webroot != "").Sites(ctx, s, domains)
}

// Foresee is for Prover.
func (b *Both) Foresee(ctx context.Context, s Subject, at Site) ([]Finding, error) {
	return b.by(s.Webroot != "").Foresee(ctx, s, at)
}

// Put is for Prover.
func (b *Both) Put(ctx context.Context, s Subject, c order.Challenge, ledger Ledger) (order.Record, bool, error) {
	if err := Can(s, c); err != nil {
		return order.Record{}, false, err
	}
	return b.by(c.Kind == order.File).Put(ctx, s, c, ledger)
}

// Can says why a challenge cannot be answered in the way that is configured, or
// nil.
func Can(s Subject, c order.Challenge) error {
	switch {
	case c.Kind == order.File && s.Webroot == "":
		return hint.Add(errors.New("the CA wants to see a file, and the certificate has no webroot"),
			"add validation = \"file\" with a webroot, or see in the SSL console how the order is validated")
	case c.Kind != order.File && s.Account == "":
		return hint.Add(errors.New("the CA wants to see a DNS record, and the certificate has validation = \"file\""),
			"leave validation and webroot out, or see in the SSL console how the order is validated")
	}
	return nil
}

// Look is for Prover.
func (b *Both) Look(ctx context.Context, r order.Record) (Sight, error) {
	return b.by(r.Kind == order.File).Look(ctx, r)
}

// Restore is for Prover.
func (b *Both) Restore(ctx context.Context, r order.Record, ledger Ledger) (bool, error) {
	return b.by(r.Kind == order.File).Restore(ctx, r, ledger)
}

// Interval is for Prover.
func (b *Both) Interval(looks int) time.Duration { return b.dns.Interval(looks) }

// Remove is for Prover.
func (b *Both) Remove(ctx context.Context, r order.Record, ledger Ledger) error {
	return b.by(r.Kind == order.File).Remove(ctx, r, ledger)
}
