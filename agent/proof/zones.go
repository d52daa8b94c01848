package proof

import (
	"context"
	"slices"
	"sync"
	"time"

	"dvagent/agent/order"
	"dvagent/agent/state"
	"dvagent/dnsvalidate"
	"dvagent/internal/aliyun"
)

// Zones knows which account hosts what, and how to ask the name servers. One
// lives as long as the agent, and remembers for a while what it has read.
type Zones struct {
	host     *state.Host
	accounts clients
	prover   *dnsvalidate.Prover

	mu       sync.Mutex
	hosted   map[string]*zoneList // by account
	listings map[listingKey]listing
	shared   map[string]listing // by name
}

// clients are the accounts at the cloud.
type clients interface {
	Client(account string) (*aliyun.Client, error)
}

// NewZones asks nothing yet.
func NewZones(host *state.Host, accounts clients) *Zones {
	return &Zones{host: host, accounts: accounts, prover: dnsvalidate.NewProver(host.Config.DNS.Settings),
		hosted: map[string]*zoneList{}, listings: map[listingKey]listing{}, shared: map[string]listing{}}
}

// zonesLive is how long the zones of an account are believed; a run that waits
// for propagation does not read them again.
const zonesLive = 5 * time.Minute

// zoneList has a lock of its own: an account that does not answer holds up no
// other one's certificates.
type zoneList struct {
	mu    sync.Mutex
	zones dnsvalidate.Zones
	at    time.Time
}

func (z *Zones) list(account string) *zoneList {
	z.mu.Lock()
	defer z.mu.Unlock()
	list := z.hosted[account]
	if list == nil {
		list = &zoneList{}
		z.hosted[account] = list
	}
	return list
}

// of returns the zones that the account hosts.
func (z *Zones) of(ctx context.Context, account string) (dnsvalidate.Zones, error) {
	list := z.list(account)
	list.mu.Lock()
	defer list.mu.Unlock()
	if !list.at.IsZero() && time.Since(list.at) < zonesLive {
		return list.zones, nil
	}
	client, err := z.accounts.Client(account)
	if err != nil {
		return nil, err
	}
	zones, err := client.DescribeDomains(ctx)
	if err != nil {
		return nil, err
	}
	list.zones, list.at = zones, time.Now()
	return zones, nil
}

// remember puts what was asked of a zone into the account's list.
func (z *Zones) remember(account string, zone aliyun.Domain) {
	list := z.list(account)
	list.mu.Lock()
	defer list.mu.Unlock()
	list.zones = slices.Clone(list.zones) // others read the old one
	for i := range list.zones {
		if list.zones[i].Name == zone.Name {
			list.zones[i] = zone
		}
	}
}

// listingKey is a place that a certificate's preflight has looked at.
type listingKey struct{ certificate, name string }

// listing is what stood at a name when it was looked at before the order.
type listing struct {
	records []aliyun.Record
	at      time.Time
}

// A listing is believed for a while by the certificate whose preflight made it, and
// for a moment by all others that are proved at the same name.
const (
	listingLives  = time.Minute
	listingShared = 10 * time.Second
)

func (z *Zones) note(key listingKey, records []aliyun.Record) {
	z.mu.Lock()
	defer z.mu.Unlock()
	l := listing{records, time.Now()}
	z.listings[key], z.shared[key.name] = l, l
}

func (z *Zones) share(name string, records []aliyun.Record) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.shared[name] = listing{records, time.Now()}
}

// sharedListing is the last one of a name, made for whomever.
func (z *Zones) sharedListing(name string) (records []aliyun.Record, known bool) {
	z.mu.Lock()
	defer z.mu.Unlock()
	l, known := z.shared[name]
	if known = known && time.Since(l.at) < listingShared; !known {
		delete(z.shared, name)
	}
	return l.records, known
}

// take returns a listing once.
func (z *Zones) take(key listingKey) (records []aliyun.Record, known bool) {
	z.mu.Lock()
	defer z.mu.Unlock()
	l, known := z.listings[key]
	delete(z.listings, key)
	return l.records, known && time.Since(l.at) < listingLives
}

// remembering is a client that answers the first listing of a name from memory:
// what was looked at right before the order, or for another one, needs no second call.
type remembering struct {
	client      *aliyun.Client
	zones       *Zones
	certificate string
	value       string // that is looked for; what shows it is read anew
	listed      bool   // the listing of another one served, and serves once
}

func (r *remembering) DescribeSubDomainRecords(ctx context.Context, zone, name, recordType string) ([]aliyun.Record, error) {
	if recordType != "" {
		return r.client.DescribeSubDomainRecords(ctx, zone, name, recordType)
	}
	if records, known := r.zones.take(listingKey{r.certificate, name}); known {
		return records, nil
	}
	if records, known := r.zones.sharedListing(name); known && !r.listed {
		r.listed = true
		if !slices.ContainsFunc(records, func(record aliyun.Record) bool { return record.Value == r.value }) {
			return records, nil
		}
	}
	records, err := r.client.DescribeSubDomainRecords(ctx, zone, name, recordType)
	if err == nil {
		r.zones.share(name, records)
	}
	return records, err
}

func (r *remembering) AddDomainRecord(ctx context.Context, record aliyun.Record) (string, error) {
	return r.client.AddDomainRecord(ctx, record)
}

func (r *remembering) DeleteDomainRecord(ctx context.Context, recordID string) error {
	return r.client.DeleteDomainRecord(ctx, recordID)
}

// LastName is the validation name of the certificate's order that ended last,
// or "".
func (z *Zones) LastName(certificate string) (string, error) {
	return order.LastName(z.host.Dir.Certificate(certificate))
}

// Trace looks at a name from its zone down, as the agent would, and keeps each
// question.
func (z *Zones) Trace(ctx context.Context, q dnsvalidate.Question) (dnsvalidate.Trace, error) {
	return z.prover.Trace(ctx, q)
}

// Hosting finds the zone of a name in the account's list.
func (z *Zones) Hosting(ctx context.Context, account, name string) (zone string, err error) {
	zones, err := z.of(ctx, account)
	if err != nil {
		return "", err
	}
	zone, _, err = zones.Find(name)
	return zone, err
}
