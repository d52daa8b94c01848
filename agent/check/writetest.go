package check

import (
	"context"
	"fmt"

	"dvagent/agent/config"
	"dvagent/agent/proof"
	"dvagent/agent/state"
)

// WriteTest adds a TXT record of no meaning to each zone that the certificates
// need, and deletes it. It takes the lock as the working commands do. A record
// that could not be deleted is owed, and the next pass removes it.
func (c *Check) WriteTest(ctx context.Context, caller state.Caller) ([]Finding, error) {
	records, unlock, err := c.owedRecords(ctx, caller)
	if err != nil {
		return nil, err
	}
	defer unlock()
	dns := proof.NewDNS(c.zones)
	var findings []Finding
	tested := map[string]bool{} // by account and zone
	for _, certificate := range c.host.Config.Certificates {
		if certificate.Follow || certificate.Webroot != "" { // it writes no record
			continue
		}
		for _, at := range c.places(ctx, dns, certificate) {
			if key := at.Account + " " + at.Zone.Name; !tested[key] && ctx.Err() == nil {
				tested[key] = true
				err := dns.WriteTest(ctx, at, proof.Owed{Records: records, Certificate: certificate.Name})
				findings = append(findings, written(certificate.Name, at, err))
			}
		}
	}
	return findings, ctx.Err()
}

// places are where the certificate's record may go: where its domains are
// proved, and where a CNAME may lead. What is hosted nowhere is for Online to
// tell.
func (c *Check) places(ctx context.Context, dns *proof.DNS, certificate config.Certificate) []proof.Place {
	var places []proof.Place
	sites, _ := dns.Sites(ctx, proof.Subject{Certificate: certificate.Name, Account: certificate.DNSAccount}, certificate.Domains)
	for _, site := range sites {
		places = append(places, site.Place)
	}
	for _, zone := range c.host.Config.DNS.Settings.Delegate {
		if at, err := c.zones.Delegated(ctx, certificate.DNSAccount, zone); err == nil {
			places = append(places, at)
		}
	}
	return places
}

func written(certificate string, at proof.Place, err error) Finding {
	if err != nil {
		return Finding{Subject: certificate, Err: fmt.Errorf("write test in zone %s: %w", at.Zone.Name, err)}
	}
	return Finding{Subject: certificate, OK: "a TXT record can be added to zone " + at.Zone.Name + " and deleted"}
}
