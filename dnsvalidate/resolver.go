package dnsvalidate

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// resolve asks the resolvers in order until one knows.
func (p *Prover) resolve(ctx context.Context, name string, qtype uint16) (*dns.Msg, error) {
	answer, _, err := p.consult(ctx, name, qtype)
	return answer, err
}

// consult is resolve, and says who answered, such as "resolver 192.0.2.53:53". That
// the name does not exist is believed only if no other resolver knows the name;
// that it has no name servers, not at all.
// When all resolvers are silent, none is asked again for a while.
func (p *Prover) consult(ctx context.Context, name string, qtype uint16) (answer *dns.Msg, by string, err error) {
	resolvers, err := p.resolvers()
	if err != nil {
		return nil, "", err
	}
	if silence, ok := p.mute.known(""); ok {
		return nil, "", silence
	}
	var reasons []string
	silent := 0
	for said := range p.inTurn(ctx, p.audible(resolvers), name, qtype) {
		switch {
		case said.err != nil:
			reasons = append(reasons, said.by+": "+said.err.Error())
			if inWords(said.err).State == stateSilent {
				silent++
			}
		case withheld(said.answer, name, qtype):
			reasons = append(reasons, said.by+": NODATA")
		case said.answer.Rcode == dns.RcodeSuccess:
			return said.answer, said.by, nil
		case said.answer.Rcode != dns.RcodeNameError:
			reasons = append(reasons, said.by+": "+code(said.answer))
		case answer == nil:
			answer, by = said.answer, said.by
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
	slices.Sort(reasons) // they come in any order
	err = fmt.Errorf("%w: %s", errNoWord, strings.Join(reasons, ", "))
	if silent == len(reasons) {
		p.mute.keep("", err)
	}
	return nil, "", err
}

// withheld says that the resolver answers a question for name servers without
// one, as forwarders do that know addresses alone. Every zone has some, so it
// does not tell, rather than say that there are none.
func withheld(answer *dns.Msg, name string, qtype uint16) bool {
	return answer.Rcode == dns.RcodeSuccess && qtype == dns.TypeNS && len(nsIn(answer, canonical(name)).names) == 0
}

// response is what came of a question to a resolver.
type response struct {
	by     string
	answer *dns.Msg
	err    error
}

// inTurn asks the resolvers one after another: the next one as soon as one fails,
// denies that the name exists, or has not answered for half a second. Such a slow
// one counts as silent until its answer comes. Nobody waits for that once another
// answer is taken.
func (p *Prover) inTurn(ctx context.Context, resolvers []string, name string, qtype uint16) iter.Seq[response] {
	return func(yield func(response) bool) {
		answers := make(chan response, len(resolvers))
		begun, ended := 0, 0
		for ended < len(resolvers) {
			if begun < len(resolvers) {
				address := withPort(resolvers[begun])
				go func() {
					answer, err := p.hear(ctx, address, newQuery(name, qtype, true))
					answers <- response{"resolver " + address, answer, err}
				}()
				begun++
			}
			var late <-chan time.Time
			if begun < len(resolvers) {
				late = time.After(patience)
			}
			select {
			case answer := <-answers:
				if ended++; !yield(answer) {
					return
				}
			case <-late:
				p.deaf.keep(withPort(resolvers[begun-1]), true)
			}
		}
	}
}

// errNoWord says that the resolvers are silent or fail, which tells nothing about
// what they were asked for.
var errNoWord = errors.New("no resolver answers")

// hear asks a resolver, and remembers for a minute that it was silent.
func (p *Prover) hear(ctx context.Context, address string, query *dns.Msg) (*dns.Msg, error) {
	answer, err := p.askOnce(ctx, address, query)
	if ctx.Err() == nil {
		p.deaf.keep(address, err != nil && inWords(err).State == stateSilent)
	}
	return answer, err
}

func (p *Prover) isDeaf(address string) bool {
	deaf, _ := p.deaf.known(address)
	return deaf
}

// audible leaves out the resolvers that were silent lately, unless all were.
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
	responses := make([]response, len(kinds))
	inParallel(len(kinds), func(i int) {
		answer, by, err := p.consult(ctx, host, kinds[i])
		responses[i] = response{by, answer, err}
	})
	for _, told := range responses {
		if told.err != nil {
			continue
		}
		addresses := addressesIn(told.answer.Answer)
		if found = append(found, addresses...); by == "" && len(addresses) > 0 {
			by = told.by
		}
	}
	return found, by
}

// Addresses returns the IPv4 and IPv6 addresses of a host as DNS tells them, for
// a CA reads no /etc/hosts either. NoAddressError says that it has none; any other
// error that nobody answers.
func (p *Prover) Addresses(ctx context.Context, host string) ([]string, error) {
	if found, _ := p.addresses(ctx, host); len(found) > 0 {
		return found, nil
	}
	for _, kind := range []uint16{dns.TypeA, dns.TypeAAAA} {
		if _, _, err := p.consult(ctx, host, kind); err != nil {
			return nil, fmt.Errorf("find the addresses of %s: %w", host, err)
		}
	}
	return nil, &NoAddressError{host}
}

// NoAddressError says that a host has neither an IPv4 nor an IPv6 address.
type NoAddressError struct{ Host string }

func (e *NoAddressError) Error() string { return e.Host + " has no address" }

// OperatorHint is for package hint.
func (e *NoAddressError) OperatorHint() string {
	return "add an A or AAAA record for " + e.Host + " that leads to its web server"
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
