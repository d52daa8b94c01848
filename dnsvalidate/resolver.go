package dnsvalidate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// resolve asks the resolvers in their order until one knows.
func (p *Prover) resolve(ctx context.Context, name string, qtype uint16) (*dns.Msg, error) {
	answer, _, err := p.consult(ctx, name, qtype)
	return answer, err
}

// consult is resolve; by is such as "resolver 192.0.2.53:53", who answered. That
// the name does not exist is believed when no other resolver knows it better.
func (p *Prover) consult(ctx context.Context, name string, qtype uint16) (answer *dns.Msg, by string, err error) {
	resolvers, err := p.resolvers()
	if err != nil {
		return nil, "", err
	}
	var reasons []string
	for _, resolver := range p.audible(resolvers) {
		address := withPort(resolver)
		said, err := p.hear(ctx, address, question(name, qtype, true))
		switch {
		case err != nil:
			reasons = append(reasons, fmt.Sprintf("resolver %s: %v", address, err))
		case said.Rcode == dns.RcodeSuccess:
			return said, "resolver " + address, nil
		case said.Rcode == dns.RcodeNameError && answer == nil:
			answer, by = said, "resolver "+address
		case said.Rcode != dns.RcodeNameError:
			reasons = append(reasons, fmt.Sprintf("resolver %s: %s", address, code(said)))
		}
	}
	switch {
	case ctx.Err() != nil:
		return nil, "", ctx.Err()
	case answer != nil:
		return answer, by, nil
	case reasons == nil:
		return nil, "", errors.New("no resolver is configured")
	}
	return nil, "", fmt.Errorf("%w: %s", errNoWord, strings.Join(reasons, ", "))
}

// errNoWord says that the resolvers are silent or fail, and so say nothing of
// what they were asked for.
var errNoWord = errors.New("no resolver answers")

// hear asks a resolver, and remembers for a minute when it keeps silent.
func (p *Prover) hear(ctx context.Context, address string, query *dns.Msg) (*dns.Msg, error) {
	answer, err := p.askOnce(ctx, address, query)
	if ctx.Err() == nil {
		p.deaf.keep(address, err != nil && inWords(err).State == Silent)
	}
	return answer, err
}

func (p *Prover) isDeaf(address string) bool {
	deaf, _ := p.deaf.known(address)
	return deaf
}

// audible leaves out the resolvers that kept silent lately, unless all did.
func (p *Prover) audible(resolvers []string) []string {
	audible := slices.DeleteFunc(slices.Clone(resolvers), func(resolver string) bool {
		return p.isDeaf(withPort(resolver))
	})
	if len(audible) == 0 {
		return resolvers
	}
	return audible
}

func (p *Prover) resolvers() ([]string, error) {
	if len(p.settings.Resolvers) > 0 {
		return p.settings.Resolvers, nil
	}
	system, err := dns.ClientConfigFromFile("/etc/resolv.conf")
	if err != nil {
		return nil, fmt.Errorf("read the system's resolvers: %w", err)
	}
	return system.Servers, nil
}

// addresses returns the IPv4 and then the IPv6 addresses of a host, and the
// resolver that told them.
func (p *Prover) addresses(ctx context.Context, host string) (found []string, by string) {
	kinds := []uint16{dns.TypeA, dns.TypeAAAA}
	told, tellers := make([][]string, len(kinds)), make([]string, len(kinds))
	inParallel(len(kinds), func(i int) {
		answer, resolver, err := p.consult(ctx, host, kinds[i])
		if err == nil {
			told[i], tellers[i] = addressesIn(answer.Answer), resolver
		}
	})
	for i, addresses := range told {
		if len(addresses) > 0 && by == "" {
			by = tellers[i]
		}
	}
	return slices.Concat(told...), by
}

func addressesIn(records []dns.RR) []string {
	var addresses []string
	for _, rr := range records {
		switch rr := rr.(type) {
		case *dns.A:
			addresses = append(addresses, rr.A.String())
		case *dns.AAAA:
			addresses = append(addresses, rr.AAAA.String())
		}
	}
	return addresses
}
