package proof

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"dvagent/agent/order"
	"dvagent/agent/state"
	"dvagent/dnsvalidate"
	"dvagent/internal/aliyun"
	"dvagent/internal/hint"
)

// Place is where a validation record is written.
type Place struct {
	Account string
	Zone    aliyun.Domain // hosted by the account
	name    string        // the validation name, or where its CNAMEs lead
	from    string        // the validation name
}

// record is the record at the place that answers a challenge.
func (p Place) record(c order.Challenge) (r order.Record, err error) {
	r = order.Record{Account: p.Account, Name: p.name, Value: c.Value}
	if c.Kind != order.TXT {
		r.Kind = c.Kind
	}
	if p.from != p.name {
		r.For = p.from
	}
	r.Zone, r.RR, err = dnsvalidate.Zones{p.Zone}.Find(p.name)
	return r, err
}

// place finds the zone that the record for a validation name goes into: one
// that the account hosts, or where a CNAME in somebody else's zone leads.
func (z *Zones) place(ctx context.Context, account, name string) (Place, error) {
	zone, err := z.hosting(ctx, account, name)
	if err == nil || len(z.host.Config.DNS.Settings.Delegate) == 0 {
		return Place{account, zone, name, name}, err
	}
	target, unknown := z.prover.Alias(ctx, name)
	if unknown != nil || target == "" {
		return Place{}, state.Also(err, unknown)
	}
	return z.follow(ctx, Place{Account: account, from: name}, &dnsvalidate.CNAMEError{Name: name, Target: target})
}

func (z *Zones) hosting(ctx context.Context, account, name string) (aliyun.Domain, error) {
	zones, err := z.of(ctx, account)
	if err != nil {
		return aliyun.Domain{}, err
	}
	return zones.Hosting(name)
}

// follow is the place that a CNAME leads to, where the configuration allows it.
// The account of the place is asked for it first, then every other one.
func (z *Zones) follow(ctx context.Context, p Place, alias *dnsvalidate.CNAMEError) (Place, error) {
	if z.host.Config.DNS.Settings.DelegateZone(alias.Target) == "" {
		return p, alias
	}
	var none error
	for _, account := range append([]string{p.Account}, slices.Sorted(maps.Keys(z.host.Config.Accounts))...) {
		zone, err := z.hosting(ctx, account, alias.Target)
		if err == nil {
			return Place{account, zone, alias.Target, p.from}, nil
		}
		none = err
	}
	return p, hint.Add(fmt.Errorf("%w, and no account can write there: %w", alias, none),
		"host the zone that the CNAME leads into in an account of the configuration")
}

// mostAliases bounds the CNAMEs that are followed.
const mostAliases = 8

// following tries something at a place, and at the next one while a CNAME
// stands in the way.
func (z *Zones) following(ctx context.Context, at Place, try func(Place) error) error {
	for range mostAliases {
		err := try(at)
		var alias *dnsvalidate.CNAMEError
		if !errors.As(err, &alias) {
			return err
		}
		if at, err = z.follow(ctx, at, alias); err != nil {
			return err
		}
	}
	return hint.Add(fmt.Errorf("find the place of the validation record %s: its CNAMEs do not end", at.from),
		"remove the CNAMEs that lead in a circle")
}

// Delegated is the place that a CNAME of the certificate may lead to in a zone
// of [dns] delegate.
func (z *Zones) Delegated(ctx context.Context, account, zone string) (Place, error) {
	return z.follow(ctx, Place{Account: account}, &dnsvalidate.CNAMEError{Target: zone})
}
