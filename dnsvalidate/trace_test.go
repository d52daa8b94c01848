package dnsvalidate

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// transcript spells exchanges without ports and times, one a line.
func transcript(exchanges []Exchange) []string {
	var lines []string
	for _, x := range exchanges {
		host, _, _ := net.SplitHostPort(x.Address)
		lines = append(lines, fmt.Sprintf("%s (%s) %s %s: %s: %s", x.Server, host, x.Network, x.Question, x.Answer, strings.Join(x.Records, "; ")))
	}
	return lines
}

// fault 44
func TestATraceShowsTheWholeWalkAlthoughMuchOfItIsRemembered(t *testing.T) {
	soa := record("example.com. 600 SOA ns1.example.com. hostmaster.example.com. 7 3600 600 86400 600")
	resolver := func(query *dns.Msg) *dns.Msg {
		response := knows(soaOfCom, nsOfCom, aOfCom, aOfNS1, aOfNS2)(query)
		if query.Question[0].Name == testName+"." {
			response.Ns = []dns.RR{dns.Copy(soa)}
		}
		return response
	}
	child := zoneWith(7, ns1, ns2, txt(testName, testValue))
	prover := world(t, resolver, map[string]reply{"127.0.0.8": refers(ns1, ns2), "127.0.0.1": child, "127.0.0.2": child})
	if _, err := prover.Look(t.Context(), question()); err != nil {
		t.Fatal(err)
	}
	trace, err := prover.Trace(t.Context(), question())
	if err != nil {
		t.Fatal(err)
	}
	lines := transcript(trace.Exchanges)
	at := -1
	for _, want := range []string{ // in this order, others may come between
		"resolver (127.0.0.9) UDP SOA _dnsauth.example.com: NOERROR ra: example.com serial 7 (ttl 600)",
		"resolver (127.0.0.9) UDP SOA com: NOERROR ra: serial 1 (ttl 600)",
		"resolver (127.0.0.9) UDP NS com: NOERROR ra: ns.nic.com. (ttl 600)",
		"resolver (127.0.0.9) UDP A ns.nic.com: NOERROR ra: 127.0.0.8 (ttl 600)",
		"ns.nic.com (127.0.0.8) UDP NS example.com: NOERROR: ns1.example.com. (ttl 600); ns2.example.com. (ttl 600)",
		"ns1.example.com (127.0.0.1) UDP NS example.com: NOERROR aa: ns1.example.com. (ttl 600); ns2.example.com. (ttl 600)",
		`ns1.example.com (127.0.0.1) UDP TXT _dnsauth.example.com: NOERROR aa: "` + testValue + `" (ttl 600)`,
	} {
		found := slices.Index(lines, want)
		if found <= at {
			t.Errorf("line %d, after line %d, is %q in\n%s", found, at, want, strings.Join(lines, "\n"))
		}
		at = found
	}
	both := `ns2.example.com (127.0.0.2) UDP TXT _dnsauth.example.com: NOERROR aa: "` + testValue + `" (ttl 600)`
	if looks := slices.DeleteFunc(slices.Clone(lines), func(line string) bool { return line != both }); len(looks) != 2 {
		t.Errorf("%d looks at ns2, not 2, in\n%s", len(looks), strings.Join(lines, "\n"))
	}
	if trace.Cut != testZone || trace.String() != "2 of 2 visible" {
		t.Errorf("cut %q, verdict %q", trace.Cut, trace.String())
	}
}

func TestATraceTellsHowEachServerAnswered(t *testing.T) {
	many := make([]string, 0, 30)
	for i := range cap(many) {
		many = append(many, txt(testName, fmt.Sprintf("%02d%s", i, strings.Repeat("x", 200))))
	}
	tests := []struct {
		name   string
		server func(t *testing.T) string
		want   []string // the end of each line that asks the name server
	}{
		{"a name that is not there", func(t *testing.T) string { return serve(t, "127.0.0.1", "0", zoneWith(7)) },
			[]string{"NXDOMAIN aa: example.com SOA serial 7 (ttl 600)"}},
		{"a refusal", func(t *testing.T) string { return serve(t, "127.0.0.1", "0", withCode(dns.RcodeRefused)) },
			[]string{"REFUSED: "}},
		{"a code without a name", func(t *testing.T) string { return serve(t, "127.0.0.1", "0", withCode(12)) },
			[]string{"RCODE 12: "}},
		// fault 33
		{"a truncated answer, and TCP", func(t *testing.T) string { return serveTruncated(t, zoneWith(7, txt(testName, "b"))) },
			[]string{"UDP TXT _dnsauth.example.com: NOERROR aa tc: ", `TCP TXT _dnsauth.example.com: NOERROR aa: "b" (ttl 600)`}},
		// fault 34
		{"a truncated answer, and no TCP", func(t *testing.T) string {
			return servePackets(t, func(query *dns.Msg) []byte {
				packet, _ := changed(published(), func(m *dns.Msg) { m.Truncated, m.Answer = true, nil })(query).Pack()
				return packet
			})
		}, []string{"NOERROR aa tc: ", "TCP TXT _dnsauth.example.com: silent (port closed): "}},
		// fault 76
		{"text that could move the cursor", func(t *testing.T) string {
			return serve(t, "127.0.0.1", "0", zoneWith(7, testName+`. 60 TXT "\027[2J" "x\"y"`))
		}, []string{`"\027[2J" "x\"y" (ttl 60)`}},
		// fault 47
		{"more records than anyone reads", func(t *testing.T) string { return serve(t, "127.0.0.1", "0", zoneWith(7, many...)) },
			[]string{"; and 10 more"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			trace, err := NewProver(Settings{Resolvers: []string{"127.0.0.1:1"}, NameServers: []string{test.server(t)}}).
				Trace(t.Context(), Question{Zone: testZone, Name: testName, Value: "a"})
			if err != nil {
				t.Fatal(err)
			}
			var lines []string
			for _, line := range transcript(trace.Exchanges) {
				if strings.HasPrefix(line, "name server (127.0.0.1)") {
					lines = append(lines, line)
				}
			}
			if len(lines) < len(test.want) {
				t.Fatalf("%q", lines)
			}
			for i, want := range test.want {
				if !strings.HasSuffix(lines[i], want) {
					t.Errorf("%q does not end in %q", lines[i], want)
				}
			}
		})
	}
}

