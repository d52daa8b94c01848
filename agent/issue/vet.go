package issue

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"dvagent/agent/order"
	"dvagent/agent/proof"
	"dvagent/agent/state"
	"dvagent/internal/bundle"
	"dvagent/internal/hint"
	"dvagent/internal/line"
)

// mostFacts bounds the facts of an order that others wrote.
const mostFacts = 5000

// vetted are the facts of an order that another host wrote, as far as they are of use
// here: it is for these names, on an account of ours, and no name, path or id in it
// leads elsewhere. What has an id is looked up anew, and files are of the host that
// wrote them.
func (d *Desk) vetted(s state.Snapshot, known Known, there *order.Order) ([]order.Fact, error) {
	if err := d.fits(s, known, there); err != nil {
		return nil, err
	}
	last, _ := order.LastName(d.host.Dir.Certificate(s.Config.Name))
	var challenges []order.Challenge
	for _, fact := range known.Facts {
		for _, c := range fact.Challenges() {
			if _, err := proof.Check(c, there.Domains, last); err != nil {
				return nil, err
			}
			challenges = append(challenges, c)
		}
	}
	facts := order.Shared(known.Facts)
	for i := range facts {
		var err error
		if facts[i], err = vetFact(facts[i]); err != nil {
			return nil, err
		}
		if facts[i].Kind == order.Opened {
			facts[i].DNSAccount, facts[i].Webroot = s.Config.DNSAccount, s.Config.Webroot
		}
		if facts[i].Record == nil {
			continue
		}
		record := *facts[i].Record
		if err := d.vetRecord(record, there.Domains, challenges); err != nil {
			return nil, err
		}
		record.RecordID = ""
		facts[i].Record = &record
	}
	return facts, nil
}

// fits says why an order of another host is none that this host can go on with.
func (d *Desk) fits(s state.Snapshot, known Known, there *order.Order) error {
	_, configured := d.host.Config.Accounts[there.Account]
	domains := s.Config.Domains
	if s.Order != nil { // which keeps the names that it was placed with
		domains = s.Order.Domains
	}
	alike := fmt.Sprintf("let the hosts of the fleet have the same domains and accounts for %s; to give the order up: dvagent abandon %s, there", s.Config.Name, s.Config.Name)
	switch {
	case len(known.Facts) > mostFacts:
		return fmt.Errorf("it has %d facts", len(known.Facts))
	case !sameSet(there.Domains, domains):
		return hint.Add(fmt.Errorf("it is for %.1000s", line.Of(strings.Join(there.Domains, ", "))), alike)
	case !configured:
		return hint.Add(fmt.Errorf("it is placed on account %q, which is not configured here", there.Account), alike)
	case there.Key == "" && known.Key == nil:
		return nil
	}
	id, err := bundle.KeyID(known.Key)
	if err == nil && id != there.Key {
		err = errors.New("it is another one")
	}
	if err != nil {
		return fmt.Errorf("its private key cannot be used: %w", err)
	}
	return nil
}

// vetRecord refuses a record that does not answer one of the order's challenges, or
// lies in a zone that has nothing to do with its domains.
func (d *Desk) vetRecord(r order.Record, domains []string, challenges []order.Challenge) error {
	refused := fmt.Errorf("its record %s in zone %s answers no challenge of it", line.Of(r.Name), line.Of(r.Zone))
	_, configured := d.host.Config.Accounts[r.Account]
	within := func(domain string) bool {
		host := "." + strings.TrimPrefix(domain, "*.")
		return strings.HasSuffix(host, "."+r.Zone)
	}
	switch name := r.RR + "." + r.Zone; {
	case !configured:
		return fmt.Errorf("its record %s lies in account %q, which is not configured here", line.Of(r.Name), r.Account)
	case !slices.ContainsFunc(challenges, r.Serves):
		return refused
	case name != r.Name && (r.RR != "@" || r.Zone != r.Name):
		return refused
	case r.For == "" && slices.ContainsFunc(domains, within):
		return nil
	case r.For != "" && d.host.Config.DNS.Settings.DelegateZone(r.Name) != "":
		return nil
	}
	return refused
}
