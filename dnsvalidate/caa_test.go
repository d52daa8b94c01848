package dnsvalidate

import (
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// fault 49
func TestCAAIsReadAsTheCADoes(t *testing.T) {
	caa := func(lines ...string) []string { return lines }
	tests := []struct {
		name    string
		records []string
		domain  string
		says    string // "" for nothing at all
		warns   bool
	}{
		{name: "none at all", domain: "www.example.com"},
		{name: "ours is named, with parameters and capitals", records: caa(`example.com. 60 CAA 0 issue "Digicert.com; policy=ev"`), domain: "www.example.com"},
		{name: "ours is named beside others", records: caa(`example.com. 60 CAA 0 issue "letsencrypt.org"`, `example.com. 60 CAA 0 issue "digicert.com"`), domain: "example.com"},
		{name: "no issue property", records: caa(`example.com. 60 CAA 0 iodef "mailto:a@example.com"`), domain: "www.example.com"},
		{name: "issuewild does not concern a single name", records: caa(`example.com. 60 CAA 0 issuewild ";"`), domain: "example.com"},
		{name: "the closest counts", records: caa(`www.example.com. 60 CAA 0 issue "digicert.com"`, `example.com. 60 CAA 0 issue ";"`), domain: "www.example.com"},
		{name: "the closest counts, even if it allows less", records: caa(`www.example.com. 60 CAA 0 issue ";"`, `example.com. 60 CAA 0 issue "digicert.com"`), domain: "www.example.com",
			says: "CAA of www.example.com does not let digicert.com issue for www.example.com"},
		{name: "a wildcard is looked up below its star", records: caa(`www.example.com. 60 CAA 0 issue ";"`), domain: "*.www.example.com", says: "CAA of www.example.com"},
		{name: "all are forbidden", records: caa(`example.com. 60 CAA 0 issue ";"`), domain: "a.www.example.com", says: "CAA of example.com does not let digicert.com issue for a.www.example.com"},
		{name: "a resolver that knows nothing of the top level", domain: "example.failtop"},
		{name: "the top level forbids", records: caa(`com. 60 CAA 0 issue ";"`), domain: "example.com", says: "CAA of com "},
		{name: "issue counts for a wildcard", records: caa(`example.com. 60 CAA 0 issue "letsencrypt.org"`), domain: "*.example.com", says: "CAA of example.com"},
		{name: "issuewild overrides issue", records: caa(`example.com. 60 CAA 0 issue "digicert.com"`, `example.com. 60 CAA 0 issuewild ";"`), domain: "*.example.com", says: "CAA of example.com"},
		{name: "issuewild allows a wildcard alone", records: caa(`example.com. 60 CAA 0 issue ";"`, `example.com. 60 CAA 0 issuewild "digicert.com"`), domain: "*.example.com"},
		{name: "a critical tag that nobody knows", records: caa(`example.com. 60 CAA 0 issue "digicert.com"`, `example.com. 60 CAA 128 tbs "x"`), domain: "example.com",
			says: `CAA of example.com has the critical tag "tbs", with which no CA issues for example.com`},
		{name: "a tag that nobody knows is ignored", records: caa(`example.com. 60 CAA 0 tbs "x"`), domain: "example.com"},
		{name: "a critical issue is only an issue", records: caa(`example.com. 60 CAA 128 issue "digicert.com"`), domain: "example.com"},
		{name: "a CNAME stands for its target", records: caa("www.example.com. 60 CNAME cdn.test.", `cdn.test. 60 CAA 0 issue "letsencrypt.org"`), domain: "www.example.com",
			says: "CAA of cdn.test, where a CNAME at www.example.com leads, does not let digicert.com issue for www.example.com"}, // fault 160
		// fault 159
		{name: "a CA that is unknown here", records: caa(`example.com. 60 CAA 0 issue "CA.test; x=1"`), domain: "example.com", warns: true,
			says: "CAA of example.com lets ca.test issue for example.com, which may be none of the CAs that Alibaba sells"},
		{name: "one that is unknown beside one that is surely another", records: caa(`example.com. 60 CAA 0 issue "ca.test"`, `example.com. 60 CAA 0 issue "letsencrypt.org"`),
			domain: "example.com", warns: true, says: "lets ca.test issue"},
		{name: "one that is unknown, for wildcards alone", records: caa(`example.com. 60 CAA 0 issue ";"`, `example.com. 60 CAA 0 issuewild "ca.test"`), domain: "*.example.com",
			warns: true, says: "lets ca.test issue for *.example.com"},
		{name: "one that is unknown to no avail", records: caa(`example.com. 60 CAA 0 issue ";"`, `example.com. 60 CAA 0 issuewild "ca.test"`), domain: "example.com",
			says: "does not let digicert.com issue for example.com"},
		{name: "a CNAME to a target without CAA leads back to the parent", records: caa("www.example.com. 60 CNAME a.cdn.test.", `cdn.test. 60 CAA 0 issue ";"`), domain: "www.example.com"},
		{name: "the resolver fails", records: caa("fail.example.com. 60 TXT x"), domain: "fail.example.com", warns: true, says: "look up CAA of fail.example.com: no resolver answers: resolver ADDRESS: SERVFAIL"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			resolver := serve(t, "127.0.0.1", "0", follows(test.records...))
			server := serve(t, "127.0.0.1", "0", zoneWith(1))
			prover := NewProver(Settings{Resolvers: []string{resolver}, NameServers: []string{server}})
			blocks, text := preflight(t, prover.NewPreflight(), assigned(), test.domain)
			want := strings.ReplaceAll(test.says, "ADDRESS", resolver)
			if blocks != (want != "" && !test.warns) || !strings.Contains(text, want) || (want == "") != (text == "") {
				t.Errorf("blocks %t: %s", blocks, text)
			}
		})
	}
}

