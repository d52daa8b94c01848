package dnsvalidate

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// caaSet is the CAA records that count at one name, or why they are not known.
type caaSet struct {
	records []*dns.CAA
	at      string // where they stand: the name, or where a CNAME at it leads
	failure string
}

// understood are the tags that every CA knows (RFC 8659, RFC 9495 and the
// Baseline Requirements); a critical one beside them forbids issuance.
var understood = []string{"issue", "issuewild", "iodef", "issuemail", "contactemail", "contactphone"}

// CAs are names that CAs have in CAA records.
type CAs struct {
	Ours   []string // each of which lets one of ours issue
	Others []string // of CAs that are surely none of ours
}

// CAA finds the domains for which none of our CAs may issue.
func (f *Preflight) CAA(ctx context.Context, domains []string, cas CAs) []Finding {
	each := make([]Finding, len(domains))
	inParallel(len(domains), func(i int) { each[i] = f.checkCAAOf(ctx, domains[i], cas) })
	var findings []Finding
	for _, finding := range each {
		if finding.Text != "" && !slices.Contains(findings, finding) {
			findings = append(findings, finding)
		}
	}
	return findings
}

// checkCAAOf climbs from the domain to the closest CAA records (RFC 8659).
func (f *Preflight) checkCAAOf(ctx context.Context, domain string, cas CAs) Finding {
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
			return f.located(ctx, set, set.judge(name, domain, cas))
		}
	}
	return Finding{}
}

// located adds to the advice which zone the records are in.
func (f *Preflight) located(ctx context.Context, set caaSet, finding Finding) Finding {
	if finding.Text == "" {
		return finding
	}
	if zone := f.prover.cut(ctx, set.at); zone != "" && zone != set.at {
		finding.Hint += ", in the zone " + zone
	}
	return finding
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
			set.records, set.at = append(set.records, caa), canonical(caa.Hdr.Name)
		}
	}
	return set, nil
}

// judge finds nothing when one of our CAs may issue for domain. It blocks where
// none surely may: a name that is unknown here may be one that ours honour.
func (s caaSet) judge(name, domain string, cas CAs) Finding {
	property, allowed, critical := s.read(strings.HasPrefix(domain, "*."))
	records := "CAA of " + s.at
	if s.at != name {
		records += ", where a CNAME at " + name + " leads,"
	}
	if critical != "" {
		return Finding{
			Blocks: true, Text: fmt.Sprintf("%s has the critical tag %q, with which no CA issues for %s", records, critical, domain),
			Hint: "remove that CAA record, or its critical flag, at " + s.at,
		}
	}
	if property == "" || slices.ContainsFunc(cas.Ours, func(ca string) bool { return slices.Contains(allowed, canonical(ca)) }) {
		return Finding{}
	}
	advice := fmt.Sprintf("add a CAA record such as 0 %s %q at %s", property, cas.Ours[0], s.at)
	unknown := slices.DeleteFunc(allowed, func(ca string) bool { return ca == "" || slices.Contains(cas.Others, ca) })
	if len(unknown) > 0 {
		names := strings.Join(unknown, ", ")
		return Finding{
			Text: fmt.Sprintf("%s lets %s issue for %s, which may be none of the CAs that Alibaba sells", records, names, domain),
			Hint: "list " + names + " under caa_issuers in [dns] if the CA honours it, or " + advice,
		}
	}
	return Finding{Blocks: true, Text: fmt.Sprintf("%s does not let %s issue for %s", records, cas.Ours[0], domain), Hint: advice}
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
