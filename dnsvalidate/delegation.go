package dnsvalidate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"

	"dvagent/internal/hint"
)

const (
	delegationLife = time.Minute
	maxDelegations = 1000 // remembered
	maxServers     = 16   // name servers of one zone, and addresses of one server
	maxAsked       = 3    // of a parent's servers
)

// nameServer is one address of a server; address is "" when its name has none.
type nameServer struct{ name, address string }

// delegation is who answers for a zone.
type delegation struct {
	servers []nameServer
	note    string // how parent and child differ, or ""
	until   time.Time
}

// nsSet is a set of name servers as one party names it, with its glue.
type nsSet struct {
	names []string
	glue  map[string][]string // name to IP addresses
}

// delegation returns the configured name servers, or those of the zone, which
// it remembers for a minute.
func (p *Prover) delegation(ctx context.Context, zone string) (delegation, error) {
	if len(p.settings.NameServers) > 0 {
		return p.configured(ctx), nil
	}
	found, err := together(ctx, &p.finding, zone, func() (delegation, error) {
		if known, ok := p.remembered(zone); ok {
			return known, nil
		}
		found, err := p.discover(ctx, zone)
		if err == nil {
			p.remember(zone, found)
		}
		return found, err
	})
	if err != nil {
		return delegation{}, nobody(zone, err)
	}
	return found, nil
}

func nobody(zone string, err error) error {
	err = fmt.Errorf("find the name servers of %s: %w", zone, err)
	return hint.Add(err, "check that the zone is delegated and that the resolvers answer, or set nameservers in [dns]")
}

func (p *Prover) remembered(zone string) (delegation, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	known, ok := p.found[zone]
	return known, ok && time.Now().Before(known.until)
}

func (p *Prover) remember(zone string, found delegation) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.found) >= maxDelegations {
		clear(p.found)
	}
	found.until = time.Now().Add(delegationLife)
	p.found[zone] = found
}

// configured takes the name servers of the settings: addresses, or names.
func (p *Prover) configured(ctx context.Context) delegation {
	var servers []nameServer
	for _, configured := range p.settings.NameServers {
		address := withPort(configured)
		host, port, _ := net.SplitHostPort(address)
		if net.ParseIP(host) != nil {
			servers = append(servers, nameServer{"", address})
			continue
		}
		servers = append(servers, at(host, port, p.addresses(ctx, host))...)
	}
	return delegation{servers: servers}
}

// discover goes from the zone cut down: the parent's servers say to whom the
// zone is delegated, those say who they are, and both are believed.
func (p *Prover) discover(ctx context.Context, zone string) (delegation, error) {
	parent := p.parentSide(ctx, zone)
	child, err := p.childSide(ctx, zone, parent)
	names := union(parent.names, child.names)
	if len(names) == 0 {
		return delegation{}, cmp.Or(err, errors.New("nobody names any"))
	}
	found := delegation{note: difference(parent.names, child.names)}
	addresses := make([][]string, len(names))
	inParallel(len(names), func(i int) {
		if addresses[i] = p.addresses(ctx, names[i]); len(addresses[i]) == 0 {
			addresses[i] = parent.glue[names[i]]
		}
	})
	for i, name := range names {
		found.servers = append(found.servers, at(name, p.port, addresses[i])...)
	}
	return found, ctx.Err()
}

// parentSide asks the servers of the zone above for the delegation. It is
// empty when they cannot be found or do not delegate.
func (p *Prover) parentSide(ctx context.Context, zone string) nsSet {
	_, above, ok := strings.Cut(zone, ".")
	if !ok {
		return nsSet{}
	}
	answer, err := p.resolve(ctx, above, dns.TypeSOA)
	if err != nil {
		return nsSet{}
	}
	cut := soaOwner(answer)
	if cut == "" || !within(above, cut) {
		return nsSet{}
	}
	answer, err = p.resolve(ctx, cut, dns.TypeNS)
	if err != nil {
		return nsSet{}
	}
	return p.askForNS(ctx, zone, nsIn(answer, cut))
}

// childSide asks the servers that the parent names, or else the resolvers.
func (p *Prover) childSide(ctx context.Context, zone string, parent nsSet) (nsSet, error) {
	if set := p.askForNS(ctx, zone, parent); len(set.names) > 0 {
		return set, nil
	}
	answer, err := p.resolve(ctx, zone, dns.TypeNS)
	if err != nil {
		return nsSet{}, err
	}
	return nsIn(answer, zone), nil
}

