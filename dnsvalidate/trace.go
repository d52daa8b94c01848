package dnsvalidate

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// Trace is one look at a name, with every question that it took.
type Trace struct {
	Cut       string     // the zone that the name lies in, as the resolvers know it; "" when they do not
	Exchanges []Exchange // in the order in which they were begun
	CNAMEs    []CNAME    // that were met
	Values    []string   // of the TXT records that name servers showed, as a zone file spells them
	Value     string     // what was looked for, or ""
	Verdict   Verdict
}

// Exchange is one question to one address, and what came of it.
type Exchange struct {
	Server   string        // the name server's name, "name server" while that is unknown, "resolver" or "public resolver"
	Address  string        // host:port
	Network  string        // "UDP" or "TCP"
	Question string        // such as "TXT _dnsauth.example.com"
	Answer   string        // code and flags, such as "NOERROR aa", or why there is none, such as "silent (port closed)"
	Records  []string      // of all sections, without what the question says already
	Duration time.Duration // until the answer, or until it was given up
}

// CNAME leads from Name to Target. Zone is the delegated zone that Target lies in; where it is
// "", nobody follows it.
type CNAME struct{ Name, Target, Zone string }

// String is the verdict in one line. Without a value to look for it is what the
// name servers showed, and which of them did not answer well.
func (t Trace) String() string {
	if t.Value != "" {
		return t.Verdict.String()
	}
	shown := "no TXT record is shown"
	if len(t.Values) > 0 {
		shown = "shown is " + strings.Join(t.Values, " and ")
	}
	parts := []string{shown + "; there is no value to look for"}
	for _, server := range t.Verdict.Servers {
		if server.State != NotYet && server.State != Visible {
			parts = append(parts, server.String())
		}
	}
	if t.Verdict.Note != "" {
		parts = append(parts, t.Verdict.Note)
	}
	return strings.Join(parts, "; ")
}

// HostName spells a DNS name of two labels or more as it is asked for: lower
// case, A-labels, no trailing dot. ok is false for what is no such name.
func HostName(raw string) (name string, ok bool) {
	name = canonical(raw)
	if checkSyntax(name) != nil || !strings.Contains(name, ".") {
		return "", false
	}
	return name, true
}

// Trace looks at name as Look does, from the zone cut down whatever is
// remembered, and then asks the public resolvers in any case. zone is the one
// that hosts the name, "" for the one that the resolvers know; value may be
// "". Beside an error stands what was asked until then.
func (p *Prover) Trace(ctx context.Context, zone, name, value string) (Trace, error) {
	fresh, notes := NewProver(p.settings), new(recorder)
	fresh.port = p.port
	ctx = context.WithValue(ctx, recorderKey{}, notes)
	name = canonical(name)
	trace := Trace{Cut: fresh.cut(ctx, name), Value: value}
	var err error
	trace.Verdict, err = fresh.lookOnce(ctx, cmp.Or(canonical(zone), trace.Cut), name, value)
	trace.tell(notes.all(), p.settings)
	return trace, err
}

func (p *Prover) lookOnce(ctx context.Context, zone, name, value string) (Verdict, error) {
	if zone == "" {
		return Verdict{}, nobody(name, errors.New("no resolver knows the zone that it lies in"))
	}
	verdict, err := p.follow(ctx, zone, name, value)
	if err == nil && verdict.Resolvers == nil {
		p.askResolvers(ctx, verdict.Name, value) // for their answers; they are no part of the verdict
	}
	return verdict, err
}

// tell fills the trace with what was noted.
func (t *Trace) tell(notes []noted, settings Settings) {
	names := serverNames(notes)
	for _, n := range notes {
		t.Exchanges = append(t.Exchanges, Exchange{
			Server: n.server(names), Address: n.address, Network: n.network, Question: n.asks(),
			Answer: n.says(), Records: n.records(), Duration: n.duration,
		})
		if n.answer == nil || n.query.Question[0].Qtype != dns.TypeTXT {
			continue
		}
		for _, rr := range n.answer.Answer {
			t.meet(rr, settings, n.answer.Authoritative && !n.query.RecursionDesired)
		}
	}
}

// meet keeps the CNAMEs, and the values that are shown with authority.
func (t *Trace) meet(rr dns.RR, settings Settings, authority bool) {
	owner := canonical(rr.Header().Name)
	switch rr := rr.(type) {
	case *dns.CNAME:
		target := canonical(rr.Target)
		cname := CNAME{Name: owner, Target: target, Zone: settings.DelegateZone(target)}
		if !slices.Contains(t.CNAMEs, cname) {
			t.CNAMEs = append(t.CNAMEs, cname)
		}
	case *dns.TXT:
		if authority && owner == t.Verdict.Name {
			t.Values = union(t.Values, []string{bounded(quoted(rr))})
		}
	}
}

// serverNames maps IP addresses to the first name that has them.
func serverNames(notes []noted) map[string]string {
	names := make(map[string]string)
	for _, n := range notes {
		for _, rr := range n.sections() {
			for _, ip := range addressesIn([]dns.RR{rr}) {
				if names[ip] == "" {
					names[ip] = canonical(rr.Header().Name)
				}
			}
		}
	}
	return names
}
