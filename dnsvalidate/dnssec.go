package dnsvalidate

import (
	"context"
	"fmt"
	"slices"

	"github.com/miekg/dns"
)

// checkDNSSEC asks until a resolver has validated. Those that do not validate
// find nothing; a failure counts when it comes twice, and only with checking.
func (p *Prover) checkDNSSEC(ctx context.Context, zone string) []Finding {
	resolvers, err := p.resolvers()
	if err != nil {
		return nil
	}
	for _, resolver := range p.audible(slices.Concat(resolvers, p.settings.PublicResolvers)) {
		address := withPort(resolver)
		sound, fails := p.validates(ctx, address, zone)
		if sound {
			return nil
		}
		if !fails || !p.bogus(ctx, address, zone, dns.TypeSOA) {
			continue
		}
		if _, again := p.validates(ctx, address, zone); again {
			return []Finding{{
				Blocks: true, Text: fmt.Sprintf("DNSSEC of %s is bogus, says resolver %s", zone, address),
				Hint: "repair the DS record at the registrar, or remove it",
			}}
		}
	}
	return nil
}

// validates asks for the SOA of zone, and whether it was validated.
func (p *Prover) validates(ctx context.Context, resolver, zone string) (sound, fails bool) {
	query := question(zone, dns.TypeSOA, true)
	query.AuthenticatedData = true // asks for the flag in the answer
	answer, err := p.hear(ctx, resolver, query)
	if err != nil {
		return false, false
	}
	return answer.AuthenticatedData && existenceKnown(answer), answer.Rcode == dns.RcodeServerFailure
}
