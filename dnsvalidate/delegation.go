package dnsvalidate

import (
	"context"
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
	muteLife       = 10 * time.Second // of the silence of all resolvers: one that comes back is noticed
	maxServers     = 16               // name servers of one zone, and addresses of one server
	maxAsked       = 3                // of the servers that can name those of a zone
	patience       = 500 * time.Millisecond
)

// nameServer is one address of a server; address is "" when its name has none.
type nameServer struct{ name, address string }

// delegation is who answers for a zone.
type delegation struct {
	servers   []nameServer
	note      string            // how parent and child differ, or ""
	pathClear bool              // a server that does not resolve has answered: nothing intercepts port 53
	denial    *denial           // the parent delegates the zone to nobody; nil when it does
	told      map[string]string // who named a server, or told an address
	sure      []string          // the servers that a name server named, not just a resolver
	spoke     string            // the address whose authoritative answer named the servers, or ""
	since     time.Time         // when its discovery began
}

// denial says that the parent delegates the zone to nobody, by the word of one of
// the parent's servers.
type denial struct{ zone, parent, by string }

func (d *denial) Error() string {
	return fmt.Sprintf("%s does not delegate %s, says %s", d.parent, d.zone, d.by)
}

// nsSet is a set of name servers as one party names it, with its glue.
type nsSet struct {
	names  []string
	glue   map[string][]string // name to IP addresses
	by     string              // who names them; "" is nobody
	sure   bool                // whether that is a server with authority, or one that refers to them
	spoke  string              // the address of a server with authority that names them, or ""
	denial *denial

	pathClear bool // who names them does not resolve; whatever intercepts port 53 would
}

// delegation returns the configured name servers, or those of the zone, which
// it remembers for a minute. Concurrent callers share one discovery.
func (p *Prover) delegation(ctx context.Context, zone string) (delegation, error) {
	if len(p.settings.NameServers) > 0 {
		return p.configured(ctx), nil
	}
	return p.zones.recall(ctx, zone, func() (delegation, error) {
		found, err := p.discover(ctx, zone)
		if err != nil {
			return delegation{}, nobody(zone, err)
		}
		return found, nil
	})
}

func nobody(zone string, err error) error {
	err = fmt.Errorf("find the name servers of %s: %w", zone, err)
	return hint.Add(err, "check that the zone is delegated and that the resolvers answer, or set nameservers in [dns]")
}

// configured takes the name servers of the settings: addresses, or names.
func (p *Prover) configured(ctx context.Context) delegation {
	found := delegation{told: make(map[string]string)}
	for _, configured := range p.settings.NameServers {
		address := withPort(configured)
		host, port, _ := net.SplitHostPort(address)
		if net.ParseIP(host) != nil {
			found.servers = append(found.servers, nameServer{"", address})
			continue
		}
		addresses, by := p.addresses(ctx, host)
		found.add(at(host, port, addresses), by)
	}
	return found
}

// discover starts at the zone cut: the parent's servers say to whom the zone is
// delegated, these say who they are, and both answers are believed.
func (p *Prover) discover(ctx context.Context, zone string) (delegation, error) {
	since := time.Now()
	parent := p.parentSide(ctx, zone)
	child, err := p.childSide(ctx, zone, parent)
	if ctx.Err() != nil {
		return delegation{}, ctx.Err()
	}
	if names := union(parent.names, child.names); len(names) > 0 {
		found := delegation{
			note: difference(parent.names, child.names), denial: parent.denial,
			told: make(map[string]string), spoke: child.spoke, since: since,
			pathClear: parent.pathClear || child.pathClear,
		}
		p.locate(ctx, &found, names, parent, child)
		return found, ctx.Err()
	}
	if parent.denial != nil {
		return delegation{}, parent.denial
	}
	return delegation{}, err
}

// locate finds the addresses of the servers that parent and child name.
func (p *Prover) locate(ctx context.Context, found *delegation, names []string, parent, child nsSet) {
	servers, tellers := make([][]nameServer, len(names)), make([]string, len(names))
	inParallel(len(names), func(i int) {
		addresses, by := parent.glue[names[i]], parent.by // a resolver's cache may be old, or the resolver may lie
		if len(addresses) == 0 {
			addresses, by = p.addresses(ctx, names[i])
		}
		servers[i], tellers[i] = at(names[i], p.port, addresses), by
	})
	if parent.sure {
		found.sure = parent.names
	}
	if parent.sure && child.sure { // otherwise it was a resolver that led to the child
		found.sure = union(found.sure, child.names)
	}
	for i, name := range names {
		found.told[name] = child.by
		if slices.Contains(parent.names, name) {
			found.told[name] = parent.by
		}
		found.add(servers[i], tellers[i])
	}
}

