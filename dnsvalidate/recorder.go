package dnsvalidate

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"
)

type recorderKey struct{}

// recorder notes the questions of one trace; it travels in the context.
type recorder struct {
	mu    sync.Mutex
	notes []*noted
}

// noted is a question, and its answer or the reason why there is none.
type noted struct {
	network, address string
	query, answer    *dns.Msg
	err              error
	duration         time.Duration
}

// note begins an exchange; what it returns ends it. Without a recorder in ctx
// it does nothing.
func note(ctx context.Context, network, address string, query *dns.Msg) (end func(answer **dns.Msg, err *error)) {
	r, ok := ctx.Value(recorderKey{}).(*recorder)
	if !ok {
		return func(**dns.Msg, *error) {}
	}
	n, begun := &noted{network: network, address: address, query: query}, time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.notes = append(r.notes, n)
	return func(answer **dns.Msg, err *error) {
		r.mu.Lock()
		defer r.mu.Unlock()
		n.answer, n.err, n.duration = *answer, *err, time.Since(begun)
	}
}

// all copies what was noted.
func (r *recorder) all() []noted {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []noted
	for _, n := range r.notes {
		all = append(all, *n)
	}
	return all
}

// server says in which part the address was asked. Resolvers find servers;
// public ones are asked for the record itself.
func (n noted) server(names map[string]string) string {
	host, _, _ := net.SplitHostPort(n.address)
	switch {
	case !n.query.RecursionDesired:
		return cmp.Or(names[host], "name server")
	case slices.Contains([]uint16{dns.TypeTXT, dns.TypeCNAME}, n.query.Question[0].Qtype):
		return "public resolver"
	}
	return "resolver"
}

func (n noted) asks() string {
	asked := n.query.Question[0]
	text := dns.Type(asked.Qtype).String() + " " + canonical(asked.Name)
	if n.query.CheckingDisabled {
		text += " (checking disabled)"
	}
	return text
}

func (n noted) says() string {
	if n.err != nil {
		reason := inWords(n.err)
		return join(string(reason.State), reason.Detail)
	}
	if n.answer == nil {
		return "not waited for"
	}
	code, known := dns.RcodeToString[n.answer.Rcode]
	if !known {
		code = fmt.Sprintf("RCODE %d", n.answer.Rcode)
	}
	return code + flag(n.answer.Authoritative, " aa") + flag(n.answer.Truncated, " tc") +
		flag(n.answer.RecursionAvailable, " ra") + flag(n.answer.AuthenticatedData, " ad")
}

func flag(set bool, name string) string {
	if set {
		return name
	}
	return ""
}

// sections are the records of the whole answer, but for its EDNS0 options.
func (n noted) sections() []dns.RR {
	if n.answer == nil {
		return nil
	}
	all := slices.Concat(n.answer.Answer, n.answer.Ns, n.answer.Extra)
	return slices.DeleteFunc(all, func(rr dns.RR) bool { return rr.Header().Rrtype == dns.TypeOPT })
}

const (
	mostRecords = 20  // shown of one answer
	longest     = 300 // bytes shown of one record
)

func (n noted) records() []string {
	var shown []string
	for _, rr := range n.sections() {
		shown = append(shown, n.short(rr))
	}
	if more := len(shown) - mostRecords; more > 0 {
		shown = append(shown[:mostRecords], fmt.Sprintf("and %d more", more))
	}
	return shown
}

// short is a record in the spelling of zone files, without the name and the
// type where they are the question's.
func (n noted) short(rr dns.RR) string {
	asked, header := n.query.Question[0], rr.Header()
	data := strings.TrimPrefix(rr.String(), header.String())
	switch rr := rr.(type) {
	case *dns.TXT:
		data = quoted(rr)
	case *dns.SOA:
		data = fmt.Sprintf("serial %d", rr.Serial)
	}
	data = bounded(data)
	if header.Rrtype != asked.Qtype {
		data = dns.Type(header.Rrtype).String() + " " + data
	}
	if owner := canonical(header.Name); owner != canonical(asked.Name) {
		data = owner + " " + data
	}
	return fmt.Sprintf("%s (ttl %d)", data, header.Ttl)
}

// quoted is a TXT record's strings; the dns package has escaped them.
func quoted(rr *dns.TXT) string { return `"` + strings.Join(rr.Txt, `" "`) + `"` }

func bounded(data string) string {
	if len(data) > longest {
		return data[:longest] + "…"
	}
	return data
}