// askForNS asks a few of the given servers directly who serves zone, side by
// side, and takes the first set in their order.
func (p *Prover) askForNS(ctx context.Context, zone string, servers nsSet) nsSet {
	names := servers.names[:min(len(servers.names), maxAsked)]
	sets := make([]nsSet, len(names))
	inParallel(len(names), func(i int) {
		addresses := servers.glue[names[i]]
		if len(addresses) == 0 {
			addresses = p.addresses(ctx, names[i])
		}
		for _, server := range at(names[i], p.port, addresses)[:1] {
			answer, err := p.ask(ctx, server.address, question(zone, dns.TypeNS, false))
			if err == nil {
				sets[i] = nsIn(answer, zone)
			}
		}
	})
	for _, set := range sets {
		if len(set.names) > 0 {
			return set
		}
	}
	return nsSet{}
}

// resolve asks the resolvers in their order until one knows.
func (p *Prover) resolve(ctx context.Context, name string, qtype uint16) (*dns.Msg, error) {
	resolvers, err := p.resolvers()
	if err != nil {
		return nil, err
	}
	err = errors.New("no resolver is configured")
	for _, resolver := range resolvers {
		var answer *dns.Msg
		address := withPort(resolver)
		if answer, err = p.askOnce(ctx, address, question(name, qtype, true)); err != nil {
			err = fmt.Errorf("resolver %s: %w", address, err)
			continue
		}
		if existenceKnown(answer) {
			return answer, nil
		}
		err = fmt.Errorf("resolver %s: %s", address, dns.RcodeToString[answer.Rcode])
	}
	return nil, err
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

// addresses returns the IPv4 and then the IPv6 addresses of a host.
func (p *Prover) addresses(ctx context.Context, host string) []string {
	found := make([][]string, 2)
	inParallel(2, func(i int) {
		answer, err := p.resolve(ctx, host, []uint16{dns.TypeA, dns.TypeAAAA}[i])
		if err == nil {
			found[i] = addressesIn(answer.Answer)
		}
	})
	return slices.Concat(found...)
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

// nsIn reads the NS records of zone from an answer or a referral.
func nsIn(answer *dns.Msg, zone string) nsSet {
	set := nsSet{glue: make(map[string][]string)}
	for _, rr := range slices.Concat(answer.Answer, answer.Ns) {
		ns, ok := rr.(*dns.NS)
		if ok && canonical(ns.Hdr.Name) == zone && len(set.names) < maxServers {
			set.names = union(set.names, []string{canonical(ns.Ns)})
		}
	}
	for _, rr := range answer.Extra {
		owner := canonical(rr.Header().Name)
		set.glue[owner] = append(set.glue[owner], addressesIn([]dns.RR{rr})...)
	}
	return set
}

// soaOwner is the zone that a name lies in: whose SOA came in the answer, or
// in the authority section of a negative one.
func soaOwner(answer *dns.Msg) string {
	for _, rr := range slices.Concat(answer.Answer, answer.Ns) {
		if rr.Header().Rrtype == dns.TypeSOA {
			return canonical(rr.Header().Name)
		}
	}
	return ""
}

// at pairs a server's name with each of its addresses, or with none.
func at(name, port string, addresses []string) []nameServer {
	if len(addresses) == 0 {
		return []nameServer{{name, ""}}
	}
	var servers []nameServer
	for _, address := range addresses[:min(len(addresses), maxServers)] {
		servers = append(servers, nameServer{name, net.JoinHostPort(address, port)})
	}
	return servers
}

// union keeps the order and drops what comes twice.
func union(a, b []string) []string {
	both := slices.Clone(a)
	for _, name := range b {
		if !slices.Contains(both, name) {
			both = append(both, name)
		}
	}
	return both
}

func difference(parent, child []string) string {
	same := slices.Equal(slices.Sorted(slices.Values(parent)), slices.Sorted(slices.Values(child)))
	if same || len(parent) == 0 || len(child) == 0 {
		return ""
	}
	return fmt.Sprintf("the parent delegates to %s, but the zone names %s",
		strings.Join(parent, ", "), strings.Join(child, ", "))
}

// withPort adds port 53 where a setting leaves it out.
func withPort(address string) string {
	if _, _, err := net.SplitHostPort(address); err == nil {
		return address
	}
	return net.JoinHostPort(strings.Trim(address, "[]"), "53")
}
