package sandbox

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// validator is the CA's eye: it looks at the name servers, or at a web server, of
// its own accord, from an order's submission on, and issues what it finds proven.
type validator struct {
	cas        *cas
	faults     *faults
	servers    []string // host:port; all of them must show a record
	issueAfter time.Duration
	httpPort   int // where a web server is asked for a file
	httpsPort  int // and where it redirects to
	network    Network
	every      time.Duration // between two looks
	looked     map[asked]time.Time
}

// asked tells an order from the others that are open.
type asked struct {
	instance string
	order    int64
}

// impatience is how many times as old an order is as the pause before it is looked at
// again: what is shown late is seen a little later still, and nobody asks for a year each
// minute after what was given up.
const impatience = 50

func (s *Sandbox) newValidator() *validator {
	return &validator{
		cas: s.cas, faults: s.faults, servers: s.nameServers(), issueAfter: s.options.IssueAfter, httpPort: s.options.HTTPPort, httpsPort: s.options.HTTPSPort,
		network: s.options.Network, every: s.options.LookEvery, looked: map[asked]time.Time{},
	}
}

// run looks at every open order until the context ends.
func (v *validator) run(ctx context.Context) {
	tick := time.NewTicker(v.every)
	defer tick.Stop()
	for {
		if !v.cas.awaited() {
			tick.Stop()
			select {
			case <-ctx.Done():
				return
			case <-v.cas.news:
				tick.Reset(v.every)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		open := v.cas.open()
		for _, o := range open {
			v.advance(ctx, o)
		}
		v.forget(open)
		for _, id := range v.cas.dueReissues(time.Now()) {
			_ = v.cas.reissue(id, v.faults.newCall("ApplyCertificate")) // tried again at the next look
		}
	}
}

// advance takes one order a step further: fail it as a fault or a CAA record
// decided, renew its token, note that its record is there, or issue.
func (v *validator) advance(ctx context.Context, o order) {
	now := time.Now()
	switch {
	case !o.withdrawAt.IsZero():
		if now.After(o.withdrawAt) {
			v.cas.update(o, func(o *order) { o.Status = withdrawn })
		}
	case o.Status == payed:
		v.cas.update(o, func(o *order) { o.Status = checking })
	case o.fate == held:
	case o.fate != "":
		if now.Sub(o.Submitted) >= v.issueAfter {
			v.cas.update(o, func(o *order) { o.Status = o.fate })
		}
	case now.After(o.until):
		v.cas.update(o, (*order).renewTokens)
	case o.Seen.IsZero():
		if of := (asked{o.InstanceID, o.orderID}); now.Sub(v.looked[of]) >= now.Sub(o.Submitted)/impatience {
			v.looked[of] = now
			v.look(ctx, o)
		}
	case now.Sub(o.Seen) >= v.issueAfter:
		_ = v.cas.issue(o) // tried again at the next look
	}
}

// forget keeps when it looked at the orders that are open alone.
func (v *validator) forget(open []order) {
	if len(v.looked) <= 2*len(open) {
		return
	}
	kept := map[asked]time.Time{}
	for _, o := range open {
		if at, looked := v.looked[asked{o.InstanceID, o.orderID}]; looked {
			kept[asked{o.InstanceID, o.orderID}] = at
		}
	}
	v.looked = kept
}

// look asks for the records or files that are still to be seen, and for the CAA records
// once all are there.
func (v *validator) look(ctx context.Context, o order) {
	if o.CheckType == "DNS" && !v.hosted(o.Domains) {
		return
	}
	o.Proofs = slices.Clone(o.Proofs)
	for i, p := range o.Proofs {
		if p.Seen.IsZero() && v.shown(ctx, p) {
			o.Proofs[i].Seen = time.Now()
		}
	}
	if o.proven() && slices.ContainsFunc(o.Domains, func(domain string) bool { return v.forbidden(ctx, domain) }) {
		v.cas.update(o, func(o *order) { o.Status = "check_fail" })
		return
	}
	v.cas.update(o, func(current *order) { current.record(o.Proofs) })
}

func (v *validator) hosted(domains []string) bool {
	return !slices.ContainsFunc(domains, func(domain string) bool {
		return enclosing(v.cas.zones.hosted(), strings.TrimPrefix(domain, "*.")) == nil
	})
}

// shown tells whether every name server shows a record, or every address a file.
func (v *validator) shown(ctx context.Context, p Proof) bool {
	if p.Type == "FILE" {
		return v.served(ctx, p)
	}
	return !slices.ContainsFunc(v.servers, func(server string) bool { return !v.shows(ctx, server, p) })
}

func (v *validator) shows(ctx context.Context, server string, p Proof) bool {
	m, err := v.query(ctx, server, p.Name, dns.StringToType[p.Type])
	return err == nil && slices.ContainsFunc(m.Answer, func(rr dns.RR) bool {
		switch rr := rr.(type) {
		case *dns.TXT:
			return strings.Join(rr.Txt, "") == p.Value
		case *dns.CNAME:
			return p.Type == "CNAME" && strings.EqualFold(rr.Target, dns.Fqdn(p.Value))
		}
		return false
	})
}

// query asks over UDP, and again over TCP when the answer was cut.
func (v *validator) query(ctx context.Context, server, name string, qtype uint16) (*dns.Msg, error) {
	q := new(dns.Msg).SetQuestion(dns.Fqdn(toASCII(name)), qtype)
	q.SetEdns0(dns.DefaultMsgSize, false)
	m, err := v.exchange(ctx, "udp", q, server)
	if err == nil && m.Truncated {
		m, err = v.exchange(ctx, "tcp", q, server)
	}
	return m, err
}

func (v *validator) exchange(ctx context.Context, protocol string, q *dns.Msg, server string) (*dns.Msg, error) {
	client := dns.Client{Net: protocol, Timeout: time.Second}
	ctx, cancel := context.WithTimeout(ctx, 2*client.Timeout)
	defer cancel()
	conn, err := v.network.DialContext(ctx, protocol, server)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	m, _, err := client.ExchangeWithConnContext(ctx, q, &dns.Conn{Conn: conn})
	return m, err
}
