package sandbox

import (
	"errors"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// nameServer answers for the hosted zones over UDP and TCP on one port, and
// shows each change only after its own delay.
type nameServer struct {
	address string
	zones   *zones
	delay   time.Duration
	servers []*dns.Server
	serving sync.WaitGroup
}

func startNameServer(on Network, address string, zs *zones, delay time.Duration) (*nameServer, error) {
	l, p, err := listenBoth(on, address)
	if err != nil {
		return nil, err
	}
	n := &nameServer{address: l.Addr().String(), zones: zs, delay: delay}
	n.serve(&dns.Server{Listener: l})
	n.serve(&dns.Server{PacketConn: p})
	return n, nil
}

// listenBoth binds TCP and UDP to one port. With the port left to the system
// the one that TCP got may be taken for UDP; then another is tried.
func listenBoth(on Network, address string) (net.Listener, net.PacketConn, error) {
	_, port, _ := net.SplitHostPort(address)
	for attempt := 1; ; attempt++ {
		l, err := on.Listen("tcp", address)
		if err != nil {
			return nil, nil, err
		}
		p, err := on.ListenPacket("udp", l.Addr().String())
		if err == nil {
			return l, p, nil
		}
		_ = l.Close()
		if port != "0" || attempt == 10 {
			return nil, nil, err
		}
	}
}

// serve returns once the server can be shut down.
func (n *nameServer) serve(s *dns.Server) {
	started := make(chan struct{})
	s.Handler, s.NotifyStartedFunc = n, func() { close(started) }
	n.servers = append(n.servers, s)
	n.serving.Go(func() { _ = s.ActivateAndServe() })
	<-started
}

func (n *nameServer) close() error {
	var errs []error
	for _, s := range n.servers {
		errs = append(errs, s.Shutdown())
	}
	n.serving.Wait()
	return errors.Join(errs...)
}

// ServeDNS answers one query; over UDP the answer is cut to what the asker can take.
func (n *nameServer) ServeDNS(w dns.ResponseWriter, q *dns.Msg) {
	m := n.answer(q)
	if opt := q.IsEdns0(); opt != nil {
		m.SetEdns0(dns.DefaultMsgSize, opt.Do())
	}
	if _, overUDP := w.RemoteAddr().(*net.UDPAddr); overUDP {
		m.Truncate(acceptedSize(q))
	}
	_ = w.WriteMsg(m)
}

func acceptedSize(q *dns.Msg) int {
	if opt := q.IsEdns0(); opt != nil {
		return max(int(opt.UDPSize()), dns.MinMsgSize)
	}
	return dns.MinMsgSize
}

func (n *nameServer) answer(q *dns.Msg) *dns.Msg {
	if q.Opcode != dns.OpcodeQuery || len(q.Question) != 1 {
		return new(dns.Msg).SetRcode(q, dns.RcodeNotImplemented)
	}
	question := q.Question[0]
	z := enclosing(n.zones.list, question.Name)
	if z == nil || question.Qclass != dns.ClassINET {
		return new(dns.Msg).SetRcode(q, dns.RcodeRefused)
	}
	m := new(dns.Msg).SetReply(q)
	m.Authoritative = true
	n.resolve(m, z, question.Name, question.Qtype)
	return m
}

// resolve fills the answer, following CNAMEs through the hosted zones for a few links.
func (n *nameServer) resolve(m *dns.Msg, z *zone, name string, qtype uint16) {
	const links = 8
	for range links {
		view := n.view(z)
		found, exists := view.lookup(name, qtype)
		m.Answer = append(m.Answer, found...)
		if len(found) == 0 {
			m.Ns = append(m.Ns, view.soa())
			if !exists {
				m.Rcode = dns.RcodeNameError
			}
			return
		}
		alias, ok := found[0].(*dns.CNAME)
		if !ok || qtype == dns.TypeCNAME || qtype == dns.TypeANY {
			return
		}
		name = alias.Target
		if z = enclosing(n.zones.list, name); z == nil {
			return
		}
	}
}

func (n *nameServer) view(z *zone) view {
	return view{zone: z, snapshot: n.zones.seen(z, n.delay), servers: n.zones.servers}
}

// view is a zone as one name server knows it at one moment.
type view struct {
	zone *zone
	snapshot
	servers []string
}

func (v view) apex() string { return dns.Fqdn(v.zone.punycode) }

// lookup finds the records of a type at a name, or its CNAME, after RFC 1034's
// rules for wildcards; exists is false where the answer is NXDOMAIN.
func (v view) lookup(name string, qtype uint16) (found []dns.RR, exists bool) {
	owner := dns.CanonicalName(name)
	if owner == v.apex() {
		found = v.infrastructure(name, qtype)
	}
	source := v.source(owner)
	for _, r := range v.records {
		if r.Status == disabled || r.owner != source {
			continue
		}
		if rr := r.wire(name); rr != nil && answers(rr, qtype) {
			found = append(found, rr)
		}
	}
	return found, source != "" || owner == v.apex()
}

func answers(rr dns.RR, qtype uint16) bool {
	t := rr.Header().Rrtype
	return t == qtype || t == dns.TypeCNAME || qtype == dns.TypeANY
}

// source is the owner whose records answer for a name: itself where it exists,
// else the wildcard at its closest encloser, else "".
func (v view) source(owner string) string {
	if v.exists(owner) {
		return owner
	}
	for name := owner; name != v.apex(); {
		i, end := dns.NextLabel(name, 0)
		if end {
			return ""
		}
		name = name[i:]
		if v.exists(name) || name == v.apex() {
			if wildcard := "*." + name; v.exists(wildcard) {
				return wildcard
			}
			return ""
		}
	}
	return ""
}

// exists tells whether a name, or one under it, holds a record.
func (v view) exists(name string) bool {
	return slices.ContainsFunc(v.records, func(r Record) bool {
		return r.Status != disabled && dns.IsSubDomain(name, r.owner)
	})
}

// infrastructure is what a zone's apex has of itself: SOA and NS.
func (v view) infrastructure(name string, qtype uint16) (found []dns.RR) {
	if qtype == dns.TypeSOA || qtype == dns.TypeANY {
		found = append(found, v.soa())
	}
	if qtype == dns.TypeNS || qtype == dns.TypeANY {
		for _, server := range v.servers {
			found = append(found, &dns.NS{Hdr: header(name, dns.TypeNS, 3600), Ns: dns.Fqdn(server)})
		}
	}
	return found
}

func (v view) soa() dns.RR {
	return &dns.SOA{
		Hdr: header(v.apex(), dns.TypeSOA, 600),
		Ns:  dns.Fqdn(v.servers[0]), Mbox: "hostmaster." + home + ".",
		Serial: v.serial, Refresh: 3600, Retry: 1200, Expire: 86400, Minttl: 60,
	}
}

func header(name string, rrtype uint16, ttl int) dns.RR_Header {
	return dns.RR_Header{Name: name, Rrtype: rrtype, Class: dns.ClassINET, Ttl: uint32(ttl)}
}
