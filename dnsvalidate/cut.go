package dnsvalidate

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/miekg/dns"
)

// Alias returns where the CNAME at name leads, by the word of every name server
// of its zone that has one, and "" when none stands there or they do not
// agree. An error means that there was nobody to ask.
func (p *Prover) Alias(ctx context.Context, name string) (target string, err error) {
	name = canonical(name)
	delegation, err := p.delegation(ctx, p.zoneOf(ctx, name, above(name)))
	if err != nil {
		return "", fmt.Errorf("look for a CNAME at %s: %w", name, err)
	}
	return Verdict{Servers: p.askAll(ctx, delegation.servers, Question{Name: name}.normal())}.alias(), ctx.Err()
}

// zoneOf is the zone whose name servers are to be asked for name. Configured
// ones are asked whatever the zone.
func (p *Prover) zoneOf(ctx context.Context, name, otherwise string) string {
	if len(p.settings.NameServers) > 0 {
		return otherwise
	}
	return cmp.Or(p.cut(ctx, name), otherwise)
}

// cut asks the resolvers which zone a name lies in; "" is that they do not know.
func (p *Prover) cut(ctx context.Context, name string) string {
	for at := name; strings.Contains(at, "."); at = above(at) {
		answer, err := p.resolve(ctx, at, dns.TypeSOA)
		if err != nil {
			return ""
		}
		if owner := soaOwner(answer); within(name, owner) { // not so where a CNAME leads away
			return owner
		}
	}
	return ""
}

func above(name string) string {
	_, parent, _ := strings.Cut(name, ".")
	return parent
}
