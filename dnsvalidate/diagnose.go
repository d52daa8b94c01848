package dnsvalidate

import (
	"context"
	"fmt"
	"slices"

	"github.com/miekg/dns"
)

// markIntercepted marks the servers when something on the path answers in their
// place: then everything that answers behaves like a resolver. A single server
// that does not, now or earlier (pathClear), proves that the path is clear and
// that the others are what they seem. Without that proof, a zone delegated to
// open resolvers cannot be told from interception: both resolve the root.
func (p *Prover) markIntercepted(ctx context.Context, servers []ServerVerdict, pathClear bool) {
	if pathClear {
		return
	}
	var suspects []*ServerVerdict
	for i := range servers {
		switch server := &servers[i]; {
		case server.State == stateRefused, server.recursive && server.State != stateFailed:
			suspects = append(suspects, server)
		case server.State == stateVisible, server.State == stateNotYet, server.State == stateAlias, server.State == stateLame, server.State == stateDelegated:
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

// answersForAll reports whether the suspect is something other than the name
// server of a zone: it resolves without authority, or it refused but resolves the
// root, or it falsely claims authority for the root.
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

// markStale compares the serials of servers that answer from one zone. One with
// an older serial than another lags behind, whether or not the other shows the
// record yet.
func markStale(holders []*ServerVerdict) {
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

// holders returns the servers that answer from zone, and finds out their serials.
// The detail of a server that answers from another zone, such as a subzone that
// no other server has, says so.
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