func (d *delegation) add(servers []nameServer, by string) {
	d.servers = append(d.servers, servers...)
	for _, server := range servers {
		if server.address != "" {
			d.told[server.address] = by
		}
	}
}

// parentSide asks the servers of the zone above for the delegation. It is
// empty when they cannot be found or asked.
func (p *Prover) parentSide(ctx context.Context, zone string) nsSet {
	parent := above(zone)
	if parent == "" {
		return nsSet{}
	}
	answer, err := p.resolve(ctx, parent, dns.TypeSOA)
	if err != nil {
		return nsSet{}
	}
	cut := soaIn(answer).zone
	if cut == "" || !within(parent, cut) {
		return nsSet{}
	}
	answer, err = p.resolve(ctx, cut, dns.TypeNS)
	if err != nil {
		return nsSet{}
	}
	return p.askForNS(ctx, zone, nsIn(answer, cut))
}

// childSide asks the servers that the parent names, or else the resolvers. It
// asks nobody when a server of the parent serves the child as well, and so has
// answered for both.
func (p *Prover) childSide(ctx context.Context, zone string, parent nsSet) (nsSet, error) {
	if parent.spoke != "" && len(parent.names) > 0 {
		return parent, nil
	}
	if set := p.askForNS(ctx, zone, parent); set.spoke != "" && len(set.names) > 0 {
		return set, nil
	}
	answer, by, err := p.consult(ctx, zone, dns.TypeNS)
	if err != nil {
		return nsSet{}, err
	}
	set := nsIn(answer, zone)
	set.by = by
	if len(set.names) == 0 {
		err = fmt.Errorf("%s names none (%s)", set.by, dns.RcodeToString[answer.Rcode])
	}
	return set, err
}

// askForNS asks the given servers directly who serves zone. It begins with one,
// and adds another every half second until one knows.
func (p *Prover) askForNS(ctx context.Context, zone string, servers nsSet) nsSet {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	names := servers.names[:min(len(servers.names), maxAsked)]
	sets := make(chan nsSet, len(names))
	for i, name := range names {
		go func() {
			select {
			case <-time.After(time.Duration(i) * patience):
				sets <- p.askOneForNS(ctx, zone, name, servers.glue[name])
			case <-ctx.Done():
				sets <- nsSet{}
			}
		}()
	}
	for range names {
		if set := <-sets; set.by != "" {
			return set
		}
	}
	return nsSet{}
}

// askOneForNS tries the addresses of one server until one knows.
func (p *Prover) askOneForNS(ctx context.Context, zone, name string, addresses []string) nsSet {
	if len(addresses) == 0 {
		addresses, _ = p.addresses(ctx, name)
	}
	for _, address := range addresses[:min(len(addresses), maxAsked)] {
		address = net.JoinHostPort(address, p.port)
		answer, err := p.ask(ctx, address, newQuery(zone, dns.TypeNS, false))
		if err != nil || !existenceKnown(answer) {
			continue
		}
		set, by, cut := nsIn(answer, zone), join(name, address), soaIn(answer).zone
		set.pathClear = !answer.RecursionAvailable
		if answer.Authoritative {
			set.spoke = address
		}
		switch {
		case len(set.names) > 0:
			set.by, set.sure = by, answer.Authoritative || set.pathClear // a resolver's are from its cache
			return set
		case answer.Authoritative && cut != "" && below(zone, cut):
			return nsSet{by: by, denial: &denial{zone, cut, by}, pathClear: set.pathClear}
		}
	}
	return nsSet{}
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
	slices.Sort(set.names) // servers rotate their answers, and what people read should not change
	for _, rr := range answer.Extra {
		owner := canonical(rr.Header().Name)
		set.glue[owner] = append(set.glue[owner], addressesIn([]dns.RR{rr})...)
	}
	return set
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

// union is a, followed by what of b is not in it.
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
