package proof

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"dvagent/agent/order"
	"dvagent/agent/state"
	"dvagent/dnsvalidate"
	"dvagent/internal/aliyun"
	"dvagent/internal/hint"
)

// DNS proves domains by records in zones that the accounts host. One is made
// for a pass.
type DNS struct {
	zones *Zones

	mu        sync.Mutex
	preflight *dnsvalidate.Preflight // asks nothing twice
	made      time.Time
}

var _ Prover = (*DNS)(nil)

// NewDNS has asked nothing yet.
func NewDNS(zones *Zones) *DNS { return &DNS{zones: zones} }

// preflightLives is how long the answers of a preflight are believed: what was
// mended meanwhile shows in a long pass, too.
const preflightLives = time.Minute

func (d *DNS) freshPreflight() *dnsvalidate.Preflight {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.preflight == nil || time.Since(d.made) > preflightLives {
		d.preflight, d.made = d.zones.prover.NewPreflight(), time.Now()
	}
	return d.preflight
}

// Sites groups the domains by the zone that their record will go into.
func (d *DNS) Sites(ctx context.Context, s Subject, domains []string) (sites []Site, err error) {
	last, _ := d.zones.LastName(s.Certificate) // without it others' names, and the usual one, tell what to expect
	for _, domain := range domains {
		likely := cmp.Or(last, d.zones.askedFor(strings.TrimPrefix(domain, "*.")))
		at, none := d.zones.place(ctx, s.Account, expectedName(likely, domain, domains))
		var unanswered *aliyun.Error
		if errors.As(none, &unanswered) {
			return sites, state.Also(err, none) // the next domain would get the same answer
		}
		if none != nil {
			err = state.Also(err, none)
			continue
		}
		i := slices.IndexFunc(sites, func(site Site) bool {
			return site.Place.Account == at.Account && site.Place.Zone.Name == at.Zone.Name
		})
		if i < 0 {
			i, sites = len(sites), append(sites, Site{Place: at})
		}
		sites[i].Domains = append(sites[i].Domains, domain)
	}
	return sites, err
}

// Foresee looks at a site, and at every place that a CNAME leads on to. An
// error says that the account lets the records not be read, or that a CNAME
// leads where no record can be written.
func (d *DNS) Foresee(ctx context.Context, s Subject, site Site) (findings []Finding, err error) {
	domains := site.Domains
	err = d.zones.following(ctx, site.Place, func(at Place) error {
		zone, unknown := d.withServers(ctx, at)
		seen, err := d.freshPreflight().Look(ctx, dnsvalidate.Expectation{Zone: zone, Name: at.name, Domains: domains, CAs: d.cas()})
		if err != nil {
			return err
		}
		findings, domains = slices.Concat(findings, unknown, seen), nil // CAA stands at the domains, not at the target
		return d.list(ctx, s, at)
	})
	return findings, err
}

// cas are the CAs that may issue: those that CAS sells, by the names that they
// have and by those that the operator knows of.
func (d *DNS) cas() dnsvalidate.CAs {
	return dnsvalidate.CAs{Ours: slices.Concat(caNames, d.zones.host.Config.DNS.CAAIssuers), Others: otherCAs}
}

// withServers asks AliDNS for the name servers that its list leaves out. Without
// an answer, such as for want of a permission, the rest is looked at all the same.
func (d *DNS) withServers(ctx context.Context, at Place) (aliyun.Domain, []Finding) {
	if len(at.Zone.DNSServers) > 0 {
		return at.Zone, nil
	}
	client, err := d.zones.accounts.Client(at.Account)
	if err != nil {
		return at.Zone, nil // list tells
	}
	info, err := client.DescribeDomainInfo(ctx, at.Zone.Name)
	if err != nil {
		return at.Zone, []Finding{{Text: err.Error(), Hint: hint.Of(err)}}
	}
	at.Zone.DNSServers = info.DNSServers
	d.zones.remember(at.Account, at.Zone)
	return at.Zone, nil
}

// list looks at the records at a place, and remembers them for the publishing.
func (d *DNS) list(ctx context.Context, s Subject, at Place) error {
	client, err := d.zones.accounts.Client(at.Account)
	if err != nil {
		return err
	}
	record, err := at.record(order.Challenge{Kind: order.TXT})
	if err != nil {
		return err
	}
	p := &previewing{Client: client, zones: d.zones, account: at.Account}
	_, err = dnsvalidate.Standing(ctx, p, asValidation(record))
	if err == nil {
		d.zones.listings.note(listingKey{s.Certificate, spot{at.Account, record.Zone, record.Name}}, p.seen)
	}
	return err
}

// Put writes the record at the challenge's name, or where the CNAMEs that stand
// there lead.
func (d *DNS) Put(ctx context.Context, s Subject, c order.Challenge, ledger Ledger) (record order.Record, ours bool, err error) {
	at, err := d.zones.place(ctx, s.Account, c.Name)
	if err != nil {
		return record, false, err
	}
	d.zones.noteAsked(c.Name)
	err = d.zones.following(ctx, at, func(at Place) (err error) {
		if record, err = at.record(c); err == nil {
			ours, err = d.putAt(ctx, s, &record, ledger)
		}
		return err
	})
	return record, ours, err
}