// fault 41
func TestATraceSaysWhereCNAMEsLead(t *testing.T) {
	const target = "x.acme.example.com"
	answer := zoneWith(7, testName+". 60 CNAME "+target+".", txt(target, testValue))
	for _, tt := range []struct {
		name     string
		delegate []string
		want     CNAME
		says     string
	}{
		{"one that may be followed", []string{"acme.example.com"}, CNAME{testName, target, "acme.example.com"}, "1 of 1 visible"},
		{"one that may not", nil, CNAME{testName, target, ""}, "CNAME to x.acme.example.com; 0 of 1 visible"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			address := serve(t, "127.0.0.1", "0", answer)
			trace, err := NewProver(Settings{Resolvers: []string{address}, NameServers: []string{address}, Delegate: tt.delegate}).
				Trace(t.Context(), question())
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(trace.CNAMEs, []CNAME{tt.want}) || !strings.HasSuffix(trace.String(), tt.says) {
				t.Errorf("%+v, %s", trace.CNAMEs, trace)
			}
		})
	}
}

func TestWithoutAValueATraceListsThoseThatAreShown(t *testing.T) {
	address := func(records ...string) string { return serve(t, "127.0.0.1", "0", zoneWith(7, records...)) }
	refusing := serve(t, "127.0.0.1", "0", withCode(dns.RcodeRefused))
	lame := serve(t, "127.0.0.1", "0", changed(zoneWith(7, txt(testName, "b")), func(m *dns.Msg) { m.Authoritative = false }))
	for _, tt := range []struct {
		name    string
		servers []string
		want    string
	}{
		{"none", []string{address()}, "no TXT record is shown; there is no value to look for"},
		{"one twice", []string{address(txt(testName, "a")), address(txt(testName, "a"))}, `shown is "a"; there is no value to look for`},
		{"two of one server", []string{address(txt(testName, "a"), txt(testName, "b"))}, `shown is "a" and "b"; there is no value to look for`},
		{"none of a server without authority", []string{address(txt(testName, "a")), lame},
			`shown is "a"; there is no value to look for; ` + lame + " lame"},
		{"none of a server that refuses", []string{address(txt(testName, "a")), refusing},
			`shown is "a"; there is no value to look for; ` + refusing + " refused"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			public := serve(t, "127.0.0.1", "0", changed(knows(txt(testName, "a lie")), func(m *dns.Msg) { m.Authoritative = true }))
			trace, err := NewProver(Settings{Resolvers: tt.servers[:1], NameServers: tt.servers, PublicResolvers: []string{public}}).
				Trace(t.Context(), Question{Zone: testZone, Name: testName})
			if err != nil {
				t.Fatal(err)
			}
			if trace.String() != tt.want {
				t.Errorf("%s", trace)
			}
			last := transcript(trace.Exchanges[len(trace.Exchanges)-1:])[0]
			if last != `public resolver (127.0.0.1) UDP TXT _dnsauth.example.com: NOERROR aa ra: "a lie" (ttl 600)` {
				t.Errorf("the last line is %q", last)
			}
		})
	}
}

func TestATraceShowsWhatWasAskedWhenThereIsNobodyToAsk(t *testing.T) {
	refusing := serve(t, "127.0.0.1", "0", withCode(dns.RcodeRefused))
	trace, err := NewProver(Settings{Resolvers: []string{refusing}}).Trace(t.Context(), Question{Name: testName})
	if err == nil || !strings.Contains(err.Error(), "no resolver knows the zone") {
		t.Errorf("error %v", err)
	}
	if lines := transcript(trace.Exchanges); len(lines) != 1 || !strings.HasSuffix(lines[0], "SOA _dnsauth.example.com: REFUSED: ") {
		t.Errorf("%q", lines)
	}
}

func TestAHostNameHasTwoLabelsOrMore(t *testing.T) {
	for _, tt := range []struct {
		name, raw, want string
	}{
		{"a validation name", "_dnsauth.example.com", "_dnsauth.example.com"},
		{"upper case and a final dot", "WWW.Example.com.", "www.example.com"},
		{"an IDN", "_dnsauth.bücher.example", "_dnsauth.xn--bcher-kva.example"},
		{"one label", "localhost", ""},
		{"none", "", ""},
		{"a wildcard", "*.example.com", ""},
		{"a space", "a b.example.com", ""},
		{"an empty label", "a..example.com", ""},
		{"more than 253 characters", strings.Repeat("a.", 130) + "com", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got, ok := HostName(tt.raw); got != tt.want || ok != (tt.want != "") {
				t.Errorf("%q, %v", got, ok)
			}
		})
	}
}
