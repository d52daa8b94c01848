package agent

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"dvagent/agent/order"
	"dvagent/dnsvalidate"
	"dvagent/internal/aliyun"
	"dvagent/internal/hint"
)

// place is where a validation record is written.
type place struct {
	account string
	zone    aliyun.Domain // hosted by the account
	name    string        // the validation name, or where its CNAMEs lead
	from    string        // the validation name
}

// record is the record at the place with a challenge's value.
func (p place) record(value string) (r order.Record, err error) {
	r = order.Record{Account: p.account, Name: p.name, Value: value}
	if p.from != p.name {
		r.For = p.from
	}
	r.Zone, r.RR, err = dnsvalidate.Zones{p.zone}.Find(p.name)
	return r, err
}

// placeOf finds the zone that the record for a validation name goes into: one
// that the account hosts, or where a CNAME in somebody else's zone leads.
func (a *Agent) placeOf(ctx context.Context, account, name string) (place, error) {
	zone, err := a.hosting(ctx, account, name)
	if err == nil || len(a.config.DNS.Settings.Delegate) == 0 {
		return place{account, zone, name, name}, err
	}
	target, unknown := a.prover.Alias(ctx, name)
	if unknown != nil || target == "" {
		return place{}, also(err, unknown)
	}
	return a.follow(ctx, place{account: account, from: name}, &dnsvalidate.CNAMEError{Name: name, Target: target})
}

func (a *Agent) hosting(ctx context.Context, account, name string) (aliyun.Domain, error) {
	zones, err := a.zonesOf(ctx, account)
	if err != nil {
		return aliyun.Domain{}, err
	}
	return zones.Hosting(name)
}

// follow is the place that a CNAME leads to, where the configuration allows it.
// The account of the place is asked for it first, then every other one.
func (a *Agent) follow(ctx context.Context, p place, alias *dnsvalidate.CNAMEError) (place, error) {
	if a.config.DNS.Settings.DelegateZone(alias.Target) == "" {
		return p, alias
	}
	var none error
	for _, account := range append([]string{p.account}, slices.Sorted(maps.Keys(a.config.Accounts))...) {
		zone, err := a.hosting(ctx, account, alias.Target)
		if err == nil {
			return place{account, zone, alias.Target, p.from}, nil
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
func (a *Agent) following(ctx context.Context, at place, try func(place) error) error {
	for range mostAliases {
		err := try(at)
		var alias *dnsvalidate.CNAMEError
		if !errors.As(err, &alias) {
			return err
		}
		if at, err = a.follow(ctx, at, alias); err != nil {
			return err
		}
	}
	return hint.Add(fmt.Errorf("find the place of the validation record %s: its CNAMEs do not end", at.from),
		"remove the CNAMEs that lead in a circle")
}

// usualLabel is where CAS commonly wants the record, below the domain. It is
// what is looked at before an order; where the record goes, the challenge says.
const usualLabel = "_dnsauth."

// lastName is the validation name of the order that ended last, or "".
func (a *Agent) lastName(certificate string) (string, error) {
	last, err := order.Last(a.dir(certificate))
	if err != nil || last == nil || last.Challenge == nil {
		return "", err
	}
	return last.Challenge.Name, nil
}

// expectedName is the last order's validation name where it is one of the
// domains' and lies under the domain, else the usual one.
func expectedName(last, domain string, domains []string) string {
	host := strings.TrimPrefix(domain, "*.")
	name, err := dnsvalidate.CheckName(last, domains)
	if last != "" && err == nil && strings.HasSuffix(name, "."+host) {
		return name
	}
	return usualLabel + host
}

// listing is what stood at a name when it was looked at before the order.
type listing struct {
	records []aliyun.Record
	at      time.Time
}

// listingLives is how long a listing is believed.
const listingLives = time.Minute

// remembering is a client that answers the first listing of a name from memory:
// what was looked at right before the order needs no second call.
type remembering struct {
	*aliyun.Client
	memory map[string]listing // by name
}

// DescribeSubDomainRecords is for dnsvalidate.Provider.
func (r remembering) DescribeSubDomainRecords(ctx context.Context, zone, name, recordType string) ([]aliyun.Record, error) {
	known, ok := r.memory[name]
	delete(r.memory, name)
	if ok && recordType == "" && time.Since(known.at) < listingLives {
		return known.records, nil
	}
	return r.Client.DescribeSubDomainRecords(ctx, zone, name, recordType)
}
