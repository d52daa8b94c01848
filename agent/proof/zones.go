package proof

import (
	"context"
	"slices"
	"strings"
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

	listings *listings

	mu     sync.Mutex
	hosted map[string]*zoneList // by account
	asked  map[string]string    // the latest validation names, by the domain that they lie right under
}

// clients are the accounts at the cloud.
type clients interface {
	Client(account string) (*aliyun.Client, error)
}

// NewZones asks nothing yet.
func NewZones(host *state.Host, accounts clients) *Zones {
	return &Zones{host: host, accounts: accounts, prover: dnsvalidate.NewProver(host.Config.DNS.Settings),
		hosted: map[string]*zoneList{}, asked: map[string]string{}, listings: newListings()}
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

// LastName is the validation name of the certificate's order that ended last,
// or "".
func (z *Zones) LastName(certificate string) (string, error) {
	return order.LastName(z.host.Dir.Certificate(certificate))
}

// noteAsked remembers where a CA wanted a proof.
func (z *Zones) noteAsked(name string) {
	_, under, _ := strings.Cut(name, ".")
	z.mu.Lock()
	defer z.mu.Unlock()
	z.asked[under] = name
}

// askedFor is where a CA wanted the proof of some other name lately, if one of the
// host could be wanted there, too; or "".
func (z *Zones) askedFor(host string) string {
	z.mu.Lock()
	defer z.mu.Unlock()
	for ; host != ""; _, host, _ = strings.Cut(host, ".") {
		if name := z.asked[host]; name != "" {
			return name
		}
	}
	return ""
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
