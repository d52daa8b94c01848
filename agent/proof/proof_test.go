package proof

import (
	"slices"
	"strings"
	"testing"

	"dvagent/agent/config"
	"dvagent/agent/order"
	"dvagent/agent/state"
)

// fault 159
func TestACAIsKnownByEachNameThatItHonours(t *testing.T) {
	configured := config.Config{DNS: config.DNS{CAAIssuers: []string{"ca.example"}}}
	cas := NewDNS(NewZones(state.NewHost(&configured, nil, nil), nil)).cas()
	for _, name := range []string{"digicert.com", "www.digicert.com", "digicert.ne.jp", "cybertrust.ne.jp", "globalsign.com", "ca.example"} {
		if !slices.Contains(cas.Ours, name) {
			t.Errorf("%s is not known", name)
		}
	}
	for _, name := range cas.Others {
		if slices.Contains(cas.Ours, name) {
			t.Errorf("%s is of ours and of another", name)
		}
	}
	if cas.Ours[0] != "digicert.com" {
		t.Errorf("%s would be advised", cas.Ours[0])
	}
}

func TestAChallengeIsWrittenOnlyAtNamesOfTheDomains(t *testing.T) {
	two := []string{"example.com", "www.example.org"}
	for _, tt := range []struct {
		name    string
		asked   order.Challenge
		domains []string
		want    []string // names; nil: refused
	}{
		{"a whole name", order.Challenge{Kind: order.TXT, Name: "_dnsauth.example.com"}, two, []string{"_dnsauth.example.com"}},
		{"a relative name of one registered domain", order.Challenge{Kind: order.TXT, Name: "_dnsauth"}, two[:1], []string{"_dnsauth.example.com"}},
		{"a relative name of two", order.Challenge{Kind: order.TXT, Name: "_dnsauth"}, two, []string{"_dnsauth.example.com", "_dnsauth.example.org"}},
		{"a relative name of the domain that is told", order.Challenge{Kind: order.CNAME, Domain: "www.example.org", Name: "_0a1b2c3d4e"}, two, []string{"_0a1b2c3d4e.example.org"}},
		{"a foreign name", order.Challenge{Kind: order.TXT, Name: "_dnsauth.example.net"}, two, nil},
		{"a foreign name of a domain that is told", order.Challenge{Kind: order.TXT, Domain: "example.com", Name: "_dnsauth.example.net"}, two[:1], nil},
		{"the label of the last order", order.Challenge{Kind: order.TXT, Name: "_odd.example.com"}, two, []string{"_odd.example.com"}},
		{"what proves to an ACME CA", order.Challenge{Kind: order.TXT, Name: "_acme-challenge.example.com"}, two, nil}, // fault 172
		{"what leads an ACME CA elsewhere", order.Challenge{Kind: order.CNAME, Name: "_acme-challenge.example.com"}, two, nil},
		{"a policy for mail", order.Challenge{Kind: order.TXT, Name: "_dmarc.example.com"}, two, nil},
		{"a key for mail", order.Challenge{Kind: order.CNAME, Name: "_domainkey.example.com"}, two, nil},
		{"a neighbour", order.Challenge{Kind: order.TXT, Name: "_dnsauth.other.example.org"}, two, nil},
		{"a token at a host", order.Challenge{Kind: order.TXT, Domain: "example.com", Name: "example.com", Value: "2026112700000000abcdef"}, two, []string{"example.com"}},
		{"a policy at a host", order.Challenge{Kind: order.TXT, Domain: "example.com", Name: "example.com", Value: "v=spf1 +all"}, two, nil},
		{"a host", order.Challenge{Kind: order.TXT, Name: "www"}, two, nil},
		{"a value of any length", order.Challenge{Kind: order.CNAME, Name: "_0a1b2c3d4e.example.com", Value: strings.Repeat("x", longest+1)}, two, nil}, // fault 174
		{"a record of another kind", order.Challenge{Kind: "MX", Name: "_dnsauth.example.com"}, two, nil},
		{"a file", order.Challenge{Kind: order.File, Name: "Example.com/.well-known/pki-validation/a.txt", Value: "x"}, two, []string{"example.com/.well-known/pki-validation/a.txt"}}, // fault 116
		{"a file of a domain that is told", order.Challenge{Kind: order.File, Domain: "example.com", Name: "/.well-known/pki-validation/a.txt", Value: "x"}, two, []string{"example.com/.well-known/pki-validation/a.txt"}},
		{"a file of a foreign host", order.Challenge{Kind: order.File, Name: "example.net/.well-known/pki-validation/a.txt", Value: "x"}, two, nil},
		{"a file somewhere else", order.Challenge{Kind: order.File, Name: "example.com/index.html", Value: "x"}, two, nil},
		{"a file with a script", order.Challenge{Kind: order.File, Name: "example.com/.well-known/pki-validation/a.html", Value: "<script>"}, two, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			checked, err := Check(tt.asked, tt.domains, "_odd.example.org")
			var names []string
			for _, c := range checked {
				names = append(names, c.Name)
			}
			if !slices.Equal(names, tt.want) || (err != nil) != (tt.want == nil) {
				t.Errorf("got %q, %v", names, err)
			}
		})
	}
}

func TestAProofIsExpectedWhereTheLastOneWas(t *testing.T) {
	for _, tt := range []struct {
		name, last, domain string
		domains            []string
		want               string
	}{
		{"the first order", "", "www.example.com", []string{"www.example.com"}, "_dnsauth.www.example.com"},
		{"under the domain", "_0a1b2c3d4e.www.example.com", "www.example.com", []string{"www.example.com"}, "_0a1b2c3d4e.www.example.com"},
		{"at the registered domain", "_dnsauth.example.com", "www.example.com", []string{"www.example.com"}, "_dnsauth.example.com"},
		{"at the registered domain, for several hosts", "_dnsauth.example.com", "b.example.com", []string{"a.example.com", "b.example.com"}, "_dnsauth.example.com"},
		{"of another domain, which is the parent", "_dnsauth.example.com", "www.example.com", []string{"example.com", "www.example.com"}, "_dnsauth.www.example.com"},
		{"of another registered domain", "_dnsauth.example.com", "example.net", []string{"www.example.com", "example.net"}, "_dnsauth.example.net"},
		{"of a wildcard", "_dnsauth.example.com", "*.example.com", []string{"*.example.com"}, "_dnsauth.example.com"},
		{"of a certificate with other names", "_dnsauth.example.org", "www.example.com", []string{"www.example.com"}, "_dnsauth.www.example.com"},
	} {
		if got := expectedName(tt.last, tt.domain, tt.domains); got != tt.want {
			t.Errorf("%s: %s", tt.name, got)
		}
	}
}
