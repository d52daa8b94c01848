package sandbox

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// validator is the CA's eye: it looks at the name servers of its own accord,
// from an order's submission on, and issues what it finds proven.
type validator struct {
	cas        *cas
	servers    []string // host:port; all of them must show a record
	issueAfter time.Duration
	client     dns.Client
}

func (s *Sandbox) newValidator() *validator {
	return &validator{
		cas: s.cas, servers: s.nameServers(), issueAfter: s.options.IssueAfter,
		client: dns.Client{Timeout: time.Second},
	}
}

// interval is the time between two looks; a sandbox that issues at once looks often.
func (v *validator) interval() time.Duration {
	return max(min(v.issueAfter/5, 200*time.Millisecond), 10*time.Millisecond)
}

// run looks at every open order until the context ends.
func (v *validator) run(ctx context.Context) {
	tick := time.NewTicker(v.interval())
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for _, o := range v.cas.open() {
			v.advance(ctx, o)
		}
	}
}

// advance takes one order a step further: fail it as a fault or a CAA record
// decided, renew its token, note that its record is there, or issue.
func (v *validator) advance(ctx context.Context, o order) {
	now := time.Now()
	switch {
	case o.fate == held || o.CheckType != "DNS":
	case o.fate != "" && now.Sub(o.Submitted) >= v.issueAfter:
		v.cas.setStatus(o.InstanceID, o.fate)
	case o.fate != "":
	case now.After(o.until):
		v.cas.renewToken(o.InstanceID)
	case !o.Seen.IsZero() && now.Sub(o.Seen) >= v.issueAfter:
		_ = v.cas.issue(o)
	case o.Seen.IsZero() && v.proven(ctx, o):
		forbidden := func(domain string) bool { return v.forbidden(ctx, domain) }
		if slices.ContainsFunc(o.Domains, forbidden) {
			v.cas.setStatus(o.InstanceID, "check_fail")
			return
		}
		v.cas.recordSeen(o.Order)
	}
}

// proven tells whether every domain is hosted and every name server shows the value.
func (v *validator) proven(ctx context.Context, o order) bool {
	for _, domain := range o.Domains {
		if enclosing(v.cas.zones.hosted(), strings.TrimPrefix(domain, "*.")) == nil {
			return false
		}
	}
	for _, server := range v.servers {
		if !v.shows(ctx, server, o.CheckName, o.CheckValue) {
			return false
		}
	}
	return true
}

func (v *validator) shows(ctx context.Context, server, name, value string) bool {
	m, err := v.query(ctx, server, name, dns.TypeTXT)
	return err == nil && slices.ContainsFunc(m.Answer, func(rr dns.RR) bool {
		txt, ok := rr.(*dns.TXT)
		return ok && strings.Join(txt.Txt, "") == value
	})
}

// query asks over UDP, and again over TCP when the answer was cut.
func (v *validator) query(ctx context.Context, server, name string, qtype uint16) (*dns.Msg, error) {
	q := new(dns.Msg).SetQuestion(dns.Fqdn(toASCII(name)), qtype)
	q.SetEdns0(dns.DefaultMsgSize, false)
	m, _, err := v.client.ExchangeContext(ctx, q, server)
	if err == nil && m.Truncated {
		overTCP := dns.Client{Net: "tcp", Timeout: v.client.Timeout}
		m, _, err = overTCP.ExchangeContext(ctx, q, server)
	}
	return m, err
}

// open copies the orders that are being checked.
func (s *cas) open() []order {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []order
	for _, o := range s.orders {
		if o.Status == checking {
			list = append(list, *o)
		}
	}
	return list
}

// recordSeen notes that the pair was found; where a fault wants a further one, that comes next.
func (s *cas) recordSeen(found Order) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.orders[found.InstanceID]
	if o.CheckValue != found.CheckValue {
		return
	}
	if len(o.next) > 0 {
		o.ask(o.next[0])
		o.next = o.next[1:]
		return
	}
	o.Seen = time.Now()
}

func (s *cas) renewToken(instanceID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.orders[instanceID]
	o.ask(o.CheckName)
}

func (s *cas) setStatus(instanceID, status string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.orders[instanceID].Status = status
	s.instance(instanceID).Status = instanceStatus(status)
}

// issue signs the order's certificate, and puts it into the account's list.
func (s *cas) issue(o order) error {
	key, err := o.keyPair()
	if err != nil {
		return err
	}
	leaf := s.authority.leaf(o.certificateNames(s.zones.hosted()))
	for _, spoil := range o.spoil {
		spoil(leaf)
	}
	chain, err := s.authority.issue(leaf, key)
	if err != nil {
		return err
	}
	c, err := newCertificate("", chain, keyPEM(key))
	if err != nil {
		return err
	}
	if o.foreignKey {
		other, err := newKey()
		if err != nil {
			return err
		}
		c.key = keyPEM(other)
	}
	c.bought, c.province, c.city = true, o.province, o.city
	s.settle(o.InstanceID, c)
	return nil
}

// settle makes the order issued, with c as its certificate.
func (s *cas) settle(instanceID string, c *certificate) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.orders[instanceID]
	if o.Status == issued {
		return
	}
	c.id = s.nextID()
	c.name = fmt.Sprintf("cert-%d", c.id)
	s.certificates = append(s.certificates, c)
	o.Status, o.certificate, o.key = issued, c.cert, c.key
	s.instance(instanceID).Status = instanceStatus(issued)
}
