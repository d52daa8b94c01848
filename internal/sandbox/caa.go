package sandbox

import (
	"context"
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// issuers are the CAA values that allow this CA: its own, and the common ones of
// the CA behind Alibaba's DV certificates.
var issuers = []string{
	home, "digicert.com", "www.digicert.com", "digicert.ne.jp", "cybertrust.ne.jp", "geotrust.com", "rapidssl.com", "symantec.com", "thawte.com",
}

// forbidden tells whether the CAA records of a domain name other issuers alone.
func (v *validator) forbidden(ctx context.Context, domain string) bool {
	name, isWildcard := strings.CutPrefix(domain, "*.")
	for _, label := range dns.Split(name) {
		if set := v.caa(ctx, name[label:]); len(set) > 0 {
			return !allows(set, isWildcard)
		}
	}
	return false
}

func (v *validator) caa(ctx context.Context, name string) (set []*dns.CAA) {
	m, err := v.query(ctx, v.servers[0], name, dns.TypeCAA)
	if err != nil {
		return nil
	}
	for _, rr := range m.Answer {
		if caa, ok := rr.(*dns.CAA); ok {
			set = append(set, caa)
		}
	}
	return set
}

// allows follows RFC 8659: issuewild, where there is any, decides for a wildcard.
func allows(set []*dns.CAA, isWildcard bool) bool {
	has := func(tag string) bool {
		return slices.ContainsFunc(set, func(c *dns.CAA) bool { return strings.EqualFold(c.Tag, tag) })
	}
	tag := "issue"
	if isWildcard && has("issuewild") {
		tag = "issuewild"
	}
	return !has(tag) || slices.ContainsFunc(set, func(c *dns.CAA) bool {
		value, _, _ := strings.Cut(c.Value, ";")
		return strings.EqualFold(c.Tag, tag) && slices.Contains(issuers, strings.ToLower(strings.TrimSpace(value)))
	})
}
