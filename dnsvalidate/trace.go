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
	CNAMEs    []CNAME    // that were met, looking for a TXT record
	Values    []string   // that name servers showed, as a zone file spells them
	Type      string     // of the record that was looked for: "TXT" or "CNAME"
	Value     string     // what was looked for, or ""
	Verdict   Verdict
}

// Exchange is one question to one address, and what came of it.
type Exchange struct {
	Server   string        // a name server's name, or "name server", "resolver" or "public resolver"
	Address  string        // host:port
	Network  string        // "UDP" or "TCP"
	Question string        // such as "TXT _dnsauth.example.com"
	Answer   string        // such as "NOERROR aa", or "silent (port closed)" where there is none
	Records  []string      // of all sections, without what the question says already
	Duration time.Duration // until the answer, or until it was given up
}

// CNAME leads from Name to Target. Zone is the delegated zone that Target lies
// in, or "": then the CNAME is not followed.
type CNAME struct{ Name, Target, Zone string }

// String is the verdict in one line. Without a value to look for it is what the
// name servers showed, and which of them did not answer well.
func (t Trace) String() string {
	if t.Value != "" {
		return t.Verdict.String()
	}
	shown := "no " + t.Type + " record is shown"
	if len(t.Values) > 0 {
		shown = "shown is " + strings.Join(t.Values, " and ")
	}
	parts := []string{shown + "; there is no value to look for"}
	for _, server := range t.Verdict.Servers {
		if server.State != stateNotYet && server.State != stateVisible {
			parts = append(parts, server.String())
		}
	}
	if t.Verdict.Note != "" {
		parts = append(parts, t.Verdict.Note)
	}
	return strings.Join(parts, "; ")
}

// HostName spells a DNS name of two labels or more as it is asked for: lower
// case, A-labels, no trailing dot. ok is false for anything else.
func HostName(raw string) (name string, ok bool) {
	name = canonical(raw)
	if checkSyntax(name) != nil || !strings.Contains(name, ".") {
		return "", false
	}
	return name, true
}

// Trace looks as Look does, but uses nothing that earlier looks found, and asks
// the public resolvers in any case. The question may have no value. What was asked
// before an error is returned beside it.
func (p *Prover) Trace(ctx context.Context, q Question) (Trace, error) {
	fresh, asked := NewProver(p.settings), new(recorder)
	fresh.port = p.port
	ctx = context.WithValue(ctx, recorderKey{}, asked)
	q = q.normal()
	trace := Trace{Cut: fresh.cut(ctx, q.Name), Type: q.Type, Value: q.Value}
	q.Zone = cmp.Or(q.Zone, trace.Cut)
	var err error
	trace.Verdict, err = fresh.lookOnce(ctx, q)
	trace.tell(asked.all(), p.settings)
	return trace, err
}

func (p *Prover) lookOnce(ctx context.Context, q Question) (Verdict, error) {
	if q.Zone == "" {
		return Verdict{}, nobody(q.Name, errors.New("no resolver knows the zone that it lies in"))
	}
	verdict, err := p.follow(ctx, q)
	if err == nil && verdict.Resolvers == nil {
		q.Name = verdict.Name
		p.askResolvers(ctx, q) // for their answers; they are no part of the verdict
	}
	return verdict, err
}

// tell fills the trace with what was noted.
func (t *Trace) tell(entries []entry, settings Settings) {
	names := serverNames(entries)
	for _, e := range entries {
		t.Exchanges = append(t.Exchanges, Exchange{
			Server: e.server(names), Address: e.address, Network: e.network, Question: e.asks(),
			Answer: e.says(), Records: e.records(), Duration: e.duration,
		})
		if e.answer == nil || e.query.Question[0].Qtype != dns.StringToType[t.Type] {
			continue
		}
		for _, rr := range e.answer.Answer {
			t.meet(rr, settings, e.answer.Authoritative && !e.query.RecursionDesired)
		}
	}
}

// meet keeps the CNAMEs, and the values that are shown with authority.
func (t *Trace) meet(rr dns.RR, settings Settings, authority bool) {
	owner := canonical(rr.Header().Name)
	switch rr := rr.(type) {
	case *dns.CNAME:
		target := canonical(rr.Target)
		if t.Type == typeCNAME {
			t.show(owner, target, authority)
			return
		}
		cname := CNAME{Name: owner, Target: target, Zone: settings.DelegateZone(target)}
		if !slices.Contains(t.CNAMEs, cname) {
			t.CNAMEs = append(t.CNAMEs, cname)
		}
	case *dns.TXT:
		t.show(owner, bounded(quoted(rr)), authority)
	}
}

func (t *Trace) show(owner, value string, authority bool) {
	if authority && owner == t.Verdict.Name {
		t.Values = union(t.Values, []string{value})
	}
}

// serverNames maps IP addresses to the first name that has them.
func serverNames(entries []entry) map[string]string {
	names := make(map[string]string)
	for _, e := range entries {
		for _, rr := range e.sections() {
			for _, ip := range addressesIn([]dns.RR{rr}) {
				if names[ip] == "" {
					names[ip] = canonical(rr.Header().Name)
				}
			}
		}
	}
	return names
}
