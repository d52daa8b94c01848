package issue

import (
	"context"
	"slices"
	"strings"

	"dvagent/agent/config"
	"dvagent/agent/order"
)

// inheritInstance has a certificate keep, for its renewals, the instance that is kept for
// one that is not configured any more and was for the same names: it was renamed, and the
// subscription is paid for.
func (d *Desk) inheritInstance(ctx context.Context, c config.Certificate) error {
	if claim, _ := d.ledger.ClaimOf(c.Account, c.Name); claim.Instance != "" || c.Package != "" {
		return nil
	}
	all, err := d.bequests()
	if err != nil {
		return err
	}
	old := all[forNames(c.Account, c.Domains)]
	claim, _ := d.ledger.ClaimOf(c.Account, old)
	if !claim.Kept || !d.allows(c, claim.Instance) {
		return nil
	}
	if d.fleet != nil {
		if d.lease(c.Name) == nil { // the ledger is not one with the fleet's
			return nil
		}
		other, err := d.fleet.Serves(ctx, old)
		if err != nil || other != "" { // it has the old name yet, and renews
			return err
		}
	}
	if err := d.ledger.Pass(order.Instance{Account: c.Account, ID: claim.Instance}, old, c.Name); err != nil {
		return err
	}
	d.host.Say(c.Name, "", "keeps instance "+claim.Instance+" for the renewals, as "+old+" did, which is not configured any more")
	return nil
}

// allows says that the instance is on the certificate's own list or, when it has none, on
// nobody's.
func (d *Desk) allows(c config.Certificate, instance string) bool {
	if len(c.Instances) > 0 {
		return slices.Contains(c.Instances, instance)
	}
	return !d.reserved[order.Instance{Account: c.Account, ID: instance}]
}

// readBequests finds the certificates that are not configured any more and have an instance
// that yields further certificates, each by what it was for.
func (d *Desk) readBequests() (map[string]string, error) {
	names, err := d.strangers()
	all := map[string]string{}
	for _, name := range names {
		for account := range d.host.Config.Accounts {
			claim, _ := d.ledger.ClaimOf(account, name)
			if names := d.wasFor(name, claim); len(names) > 0 {
				all[forNames(account, names)] = name
			}
		}
	}
	return all, err
}

// wasFor are the names that an instance was kept for: those of the last order or, where that
// was placed under yet another name, of the newest version. There are none where it is not
// kept, and where they are not known.
func (d *Desk) wasFor(certificate string, claim order.Claim) []string {
	if !claim.Kept {
		return nil
	}
	last, err := order.Last(d.host.Dir.Certificate(certificate))
	if err == nil && last != nil && last.Instance == claim.Instance {
		return last.Domains
	}
	if leaf := d.newestLeaf(certificate); leaf != nil {
		return leaf.DNSNames
	}
	return nil
}

// forNames tells apart what certificates of the accounts are for.
func forNames(account string, domains []string) string {
	return strings.Join(append([]string{account}, slices.Sorted(slices.Values(domains))...), " ")
}
