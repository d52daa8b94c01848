package dnsvalidate

import (
	"context"

	"github.com/miekg/dns"
)

func (p *Prover) askResolvers(ctx context.Context, q Question) []ServerVerdict {
	verdicts := make([]ServerVerdict, len(p.settings.PublicResolvers))
	inParallel(len(verdicts), func(i int) {
		address := withPort(p.settings.PublicResolvers[i])
		verdicts[i] = p.askResolver(ctx, address, q)
		verdicts[i].Address = address
	})
	return verdicts
}

func (p *Prover) askResolver(ctx context.Context, address string, q Question) ServerVerdict {
	answer, took, err := p.traffic.ask(ctx, address, q.query(true))
	verdict := inWords(err)
	switch {
	case err != nil:
	case answer.Rcode == dns.RcodeServerFailure && p.bogus(ctx, address, q.query(true)):
		verdict = ServerVerdict{State: stateBogus}
	default:
		verdict = judgeResolver(answer, q)
	}
	verdict.Duration = took
	return verdict
}

// bogus tells broken DNSSEC from any other failure: with checking disabled, a
// validating resolver answers the query that it otherwise answers with SERVFAIL.
func (p *Prover) bogus(ctx context.Context, address string, query *dns.Msg) bool {
	query.CheckingDisabled = true
	unchecked, err := p.ask(ctx, address, query)
	return err == nil && existenceKnown(unchecked)
}

// object says that the public resolvers, and so perhaps the CA's, cannot use what
// the name servers show: one of them finds its DNSSEC bogus, or all that answer
// fail. Old caches and silence hold up nothing, and neither does one broken
// resolver beside one that works.
func object(resolvers []ServerVerdict) bool {
	failed, works := false, false
	for _, resolver := range resolvers {
		switch resolver.State {
		case stateBogus:
			return true
		case stateFailed:
			failed = true
		case stateVisible, stateCached, stateAlias:
			works = true
		}
	}
	return failed && !works
}
