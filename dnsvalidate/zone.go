package dnsvalidate

import (
	"fmt"
	"strings"

	"dvagent/internal/aliyun"
	"dvagent/internal/hint"
)

// Zones are the zones that an account hosts, as DescribeDomains lists them.
type Zones []aliyun.Domain

// Hosting returns the zone that fqdn lies in, the longest when several do.
func (z Zones) Hosting(fqdn string) (aliyun.Domain, error) {
	name, longest := canonical(fqdn), ""
	var found aliyun.Domain
	for _, domain := range z {
		if hosted := hostedName(domain); within(name, hosted) && len(hosted) > len(longest) {
			found, longest = domain, hosted
		}
	}
	if longest == "" {
		err := fmt.Errorf("find the zone of %q: none of the account's %d zones contains it", fqdn, len(z))
		return found, hint.Add(err, "host the zone in this account, or name the account that has it as dns_account")
	}
	return found, nil
}

// Find splits fqdn into the hosted zone that it lies in, in A-labels, and the
// rest as RR ("@" at the apex).
func (z Zones) Find(fqdn string) (zone, rr string, err error) {
	domain, err := z.Hosting(fqdn)
	if err != nil {
		return "", "", err
	}
	name, zone := canonical(fqdn), hostedName(domain)
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
