package check

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"

	"dvagent/internal/words"

	"dvagent/agent/config"
	"dvagent/agent/issue"
	"dvagent/agent/order"
	"dvagent/agent/proof"
	"dvagent/agent/state"
	"dvagent/internal/aliyun"
	"dvagent/internal/hint"
)

// Online asks each account, and the fleet, for what the agent will need of it. It
// changes nothing.
func (c *Check) Online(ctx context.Context) []Finding {
	var findings []Finding
	for _, name := range slices.Sorted(maps.Keys(c.host.Config.Accounts)) {
		if c.partial() && !slices.ContainsFunc(c.host.Config.Certificates, func(one config.Certificate) bool { return one.Account == name || one.DNSAccount == name }) {
			continue
		}
		findings = append(findings, c.account(ctx, name)...)
	}
	findings = append(findings, c.fleet(ctx)...)
	z := zoneCheck{c, proof.NewDNS(c.zones), map[string]bool{}}
	for _, certificate := range c.host.Config.Certificates {
		if certificate.Package != "" {
			findings = append(findings, c.stock(ctx, certificate)...)
		}
		if !certificate.Follow && certificate.Webroot == "" { // Files looks at the others
			findings = append(findings, z.certificate(ctx, certificate)...)
		}
	}
	return findings
}

func (c *Check) account(ctx context.Context, name string) []Finding {
	subject := "account " + name
	fail := func(err error) Finding { return Finding{Subject: subject, Err: err} }
	issuer, err := c.accounts.Catalogue(ctx, name, "")
	if err != nil {
		return []Finding{fail(err)}
	}
	slots, err := issuer.Slots(ctx)
	if err != nil {
		return []Finding{fail(err)}
	}
	findings := []Finding{
		{Subject: subject, OK: "the credentials are accepted; it speaks CAS " + c.host.Config.Accounts[name].Spoken(issuer.Terms().API)},
		c.spare(name, slots),
	}
	findings = append(findings, c.listed(name, slots)...)
	if err := c.mayRead(ctx, name, issuer.Terms().API); err != nil {
		findings = append(findings, fail(err))
	}
	return findings
}

// mayRead tries what an order will read beside the instances.
func (c *Check) mayRead(ctx context.Context, account, api string) error {
	client, err := c.accounts.Client(account)
	if err != nil {
		return err
	}
	if api == order.API2018 {
		_, err = client.DescribeUserCertificateList(ctx)
		return err
	}
	_, err = client.ListCertificates(ctx, aliyun.CertificateFilter{})
	wantsContact := func(certificate config.Certificate) bool {
		return certificate.Account == account && !certificate.Apart()
	}
	if err == nil && slices.ContainsFunc(c.host.Config.Certificates, wantsContact) {
		_, err = client.ListContact(ctx)
	}
	return err
}

// spare compares the spare instances with the renewals that come.
func (c *Check) spare(account string, slots []issue.Slot) Finding {
	subject := "account " + account
	ledger, err := order.LoadInstances(c.host.Dir.Instances())
	if err != nil {
		return Finding{Subject: subject, Err: err}
	}
	now := state.Now()
	until := now.Add(c.host.Config.Limits.Forecast)
	var renewals []state.Renewal
	for _, certificate := range c.whole.Certificates {
		if certificate.Account != account {
			continue
		}
		s, err := c.host.Dir.Read(certificate)
		if err != nil {
			return Finding{Subject: certificate.Name, Err: err}
		}
		claim, _ := ledger.ClaimOf(account, certificate.Name)
		renewals = append(renewals, s.Renewal(now, claim))
	}
	spare, forecast := issue.Spare(c.whole, ledger, account, slots), state.Foresee(renewals, "", now, until)
	free, coming, unmet := spare.Count(), forecast.Coming(), forecast.Unmet(spare)
	text := fmt.Sprintf("%s for %s before %s", words.Count(free, "spare DV instance"), words.Count(coming, "renewal"), words.Date(until))
	if unmet > 0 && free >= coming {
		text += fmt.Sprintf(", of which none lasts for %d", unmet)
	}
	if unmet > 0 {
		return Finding{Subject: subject, Warning: true, Err: hint.Add(errors.New(text), "buy more DV instances in time")}
	}
	return Finding{Subject: subject, OK: text}
}

