package check

import (
	"errors"
	"fmt"
	"slices"

	"dvagent/agent/config"
	"dvagent/agent/issue"
	"dvagent/agent/order"
	"dvagent/internal/hint"
)

// listed looks at the instances that the account's certificates list: each has
// to be there, to take an order or be claimed for the certificate already, and to
// be listed once.
func (c *Check) listed(account string, slots []issue.Slot) []Finding {
	ledger, err := order.LoadInstances(c.host.Dir.Instances())
	if err != nil {
		return nil // spare tells
	}
	var findings []Finding
	first := map[string]string{} // the certificate that lists an instance, by its id
	for _, certificate := range c.whole.Certificates {
		if certificate.Account != account {
			continue
		}
		for _, id := range certificate.Instances {
			wrong := unfitting(certificate, id, slots, ledger)
			if by := first[id]; by != "" {
				wrong = fmt.Errorf("instance %s is listed for %s, too", id, by)
			} else {
				first[id] = certificate.Name
			}
			if wrong != nil {
				findings = append(findings, Finding{Subject: certificate.Name, Err: hint.Add(wrong, "dvagent orders lists what there is; correct instances")})
			}
		}
	}
	return findings
}

// unfitting says why an instance is of no use to the certificate, or nil.
func unfitting(certificate config.Certificate, id string, slots []issue.Slot, ledger *order.Instances) error {
	i := slices.IndexFunc(slots, func(s issue.Slot) bool { return s.ID == id })
	if i < 0 {
		return fmt.Errorf("the account has no DV instance %s", id)
	}
	holder := ledger.Holder(order.Instance{Account: certificate.Account, ID: id})
	switch {
	case holder == certificate.Name:
		return nil
	case holder != "":
		return fmt.Errorf("instance %s is claimed for %s", id, holder)
	case !slots[i].Fits(certificate, certificate.Domains):
		return errors.New("instance " + id + " is for tests, or for fewer names or wildcards")
	case slots[i].Use == issue.Again && ledger.Had(order.Instance{Account: certificate.Account, ID: id}) != certificate.Name:
		return errors.New("instance " + id + " has the certificate of somebody else")
	case slots[i].Use == issue.Spent:
		return errors.New("instance " + id + " is used up")
	case slots[i].Use == issue.Busy:
		return errors.New("an order runs on instance " + id)
	}
	return nil
}