func TestWhatIsSaidOfSeveralDomainsIsSaidOnce(t *testing.T) {
	var count tally
	resolver := serve(t, "127.0.0.1", "0", count.at("resolver", withCode(dns.RcodeServerFailure)))
	server := serve(t, "127.0.0.1", "0", zoneWith(1))
	prover := NewProver(Settings{Resolvers: []string{resolver}, NameServers: []string{server}})
	_, text := preflight(t, prover.NewPreflight(), assigned(), "example.com", "*.example.com", "example.com")
	asked := 0
	for _, question := range count.take()["resolver"] {
		if question == "CAA example.com" {
			asked++
		}
	}
	if asked != 1 || strings.Count(text, "look up CAA") != 1 {
		t.Errorf("asked %d times: %s", asked, text)
	}
}

// follows is a resolver that knows the records, and adds what a CNAME leads to.
// Names that begin with "fail" it cannot resolve.
func follows(records ...string) reply {
	direct := knows(records...)
	return func(query *dns.Msg) *dns.Msg {
		if strings.HasPrefix(query.Question[0].Name, "fail") { // a name or a top level
			return withCode(dns.RcodeServerFailure)(query)
		}
		response := direct(query)
		for _, rr := range parseRecords(records) {
			if alias, ok := rr.(*dns.CNAME); ok && alias.Hdr.Name == query.Question[0].Name {
				next := query.Copy()
				next.Question[0].Name = alias.Target
				response.Answer = append([]dns.RR{alias}, direct(next).Answer...)
			}
		}
		return response
	}
}

// fault 160
func TestTheAdviceOnCAANamesWhereTheRecordStands(t *testing.T) {
	const soaOf = " 60 SOA ns1.test. hostmaster.test. 1 3600 600 86400 60"
	for _, test := range []struct {
		name    string
		records []string
		domain  string
		hint    string
	}{
		{"at the domain", []string{`example.com. 60 CAA 0 issue ";"`, "example.com." + soaOf}, "example.com",
			`add a CAA record such as 0 issue "digicert.com" at example.com`},
		{"above it", []string{`example.com. 60 CAA 0 issue ";"`, "example.com." + soaOf}, "a.www.example.com",
			`add a CAA record such as 0 issue "digicert.com" at example.com`},
		{"in a delegated subdomain", []string{`www.sub.example.com. 60 CAA 0 issue ";"`, "sub.example.com." + soaOf}, "www.sub.example.com",
			`add a CAA record such as 0 issue "digicert.com" at www.sub.example.com, in the zone sub.example.com`},
		{"behind a CNAME", []string{"www.example.com. 60 CNAME x.cdn.test.", `x.cdn.test. 60 CAA 0 issue ";"`, "cdn.test." + soaOf}, "www.example.com",
			`add a CAA record such as 0 issue "digicert.com" at x.cdn.test, in the zone cdn.test`},
		{"of a CA that is unknown here", []string{`example.com. 60 CAA 0 issue "ca.test"`, "example.com." + soaOf}, "example.com",
			`list ca.test under caa_issuers in [dns] if the CA honours it, or add a CAA record such as 0 issue "digicert.com" at example.com`},
	} {
		t.Run(test.name, func(t *testing.T) {
			prover := NewProver(Settings{Resolvers: []string{serve(t, "127.0.0.1", "0", follows(test.records...))}, NameServers: []string{serve(t, "127.0.0.1", "0", zoneWith(1))}})
			findings, err := prover.NewPreflight().Look(t.Context(), Expectation{Zone: assigned(), Name: testName, Domains: []string{test.domain}, CAs: CAs{Ours: []string{testCA}}})
			if err != nil || len(findings) != 1 || findings[0].Hint != test.hint {
				t.Errorf("%+v, %v", findings, err)
			}
		})
	}
}
