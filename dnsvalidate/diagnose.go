package dnsvalidate

import (
	"context"
	"fmt"
	"slices"

	"github.com/miekg/dns"
)

// markIntercepted finds that something on the way answers in the servers'
// place: all that answer do so as a resolver would. One that does not proves
// the way to be free, and the others are what they seem; so does one that was
// heard before (wayFree). Without that, open resolvers to which a zone is
// delegated cannot be told from one on the way: both resolve the root as well.
func (p *Prover) markIntercepted(ctx context.Context, servers []ServerVerdict, wayFree bool) {
	if wayFree {
		return
	}
	var suspects []*ServerVerdict
	for i := range servers {
		switch server := &servers[i]; {
		case server.State == stateRefused, server.recursive && server.State != stateFailed:
			suspects = append(suspects, server)
		case server.State == stateVisible, server.State == stateNotYet, server.State == stateAlias, server.State == stateLame:
			return
		}
	}
	proven := make([]bool, len(suspects))
	inParallel(len(suspects), func(i int) { proven[i] = p.answersForAll(ctx, *suspects[i]) })
	if slices.Contains(proven, false) {
		return
	}
	for _, server := range suspects {
		server.State, server.Detail = stateIntercepted, ""
	}
}

// answersForAll says that at a suspect's address answers what is no name server
// of one zone: it resolves without authority, or it resolves the root although
// it refused, or with authority, as who lies about that does.
func (p *Prover) answersForAll(ctx context.Context, suspect ServerVerdict) bool {
	if suspect.State == stateLame {
		return true
	}
	root, err := p.askOnce(ctx, suspect.Address, newQuery(".", dns.TypeSOA, true))
	if err != nil || !slices.ContainsFunc(root.Answer, func(rr dns.RR) bool {
		return rr.Header().Rrtype == dns.TypeSOA && rr.Header().Name == "."
	}) {
		return false
	}
	return suspect.State == stateRefused || root.Authoritative
}

// markStale compares the serials of those that answer with authority. Who has
// an older one than another lags behind, whether or not the other one shows
// the record yet.
func (p *Prover) markStale(ctx context.Context, zone string, servers []ServerVerdict) {
	markLagging(p.holders(ctx, zone, servers))
}

// markLagging compares the serials of servers that answer from one zone.
func markLagging(holders []*ServerVerdict) {
	var newest uint32
	for _, server := range holders {
		if newest == 0 || older(newest, server.soa.serial) {
			newest = server.soa.serial
		}
	}
	for _, server := range holders {
		if server.State == stateNotYet && older(server.soa.serial, newest) {
			server.State, server.Detail = stateStale, fmt.Sprintf("serial %d, others have %d", server.soa.serial, newest)
		}
	}
}

// holders returns the servers that answer from zone, once their serials are
// known. One that does not show the record and answers from another zone, such
// as a subzone that it alone has, is said to do so.
func (p *Prover) holders(ctx context.Context, zone string, servers []ServerVerdict) []*ServerVerdict {
	var holders []*ServerVerdict
	for i := range servers {
		switch server := &servers[i]; {
		case server.State != stateVisible && server.State != stateNotYet:
		case server.soa.zone != "" && server.soa.zone != zone:
			server.Detail = "answers from the zone " + server.soa.zone
		default:
			holders = append(holders, server)
		}
	}
	if len(holders) < 2 {
		return nil // there is nothing to compare
	}
	inParallel(len(holders), func(i int) {
		if server := holders[i]; server.soa.zone == "" {
			server.soa = p.soa(ctx, server.Address, zone)
		}
	})
	return slices.DeleteFunc(holders, func(server *ServerVerdict) bool { return server.soa.zone != zone })
}

func (p *Prover) soa(ctx context.Context, address, zone string) soa {
	answer, err := p.askOnce(ctx, address, newQuery(zone, dns.TypeSOA, false))
	if err != nil {
		return soa{}
	}
	return soaIn(answer)
}

// older compares serials as RFC 1982 does; an unknown one is never older.
func older(a, b uint32) bool { return a != 0 && b != 0 && int32(b-a) > 0 }
