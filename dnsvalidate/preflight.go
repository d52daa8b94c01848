package dnsvalidate

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"

	"dvagent/internal/aliyun"
)

const slow = time.Second

// Finding is what a person should know about a zone before an order is placed.
type Finding struct {
	Blocks bool   // the validation would fail
	Text   string // one line
	Hint   string // what to do about it
}

// Preflight looks at a hosted zone before an order: whether it is delegated to
// the DNSServers that DescribeDomains names, whether those can be read, whether
// a CNAME stands at name (the validation name, or "" while it is not known),
// whether DNSSEC is sound, and whether CAA lets one of issuers (such as
// "digicert.com"; none: CAA is not looked at) issue for each of domains. It puts
// one question to each name server. An error means that there was nobody to ask.
func (p *Prover) Preflight(ctx context.Context, zone aliyun.Domain, name string, domains, issuers []string) ([]Finding, error) {
	hosted := hostedName(zone)
	delegation, err := p.delegation(ctx, hosted)
	if err != nil {
		return nil, fmt.Errorf("look at %s before an order: %w", hosted, err)
	}
	findings := misdelegated(zone, delegation)
	findings = append(findings, p.read(ctx, delegation, hosted, canonical(name))...)
	findings = append(findings, p.checkDNSSEC(ctx, hosted)...)
	if len(issuers) > 0 {
		for _, domain := range domains {
			findings = append(findings, p.checkCAA(ctx, domain, issuers)...)
		}
	}
	return findings, ctx.Err()
}

// misdelegated compares the name servers found with those that Alibaba
// assigned. Configured ones have no names to compare.
func misdelegated(zone aliyun.Domain, found delegation) []Finding {
	var findings []Finding
	if found.note != "" {
		findings = append(findings, Finding{Text: found.note, Hint: "make the NS records of the zone those of the registrar"})
	}
	var assigned, foreign []string
	for _, server := range zone.DNSServers {
		assigned = append(assigned, canonical(server))
	}
	for _, server := range found.servers {
		if server.name != "" && !slices.Contains(assigned, server.name) {
			foreign = union(foreign, []string{server.name})
		}
	}
	if len(assigned) > 0 && len(foreign) > 0 {
		findings = append(findings, Finding{
			Blocks: true,
			Text:   fmt.Sprintf("%s is served by %s too, which AliDNS does not write to", hostedName(zone), strings.Join(foreign, ", ")),
			Hint:   "delegate the zone at its registrar to " + strings.Join(assigned, ", "),
		})
	}
	return findings
}

// read asks each name server one question, for name or else for the apex.
func (p *Prover) read(ctx context.Context, from delegation, zone, name string) []Finding {
	if name == "" {
		name = zone
	}
	verdict := Verdict{Servers: p.askAll(ctx, from.servers, name, "")}
	if target := verdict.alias(); target != "" && p.settings.DelegateZone(target) == "" {
		alias := &CNAMEError{Name: name, Target: target}
		return []Finding{{Blocks: true, Text: alias.Error(), Hint: alias.OperatorHint()}}
	}
	var findings []Finding
	readable := false
	for _, server := range verdict.Servers {
		switch {
		case server.State != NotYet && server.State != Visible && server.State != Alias:
			findings = append(findings, Finding{Text: server.String(), Hint: "see to that name server, or set quorum in [dns]"})
			continue
		case server.Duration > slow:
			findings = append(findings, Finding{Text: fmt.Sprintf("%s answers after %s", server.Address, server.Duration.Round(time.Millisecond))})
		}
		readable = true
	}
	if !readable {
		findings = append(findings, Finding{
			Blocks: true, Text: "no name server of " + zone + " answers with authority",
			Hint: "check the delegation, and that this host may send DNS queries",
		})
	}
	return findings
}

// checkDNSSEC needs a resolver that validates; any other one finds nothing.
func (p *Prover) checkDNSSEC(ctx context.Context, zone string) []Finding {
	resolvers, err := p.resolvers()
	if err != nil {
		return nil
	}
	for _, resolver := range resolvers {
		address := withPort(resolver)
		answer, err := p.ask(ctx, address, question(zone, dns.TypeSOA, true))
		if err != nil {
			continue
		}
		if answer.Rcode == dns.RcodeServerFailure && p.bogus(ctx, address, zone, dns.TypeSOA) {
			return []Finding{{
				Blocks: true, Text: fmt.Sprintf("DNSSEC of %s is bogus, says resolver %s", zone, address),
				Hint: "repair the DS record at the registrar, or remove it",
			}}
		}
		return nil
	}
	return nil
}

// checkCAA climbs from the domain to the closest CAA records (RFC 8659). A top
// level domain is not asked: none has such records.
func (p *Prover) checkCAA(ctx context.Context, domain string, issuers []string) []Finding {
	for name := base(domain); strings.Contains(name, "."); _, name, _ = strings.Cut(name, ".") {
		answer, err := p.resolve(ctx, name, dns.TypeCAA)
		if err != nil {
			return []Finding{{Text: fmt.Sprintf("look up CAA of %s: %v", name, err), Hint: "a CA that cannot look it up refuses"}}
		}
		allowed, found := allowedBy(answer, strings.HasPrefix(domain, "*."))
		if !found {
			continue
		}
		if allowed == nil || slices.ContainsFunc(issuers, func(ca string) bool { return slices.Contains(allowed, canonical(ca)) }) {
			return nil
		}
		return []Finding{{
			Blocks: true, Text: fmt.Sprintf("CAA of %s does not let %s issue for %s", name, strings.Join(issuers, " or "), domain),
			Hint: fmt.Sprintf("add a CAA record such as 0 issue %q at %s", issuers[0], name),
		}}
	}
	return nil
}

// allowedBy reads the CAs that CAA records allow; nil means any. Without
// issuewild records, issue counts for a wildcard too. found is false without
// CAA records.
func allowedBy(answer *dns.Msg, wildcard bool) (allowed []string, found bool) {
	byTag := make(map[string][]string)
	for _, rr := range answer.Answer {
		if caa, ok := rr.(*dns.CAA); ok {
			ca, _, _ := strings.Cut(caa.Value, ";")
			tag := strings.ToLower(caa.Tag)
			byTag[tag] = append(byTag[tag], canonical(strings.TrimSpace(ca)))
		}
	}
	if wild := byTag["issuewild"]; wildcard && wild != nil {
		return wild, true
	}
	return byTag["issue"], len(byTag) > 0
}
