package dnsvalidate

import (
	"fmt"
	"strings"

	"dvagent/internal/aliyun"
	"dvagent/internal/hint"
)

// Zones are the zones that an account hosts, as DescribeDomains lists them.
type Zones []aliyun.Domain

// Find returns the hosted zone that fqdn lies in, the longest when several do,
// in A-labels, and the rest of the name as RR ("@" at the apex).
func (z Zones) Find(fqdn string) (zone, rr string, err error) {
	name := canonical(fqdn)
	for _, domain := range z {
		if hosted := hostedName(domain); within(name, hosted) && len(hosted) > len(zone) {
			zone = hosted
		}
	}
	if zone == "" {
		err = fmt.Errorf("find the zone of %q: none of the account's %d zones contains it", fqdn, len(z))
		return "", "", hint.Add(err, "host the zone in this account, or name the account that has it as dns_account")
	}
	if name == zone {
		return zone, "@", nil
	}
	return zone, strings.TrimSuffix(name, "."+zone), nil
}

func hostedName(domain aliyun.Domain) string {
	if domain.PunyCode != "" {
		return canonical(domain.PunyCode)
	}
	return canonical(domain.Name)
}
