package dnsvalidate

import (
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"dvagent/internal/aliyun"
)

// faults 44 and 49
func TestWhatWouldFailIsSaidBeforeTheOrder(t *testing.T) {
	zone := aliyun.Domain{Name: testZone, DNSServers: []string{"NS1.example.com"}}
	sound := []string{soaOfCom, nsOfCom, aOfCom, aOfNS1, aOfNS2}
	with := func(records ...string) reply { return knows(slices.Concat(sound, records)...) }
	bogus := func(query *dns.Msg) *dns.Msg {
		if query.Question[0].Name == "example.com." && !query.CheckingDisabled {
			return withCode(dns.RcodeServerFailure)(query)
		}
		return with()(query)
	}
	healthy := zoneWith(1, ns1)
	tests := []struct {
		name     string
		resolver reply
		parent   reply
		child    reply
		domain   string
		blocks   bool
		says     string // "" for nothing at all
	}{
		{"a sound zone", with(), refers(ns1), healthy, "www.example.com", false, ""},
		{"a CAA that names our CA", with(`example.com. 60 CAA 0 issue "Digicert.com; policy=ev"`), refers(ns1), healthy, "www.example.com", false, ""},
		{"a CAA without an issue property", with(`example.com. 60 CAA 0 iodef "mailto:a@example.com"`), refers(ns1), healthy, "www.example.com", false, ""},
		{"issuewild does not concern a single name", with(`example.com. 60 CAA 0 issuewild ";"`), refers(ns1), healthy, "example.com", false, ""},
		{"the closest CAA counts", with(`www.example.com. 60 CAA 0 issue "digicert.com"`, `example.com. 60 CAA 0 issue ";"`), refers(ns1), healthy, "www.example.com", false, ""},
		{"a CAA that forbids all", with(`example.com. 60 CAA 0 issue ";"`), refers(ns1), healthy, "www.example.com", true, "CAA of example.com does not let digicert.com issue for www.example.com"},
		{"issue counts for a wildcard", with(`example.com. 60 CAA 0 issue "letsencrypt.org"`), refers(ns1), healthy, "*.example.com", true, "CAA of example.com"},
		{"issuewild overrides issue", with(`example.com. 60 CAA 0 issue "digicert.com"`, `example.com. 60 CAA 0 issuewild ";"`), refers(ns1), healthy, "*.example.com", true, "CAA of example.com"},
		{"DNSSEC is bogus", bogus, refers(ns1), healthy, "www.example.com", true, "DNSSEC of example.com is bogus"},
		{"delegated elsewhere", with(), refers(ns2), zoneWith(1, ns2), "www.example.com", true, "ns2.example.com too"},
		{"parent and child differ", with(), refers(ns1), zoneWith(1, ns1, ns2), "www.example.com", true, "the parent delegates to"},
		{"no server answers with authority", with(), refers(ns1), withCode(dns.RcodeRefused), "www.example.com", true, "no name server of example.com"},
		{"a CNAME leads elsewhere", with(), refers(ns1), zoneWith(1, ns1, testName+" 60 CNAME x.example.net."), "www.example.com", true, `a CNAME to "x.example.net"`},
		{"a slow server is only a warning", with(), refers(ns1), onlyTXT(after(slow+slow/10, healthy), healthy), "www.example.com", false, "answers after"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			prover := world(t, test.resolver, map[string]reply{
				"127.0.0.8": test.parent, "127.0.0.1": test.child, "127.0.0.2": test.child,
			})
			findings, err := prover.Preflight(t.Context(), zone, testName, []string{test.domain}, []string{"digicert.com"})
			if err != nil {
				t.Fatal(err)
			}
			blocks, text := false, ""
			for _, finding := range findings {
				blocks, text = blocks || finding.Blocks, text+finding.Text+"; "
			}
			if blocks != test.blocks || !strings.Contains(text, test.says) || (test.says == "") != (text == "") {
				t.Errorf("blocks %t: %s", blocks, text)
			}
		})
	}
}

// onlyTXT answers the TXT question as special, and the others as usual.
func onlyTXT(special, usual reply) reply {
	return func(query *dns.Msg) *dns.Msg {
		if query.Question[0].Qtype == dns.TypeTXT {
			return special(query)
		}
		return usual(query)
	}
}
