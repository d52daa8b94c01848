package dnsvalidate

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// caaSet is the CAA records at one name, or why they are not known.
type caaSet struct {
	records []*dns.CAA
	failure string
}

// understood are the tags that every CA knows (RFC 8659, RFC 9495 and the
// Baseline Requirements); a critical one beside them forbids issuance.
var understood = []string{"issue", "issuewild", "iodef", "issuemail", "contactemail", "contactphone"}

// checkCAA finds the domains for which none of issuers may issue.
func (f *Preflight) checkCAA(ctx context.Context, domains, issuers []string) []Finding {
	each := make([]Finding, len(domains))
	inParallel(len(domains), func(i int) { each[i] = f.checkCAAOf(ctx, domains[i], issuers) })
	var findings []Finding
	for _, finding := range each {
		if finding.Text != "" && !slices.Contains(findings, finding) {
			findings = append(findings, finding)
		}
	}
	return findings
}

// checkCAAOf climbs from the domain to the closest CAA records (RFC 8659).
func (f *Preflight) checkCAAOf(ctx context.Context, domain string, issuers []string) Finding {
	for name := base(domain); name != ""; _, name, _ = strings.Cut(name, ".") {
		set, err := f.caa.recall(ctx, name, func() (caaSet, error) { return f.prover.caaAt(ctx, name) })
		switch {
		case err != nil:
			return Finding{} // ctx ended
		case set.failure != "" && !strings.Contains(name, "."):
			return Finding{} // a private resolver need not know the top level
		case set.failure != "":
			return Finding{Text: fmt.Sprintf("look up CAA of %s: %s", name, set.failure), Hint: "a CA that cannot look it up refuses: see why the resolver cannot"}
		case len(set.records) > 0:
			return set.judge(name, domain, issuers)
		}
	}
	return Finding{}
}

// caaAt asks for the CAA records at name. Where a CNAME stands there, the
// resolver adds those of its target, which count in their place.
func (p *Prover) caaAt(ctx context.Context, name string) (caaSet, error) {
	answer, err := p.resolve(ctx, name, dns.TypeCAA)
	if err != nil {
		return caaSet{failure: err.Error()}, ctx.Err()
	}
	var set caaSet
	for _, rr := range answer.Answer {
		if caa, ok := rr.(*dns.CAA); ok {
			set.records = append(set.records, caa)
		}
	}
	return set, nil
}

// judge finds nothing when one of issuers may issue for domain.
func (s caaSet) judge(at, domain string, issuers []string) Finding {
	property, allowed, critical := s.read(strings.HasPrefix(domain, "*."))
	switch {
	case critical != "":
		return Finding{
			Blocks: true, Text: fmt.Sprintf("CAA of %s has the critical tag %q, with which no CA issues for %s", at, critical, domain),
			Hint: "remove that CAA record, or its critical flag, at " + at,
		}
	case property == "", slices.ContainsFunc(issuers, func(ca string) bool { return slices.Contains(allowed, canonical(ca)) }):
		return Finding{}
	}
	return Finding{
		Blocks: true, Text: fmt.Sprintf("CAA of %s does not let %s issue for %s", at, strings.Join(issuers, " or "), domain),
		Hint: fmt.Sprintf("add a CAA record such as 0 %s %q at %s", property, issuers[0], at),
	}
}

// read returns the property that counts ("" when none does: any CA may issue),
// the CAs that it names, without their parameters, and a critical tag that is
// not understood, or "". Without issuewild, issue counts for a wildcard too.
func (s caaSet) read(wildcard bool) (property string, allowed []string, critical string) {
	byTag := make(map[string][]string)
	for _, caa := range s.records {
		tag := strings.ToLower(caa.Tag)
		if caa.Flag&128 != 0 && !slices.Contains(understood, tag) {
			return "", nil, tag
		}
		ca, _, _ := strings.Cut(caa.Value, ";")
		byTag[tag] = append(byTag[tag], canonical(strings.TrimSpace(ca)))
	}
	for _, property := range []string{"issuewild", "issue"} {
		if byTag[property] != nil && (wildcard || property == "issue") {
			return property, byTag[property], ""
		}
	}
	return "", nil, ""
}
