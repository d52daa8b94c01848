package dnsvalidate

import (
	"context"
	"slices"

	"github.com/miekg/dns"
)

// checkAlias finds a CNAME at name that may not be followed. One that comes from
// a wildcard is no obstacle: the validation record takes precedence over it.
func (f *Preflight) checkAlias(ctx context.Context, name string, servers []ServerVerdict) []Finding {
	target := f.prover.aliasAt(ctx, name, servers)
	if target == "" || f.prover.settings.DelegateZone(target) != "" {
		return nil
	}
	alias := &CNAMEError{Name: name, Target: target}
	return []Finding{{Blocks: true, Text: alias.Error(), Hint: alias.OperatorHint()}}
}

// aliasAt returns the target of the CNAME that stands at name, or "".
func (p *Prover) aliasAt(ctx context.Context, name string, servers []ServerVerdict) (target string) {
	for _, server := range servers {
		if server.State == stateAlias && !p.wildcard(ctx, name, server.Detail) {
			return server.Detail
		}
	}
	return ""
}

// wildcard reports whether the CNAME at name comes from a wildcard: a name beside
// it that nobody created leads to the same target.
func (p *Prover) wildcard(ctx context.Context, name, target string) bool {
	answer, err := p.resolve(ctx, "_dvagent-wildcard."+above(name), dns.TypeCNAME)
	return err == nil && slices.ContainsFunc(answer.Answer, func(rr dns.RR) bool {
		alias, ok := rr.(*dns.CNAME)
		return ok && canonical(alias.Target) == target
	})
}