// zoneCheck looks at the zones of all certificates, at each but once.
type zoneCheck struct {
	check *Check
	dns   *proof.DNS
	read  map[string]bool // whose records were looked through
}

// certificate looks at each zone that the certificate's record may go into.
func (z zoneCheck) certificate(ctx context.Context, certificate config.Certificate) []Finding {
	subject := proof.Subject{Certificate: certificate.Name, Account: certificate.DNSAccount}
	sites, err := z.dns.Sites(ctx, subject, certificate.Domains)
	var findings []Finding
	if err != nil {
		findings = append(findings, Finding{Subject: certificate.Name, Err: err})
	}
	for _, site := range sites {
		findings = append(findings, z.site(ctx, subject, site)...)
	}
	return findings
}

func (z zoneCheck) site(ctx context.Context, subject proof.Subject, site proof.Site) []Finding {
	seen, err := z.dns.Foresee(ctx, subject, site)
	if err != nil {
		return []Finding{{Subject: subject.Certificate, Err: err}}
	}
	zone := site.Place.Zone.Name
	findings := []Finding{{Subject: subject.Certificate, OK: "zone " + zone + " is hosted here and can be read"}}
	if key := site.Place.Account + " " + zone; !z.read[key] {
		z.read[key] = true
		findings = append(findings, z.check.suspects(ctx, subject.Certificate, site)...)
	}
	for _, f := range seen {
		findings = append(findings, Finding{Subject: subject.Certificate, Err: hint.Add(errors.New(f.Text), f.Hint), Warning: !f.Blocks})
	}
	if len(seen) == 0 {
		findings = append(findings, Finding{Subject: subject.Certificate, OK: "the name servers of " + zone + ", DNSSEC and CAA allow an order"})
	}
	return findings
}

// checkValue is the form of the values that CAS wants to see: a date, and then
// what nobody would write by hand.
var checkValue = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^20[0-9]{6}[0-9a-z]{20,}$`) })

// suspects lists the TXT records that look like ours and that no journal knows:
// only when journal and ledger were both lost can one have stayed. They are for
// an operator to judge; nothing here deletes by a pattern.
func (c *Check) suspects(ctx context.Context, certificate string, site proof.Site) []Finding {
	records, err := c.records(ctx, site)
	if err != nil {
		return []Finding{{Subject: certificate, Err: err}}
	}
	known, err := order.LoadOwed(c.host.Dir.Records())
	if err != nil {
		return []Finding{{Subject: certificate, Err: err}}
	}
	ours := map[string]bool{}
	for _, entry := range known.All() {
		ours[entry.Record.Value] = true
	}
	var findings []Finding
	for _, r := range records {
		value := strings.Trim(r.Value, `"`)
		if !strings.HasPrefix(r.RR, "_") || !checkValue().MatchString(value) || ours[value] {
			continue
		}
		findings = append(findings, Finding{Subject: certificate, Warning: true, Err: hint.Add(
			fmt.Errorf("the TXT record %q in zone %s may be left from an order that no journal here knows", r.RR, site.Place.Zone.Name),
			"if no other host has an order open, delete record "+r.RecordID+" in the DNS console")})
	}
	return findings
}

func (c *Check) records(ctx context.Context, site proof.Site) ([]aliyun.Record, error) {
	client, err := c.accounts.Client(site.Place.Account)
	if err != nil {
		return nil, err
	}
	return client.DescribeDomainRecords(ctx, site.Place.Zone.Name, "_", "TXT")
}
