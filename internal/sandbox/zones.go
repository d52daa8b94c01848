package sandbox

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/net/idna"
)

// home is the zone of the name servers' own names. The API does not show it.
const home = "sandbox.test"

// Record is a resource record as AliDNS keeps it.
type Record struct {
	Zone     string `json:"DomainName"`
	RecordID string `json:"RecordId"`
	RR       string `json:"RR"` // relative to the zone, "@" for its apex
	Type     string `json:"Type"`
	Value    string `json:"Value"`
	Line     string `json:"Line"`
	TTL      int    `json:"TTL"`      // seconds
	Priority int    `json:"Priority"` // MX alone
	Status   string `json:"Status"`   // ENABLE or DISABLE
	Locked   bool   `json:"Locked"`

	owner string // the whole name in canonical form: lower case, A-labels, with a final dot
}

// snapshot is a zone's content from a moment on. Its slice is never changed.
type snapshot struct {
	since   time.Time
	serial  uint32
	records []Record
}

type zone struct {
	id             string
	name, punycode string // in Unicode, and in A-labels
	created        time.Time
	past           []snapshot // oldest first; the last one is the present
}

func (z *zone) present() snapshot { return z.past[len(z.past)-1] }

// at is the content that was present at t, or the oldest that is remembered.
func (z *zone) at(t time.Time) snapshot {
	for _, s := range slices.Backward(z.past) {
		if !s.since.After(t) {
			return s
		}
	}
	return z.past[0]
}

// zones is what AliDNS hosts: the one place where records change.
type zones struct {
	mu      sync.Mutex
	list    []*zone       // the last one is home
	memory  time.Duration // how far the slowest name server is behind
	servers []string      // names of the name servers
}

func newZones(o Options) (*zones, error) {
	zs := &zones{}
	for _, name := range append(slices.Clone(o.Zones), home) {
		z, err := newZone(name)
		if err != nil {
			return nil, err
		}
		zs.list = append(zs.list, z)
	}
	var addresses []Record
	for i := range o.NameServers {
		zs.memory = max(zs.memory, o.delay(i))
		name := fmt.Sprintf("ns%d.%s", i+1, home)
		zs.servers = append(zs.servers, name)
		addresses = append(addresses, Record{Type: "A", Value: "127.0.0.1", TTL: minTTL, owner: dns.Fqdn(name)})
	}
	zs.list[len(zs.list)-1].past[0].records = addresses
	return zs, nil
}

func newZone(name string) (*zone, error) {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	punycode, err := idna.Lookup.ToASCII(name)
	if _, ok := dns.IsDomainName(punycode); err != nil || !ok || name == "" {
		return nil, fmt.Errorf("zone %q: not a domain name", name)
	}
	unicode, err := idna.Lookup.ToUnicode(punycode)
	if err != nil {
		return nil, fmt.Errorf("zone %q: not a domain name", name)
	}
	now := time.Now()
	first := snapshot{serial: uint32(now.Unix())} // since the beginning of time: there at once
	return &zone{id: newRequestID(), name: unicode, punycode: punycode, created: now, past: []snapshot{first}}, nil
}

// owner is the canonical form of a name in the zone.
func (z *zone) owner(rr string) string {
	if rr == "@" {
		return dns.Fqdn(z.punycode)
	}
	return dns.Fqdn(toASCII(rr) + "." + z.punycode)
}

// toASCII turns a name into lower-case A-labels; one that cannot be turned, such as "_x" or "*", is kept.
func toASCII(name string) string {
	if ascii, err := idna.Punycode.ToASCII(strings.ToLower(name)); err == nil {
		return ascii
	}
	return strings.ToLower(name)
}

// hosted lists the zones that the account owns, in the order of the options.
func (zs *zones) hosted() []*zone { return zs.list[:len(zs.list)-1] }

// named finds a hosted zone by its name in Unicode or in A-labels, nil when there is none.
func (zs *zones) named(name string) *zone {
	name = toASCII(strings.TrimSuffix(name, "."))
	for _, z := range zs.hosted() {
		if z.punycode == name {
			return z
		}
	}
	return nil
}

// enclosing finds the longest of some zones that a name lies in, nil when there is none.
func enclosing(list []*zone, name string) *zone {
	name = dns.Fqdn(toASCII(name))
	var found *zone
	for _, z := range list {
		if dns.IsSubDomain(dns.Fqdn(z.punycode), name) && (found == nil || len(z.punycode) > len(found.punycode)) {
			found = z
		}
	}
	return found
}

// records is the present content of a zone.
func (zs *zones) records(z *zone) []Record {
	zs.mu.Lock()
	defer zs.mu.Unlock()
	return slices.Clone(z.present().records)
}

// seen is the content of a zone for a name server that is a while behind.
func (zs *zones) seen(z *zone, delay time.Duration) snapshot {
	zs.mu.Lock()
	defer zs.mu.Unlock()
	return z.at(time.Now().Add(-delay))
}

// change replaces a zone's records by what edit makes of a copy, and raises its
// serial. When edit fails nothing changes.
func (zs *zones) change(z *zone, edit func([]Record) ([]Record, error)) error {
	zs.mu.Lock()
	defer zs.mu.Unlock()
	now := time.Now()
	records, err := edit(slices.Clone(z.present().records))
	if err != nil {
		return err
	}
	z.past = append(z.past, snapshot{since: now, serial: z.present().serial + 1, records: records})
	for len(z.past) > 1 && z.past[1].since.Before(now.Add(-zs.memory)) {
		z.past = z.past[1:]
	}
	return nil
}

// holding finds the zone that has a record now, nil when none has.
func (zs *zones) holding(recordID string) *zone {
	zs.mu.Lock()
	defer zs.mu.Unlock()
	for _, z := range zs.hosted() {
		has := func(r Record) bool { return r.RecordID == recordID }
		if slices.ContainsFunc(z.present().records, has) {
			return z
		}
	}
	return nil
}