// putAt publishes one record and completes it by its id. What the server
// refused left nothing behind: what an operator puts there later is not ours.
func (d *DNS) putAt(ctx context.Context, s Subject, record *order.Record, ledger Ledger) (ours bool, err error) {
	client, err := d.zones.accounts.Client(record.Account)
	if err != nil {
		return false, err
	}
	attempted := ledger.Asked(*record)
	presence, err := dnsvalidate.Present(ctx, d.provider(client, s, *record, attempted), dnsvalidate.Publication{
		Record: asValidation(*record), TTL: d.zones.host.Config.DNS.TTL, Attempted: attempted,
		BeforeAdd: func() error {
			if attempted {
				return nil
			}
			return ledger.Note(order.Adding, *record)
		},
	})
	switch {
	case err != nil && presence.Refused:
		return false, state.Also(err, ledger.Note(order.Removed, *record))
	case err != nil:
		return false, err
	}
	record.RecordID = presence.RecordID
	if !presence.Ours {
		return false, ledger.Note(order.Kept, *record)
	}
	return true, ledger.Note(order.Added, *record)
}

// provider lists from memory what is being proved for the first time; what may stand
// there already is read anew.
func (d *DNS) provider(client *aliyun.Client, s Subject, record order.Record, attempted bool) dnsvalidate.Provider {
	if attempted {
		return client
	}
	return &remembering{Client: client, zones: d.zones, certificate: s.Certificate, account: record.Account, value: record.Value}
}

// Look asks every name server for the record.
func (d *DNS) Look(ctx context.Context, r order.Record) (Sight, error) {
	zone, name := r.Zone, r.Name
	if r.For != "" { // the CA begins there too
		zone, name = "", r.For
	}
	seen, err := d.zones.prover.Look(ctx, dnsvalidate.Question{Zone: zone, Name: name, Type: r.Kind, Value: r.Value})
	sight := Sight{Shown: seen.Visible, Enough: seen.Enough, Said: seen.String()}
	for _, server := range seen.LeftOut() {
		sight.LeftOut = append(sight.LeftOut, server.String())
	}
	return sight, err
}

// Restore adds our record where it is missing (DescribeSubDomainRecords, AddDomainRecord):
// in what was listed a moment ago for all that are proved at the name, and anew. Until the add is answered, it is owed as
// any such; where it is refused, ours is the one of the id that it had, and no other.
func (d *DNS) Restore(ctx context.Context, r order.Record, ledger Ledger) (restored bool, err error) {
	client, err := d.zones.accounts.Client(r.Account)
	if err != nil {
		return false, err
	}
	p := &previewing{Client: client, zones: d.zones, account: r.Account}
	stands, err := dnsvalidate.Stands(ctx, p, asValidation(r))
	if err == nil {
		d.zones.listings.share(spot{r.Account, r.Zone, r.Name}, p.seen)
	}
	if stands {
		return false, nil
	}
	missing := false
	presence, err := dnsvalidate.Present(ctx, client, dnsvalidate.Publication{
		Record: asValidation(r), TTL: d.zones.host.Config.DNS.TTL,
		BeforeAdd: func() error {
			missing = true
			nameless := r
			nameless.RecordID = ""
			return ledger.Note(order.Adding, nameless)
		},
	})
	switch {
	case !missing:
		return false, nil
	case err == nil && presence.Ours:
		r.RecordID = presence.RecordID
		return true, ledger.Note(order.Added, r)
	case err == nil || presence.Refused:
		return false, state.Also(err, ledger.Note(order.Added, r))
	}
	return false, err
}

// Interval grows from a twentieth of a second to ten.
func (d *DNS) Interval(looks int) time.Duration { return d.zones.prover.Interval(looks) }

// Remove deletes one record. The id of an add that was not answered is looked
// up and recorded before anything is deleted.
func (d *DNS) Remove(ctx context.Context, r order.Record, ledger Ledger) error {
	client, err := d.zones.accounts.Client(r.Account)
	if err != nil {
		return err
	}
	if r.RecordID == "" {
		id, err := dnsvalidate.Find(ctx, client, asValidation(r))
		if err != nil {
			return err
		}
		if id == "" {
			return ledger.Note(order.Removed, r)
		}
		r.RecordID = id
		if err := ledger.Note(order.Removing, r); err != nil {
			return err
		}
	}
	if err := dnsvalidate.Remove(ctx, client, asValidation(r)); err != nil {
		return err
	}
	return ledger.Note(order.Removed, r)
}

// WriteTest adds a record of no meaning to the zone of a place and removes it,
// as an order does: the ledger knows it before the add, so that a kill leaves
// nothing behind for good.
func (d *DNS) WriteTest(ctx context.Context, at Place, ledger Ledger) error {
	client, err := d.zones.accounts.Client(at.Account)
	if err != nil {
		return err
	}
	at.name = fmt.Sprintf("_dvagent-probe-%08x.%s", rand.Uint32(), at.Zone.Name)
	at.from = at.name
	record, err := at.record(order.Challenge{Kind: order.TXT, Value: "dvagent check --write-test"})
	if err != nil {
		return err
	}
	owed := false
	presence, err := dnsvalidate.Present(ctx, client, dnsvalidate.Publication{
		Record: asValidation(record), TTL: d.zones.host.Config.DNS.TTL, Attempted: true,
		BeforeAdd: func() error {
			err := ledger.Note(order.Adding, record)
			owed = err == nil
			return err
		},
	})
	if !owed {
		return err
	}
	if record.RecordID = presence.RecordID; err == nil {
		err = ledger.Note(order.Added, record)
	}
	ctx, cancel := state.Outliving(ctx)
	defer cancel()
	if left := d.Remove(ctx, record, ledger); left != nil {
		err = state.Also(err, fmt.Errorf("%w; the record is still owed, and the next renew or run removes it", left))
	}
	return err
}

func asValidation(r order.Record) dnsvalidate.Record {
	return dnsvalidate.Record{Zone: r.Zone, RR: r.RR, Name: r.Name, Type: r.Kind, Value: r.Value, RecordID: r.RecordID}
}
