package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"dvagent/agent/order"
	"dvagent/dnsvalidate"
	"dvagent/internal/aliyun"
	"dvagent/internal/hint"
)

// preflight looks at where domains are to be proved, before anything is
// claimed. One is made for a pass, so that nothing is asked twice.
type preflight struct {
	*Agent
	dns *dnsvalidate.Preflight
}

func (a *Agent) newPreflight() preflight { return preflight{a, a.prover.NewPreflight()} }

// proof is where some of a certificate's domains are to be proved, as far as
// that can be told before a challenge is known.
type proof struct {
	place
	domains []string
}

// proofs groups the domains by the zone that their record will go into. An
// error tells of the domains for which no record could be written.
func (a *Agent) proofs(ctx context.Context, certificate, account string, domains []string) (proofs []proof, err error) {
	last, _ := a.lastName(certificate) // without it the usual name is expected
	for _, domain := range domains {
		at, none := a.placeOf(ctx, account, expectedName(last, domain, domains))
		if none != nil {
			err = also(err, none)
			continue
		}
		i := slices.IndexFunc(proofs, func(p proof) bool { return p.account == at.account && p.zone.Name == at.zone.Name })
		if i < 0 {
			i, proofs = len(proofs), append(proofs, proof{place: at})
		}
		proofs[i].domains = append(proofs[i].domains, domain)
	}
	return proofs, err
}

// of looks at a proof, and at every place that a CNAME leads on to. An error
// says that the account lets the records not be read, or that a CNAME leads
// where no record can be written.
func (f preflight) of(ctx context.Context, certificate string, p proof) (findings []dnsvalidate.Finding, err error) {
	domains := p.domains
	err = f.following(ctx, p.place, func(at place) error {
		zone, unknown := f.withServers(ctx, at)
		seen, err := f.dns.Look(ctx, dnsvalidate.Expectation{Zone: zone, Name: at.name, Domains: domains, Issuers: issuers})
		if err != nil {
			return err
		}
		findings, domains = slices.Concat(findings, unknown, seen), nil // CAA stands at the domains, not at the target
		return f.list(ctx, certificate, at)
	})
	return findings, err
}

// withServers asks AliDNS for the name servers that its list leaves out. Without
// an answer, such as for want of a permission, the rest is looked at all the same.
func (f preflight) withServers(ctx context.Context, at place) (aliyun.Domain, []dnsvalidate.Finding) {
	if len(at.zone.DNSServers) > 0 {
		return at.zone, nil
	}
	client, err := f.Client(at.account)
	if err != nil {
		return at.zone, nil // list tells
	}
	info, err := client.DescribeDomainInfo(ctx, at.zone.Name)
	if err != nil {
		return at.zone, []dnsvalidate.Finding{{Text: err.Error(), Hint: hint.Of(err)}}
	}
	at.zone.DNSServers = info.DNSServers
	f.remember(at.account, at.zone)
	return at.zone, nil
}

// remember puts what was asked of a zone into the account's list.
func (a *Agent) remember(account string, zone aliyun.Domain) {
	list := a.zoneList(account)
	list.mu.Lock()
	defer list.mu.Unlock()
	list.zones = slices.Clone(list.zones) // others read the old one
	for i := range list.zones {
		if list.zones[i].Name == zone.Name {
			list.zones[i] = zone
		}
	}
}

// list reads the records at a place, and remembers them for the publishing.
func (f preflight) list(ctx context.Context, certificate string, at place) error {
	client, err := f.Client(at.account)
	if err != nil {
		return err
	}
	record, err := at.record("")
	if err != nil {
		return err
	}
	records, err := dnsvalidate.Standing(ctx, client, asValidation(record))
	if err == nil {
		f.looksOf(certificate).listings[at.name] = listing{records, time.Now()}
	}
	return err
}

// checkProofs sees to it that the order can be proved: what would make the
// validation fail is an error, what only may is said once.
func (w *work) checkProofs(ctx context.Context, proofs []proof) error {
	var failures error
	for _, proof := range proofs {
		findings, err := w.before.of(ctx, w.Name, proof)
		if err != nil {
			return err
		}
		for _, finding := range findings {
			if finding.Blocks {
				failures = also(failures, hint.Add(errors.New(finding.Text), finding.Hint))
			} else {
				w.warn(finding)
			}
		}
	}
	if failures != nil {
		return hint.Add(fmt.Errorf("the validation would fail: %w", failures), hint.Of(failures))
	}
	return nil
}

func (w *work) warn(finding dnsvalidate.Finding) {
	text := "warning: " + finding.Text
	if warned := w.looksOf(w.Name).warned; !warned[text] {
		warned[text] = true
		w.say(w.Name, string(order.Allocate), text)
	}
}
