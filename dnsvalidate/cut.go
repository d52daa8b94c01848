package dnsvalidate

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/miekg/dns"
)

// Alias returns the target of the CNAME at name on which the name servers of its
// zone agree, or "" where there is none. An error means that there was nobody to
// ask.
func (p *Prover) Alias(ctx context.Context, name string) (target string, err error) {
	name = canonical(name)
	delegation, err := p.delegation(ctx, p.zoneOf(ctx, name, above(name)))
	if err != nil {
		return "", fmt.Errorf("look for a CNAME at %s: %w", name, err)
	}
	return Verdict{Servers: p.askAll(ctx, delegation.servers, Question{Name: name}.normal())}.alias(), ctx.Err()
}

// zoneOf returns the zone whose name servers are to be asked for name. Configured
// ones are asked whatever the zone is, which then need not be found out.
func (p *Prover) zoneOf(ctx context.Context, name, otherwise string) string {
	if len(p.settings.NameServers) > 0 {
		return otherwise
	}
	return cmp.Or(p.cut(ctx, name), otherwise)
}

// cut asks the resolvers which zone a name lies in, and returns "" when they do
// not know.
func (p *Prover) cut(ctx context.Context, name string) string {
	for at := name; strings.Contains(at, "."); at = above(at) {
		answer, err := p.resolve(ctx, at, dns.TypeSOA)
		if err != nil {
			return ""
		}
		if owner := soaIn(answer).zone; within(name, owner) { // not so where a CNAME leads away
			return owner
		}
	}
	return ""
}

func above(name string) string {
	_, parent, _ := strings.Cut(name, ".")
	return parent
}
