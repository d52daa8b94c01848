package dnsvalidate

import (
	"context"
	"fmt"
	"slices"

	"github.com/miekg/dns"
)

// checkDNSSEC asks one resolver after another until one has validated the zone: it
// is sound if one finds it so. A resolver that does not validate, or is known to
// be silent, finds nothing. One that finds even the root bogus is broken itself,
// as with an old trust anchor, and blocks nothing.
func (p *Prover) checkDNSSEC(ctx context.Context, zone string) []Finding {
	resolvers, err := p.resolvers()
	if err != nil {
		return nil
	}
	var found []Finding
	for _, resolver := range slices.Concat(resolvers, p.settings.PublicResolvers) {
		address := withPort(resolver)
		sound, fails := false, false
		if !p.isDeaf(address) {
			sound, fails = p.validates(ctx, address, zone)
		}
		switch {
		case sound:
			return nil
		case !fails || !p.staysBogus(ctx, address, zone):
		case p.staysBogus(ctx, address, "."):
			found = append(found, Finding{
				Text: fmt.Sprintf("resolver %s finds DNSSEC of the root bogus, and so of every zone", address),
				Hint: "mend that resolver: see to its trust anchor and its clock",
			})
		default:
			found = append(found, Finding{
				Blocks: true, Text: fmt.Sprintf("DNSSEC of %s is bogus, says resolver %s", zone, address),
				Hint: "repair the DS record at the registrar, or remove it; where the signatures of the zone have ended, have it signed anew",
			})
		}
	}
	return found
}

// staysBogus says that the resolver fails on name only because it validates, and
// that it does so again when it is asked once more.
func (p *Prover) staysBogus(ctx context.Context, resolver, name string) bool {
	if !p.bogus(ctx, resolver, newQuery(name, dns.TypeSOA, true)) {
		return false
	}
	_, again := p.validates(ctx, resolver, name)
	return again
}

// validates asks for the SOA of zone, and whether it was validated.
func (p *Prover) validates(ctx context.Context, resolver, zone string) (sound, fails bool) {
	query := newQuery(zone, dns.TypeSOA, true)
	query.AuthenticatedData = true // asks for the flag in the answer
	answer, err := p.hear(ctx, resolver, query)
	if err != nil {
		return false, false
	}
	return answer.AuthenticatedData && existenceKnown(answer), answer.Rcode == dns.RcodeServerFailure
}
