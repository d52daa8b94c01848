package dnsvalidate

import (
	"context"
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// checkAlias looks for a CNAME at name that the agent may not follow. One that
// a wildcard makes is no obstacle: the validation record takes its place.
func (f *Preflight) checkAlias(ctx context.Context, name string, seen survey) []Finding {
	target, err := f.aliases.recall(ctx, name, func() (string, error) { return f.prover.aliasAt(ctx, name, seen) })
	if err != nil || target == "" || f.prover.settings.DelegateZone(target) != "" {
		return nil
	}
	alias := &CNAMEError{Name: name, Target: target}
	return []Finding{{Blocks: true, Text: alias.Error(), Hint: alias.OperatorHint()}}
}

// aliasAt returns the target of the CNAME that stands at name, or "". A name
// that the survey did not ask for is asked of one server.
func (p *Prover) aliasAt(ctx context.Context, name string, seen survey) (target string, err error) {
	servers := seen.servers
	if name != seen.name {
		servers = nil
		for _, server := range seen.servers {
			if readable(server) {
				servers = []ServerVerdict{p.askServer(ctx, nameServer{server.Name, server.Address}, Question{Name: name}.normal())}
				break
			}
		}
	}
	for _, server := range servers {
		if server.State == stateAlias && !p.wildcard(ctx, name, server.Detail) {
			return server.Detail, ctx.Err()
		}
	}
	return "", ctx.Err()
}

// wildcard says that a name beside this one, which nobody has made, is a CNAME
// to the same target.
func (p *Prover) wildcard(ctx context.Context, name, target string) bool {
	_, above, _ := strings.Cut(name, ".")
	answer, err := p.resolve(ctx, "_dvagent-wildcard."+above, dns.TypeCNAME)
	return err == nil && slices.ContainsFunc(answer.Answer, func(rr dns.RR) bool {
		alias, ok := rr.(*dns.CNAME)
		return ok && canonical(alias.Target) == target
	})
}
