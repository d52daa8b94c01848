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
	mu      sync.Mutex
	entries []*entry
}

// entry is a question, and its answer or the reason why there is none.
type entry struct {
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
	e, begun := &entry{network: network, address: address, query: query}, time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.entries = append(r.entries, e)
	return func(answer **dns.Msg, err *error) {
		r.mu.Lock()
		defer r.mu.Unlock()
		e.answer, e.err, e.duration = *answer, *err, time.Since(begun)
	}
}

// all copies what was noted.
func (r *recorder) all() []entry {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []entry
	for _, e := range r.entries {
		all = append(all, *e)
	}
	return all
}

// server says in which role the address was asked. Resolvers help to find the
// servers; public ones are asked for the record itself.
func (e entry) server(names map[string]string) string {
	host, _, _ := net.SplitHostPort(e.address)
	switch {
	case !e.query.RecursionDesired:
		return cmp.Or(names[host], "name server")
	case slices.Contains([]uint16{dns.TypeTXT, dns.TypeCNAME}, e.query.Question[0].Qtype):
		return "public resolver"
	}
	return "resolver"
}

func (e entry) asks() string {
	asked := e.query.Question[0]
	text := dns.Type(asked.Qtype).String() + " " + canonical(asked.Name)
	if e.query.CheckingDisabled {
		text += " (checking disabled)"
	}
	return text
}

func (e entry) says() string {
	if e.err != nil {
		reason := inWords(e.err)
		return join(string(reason.State), reason.Detail)
	}
	if e.answer == nil {
		return "not waited for"
	}
	code, known := dns.RcodeToString[e.answer.Rcode]
	if !known {
		code = fmt.Sprintf("RCODE %d", e.answer.Rcode)
	}
	return code + flag(e.answer.Authoritative, " aa") + flag(e.answer.Truncated, " tc") +
		flag(e.answer.RecursionAvailable, " ra") + flag(e.answer.AuthenticatedData, " ad")
}

func flag(set bool, name string) string {
	if set {
		return name
	}
	return ""
}

// sections are the records of the whole answer, but for its EDNS0 options.
func (e entry) sections() []dns.RR {
	if e.answer == nil {
		return nil
	}
	all := slices.Concat(e.answer.Answer, e.answer.Ns, e.answer.Extra)
	return slices.DeleteFunc(all, func(rr dns.RR) bool { return rr.Header().Rrtype == dns.TypeOPT })
}

const (
	mostRecords = 20  // shown of one answer
	longest     = 300 // bytes shown of one record
)

func (e entry) records() []string {
	var shown []string
	for _, rr := range e.sections() {
		shown = append(shown, e.short(rr))
	}
	if more := len(shown) - mostRecords; more > 0 {
		shown = append(shown[:mostRecords], fmt.Sprintf("and %d more", more))
	}
	return shown
}

// short is a record in the spelling of zone files, without the name and the
// type where they are the question's.
func (e entry) short(rr dns.RR) string {
	asked, header := e.query.Question[0], rr.Header()
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
