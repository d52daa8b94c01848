package dnsvalidate

import (
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"dvagent/internal/aliyun"
)

const testCA = "digicert.com"

// assigned is the zone as DescribeDomains lists it, with the servers of AliDNS.
func assigned(servers ...string) aliyun.Domain {
	return aliyun.Domain{Name: testZone, DNSServers: servers}
}

// preflight looks at testName and the domains, and sees to it that each finding
// is a line with a hint.
func preflight(t *testing.T, f *Preflight, zone aliyun.Domain, domains ...string) (blocks bool, text string) {
	t.Helper()
	findings, err := f.Look(t.Context(), Expectation{Zone: zone, Name: testName, Domains: domains, CAs: CAs{[]string{testCA}, []string{"letsencrypt.org"}}})
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	for _, finding := range findings {
		if finding.Text == "" || finding.Hint == "" || strings.Contains(finding.Text+finding.Hint, "\n") {
			t.Errorf("not one line with a hint: %+v", finding)
		}
		blocks, texts = blocks || finding.Blocks, append(texts, finding.Text)
	}
	return blocks, strings.Join(texts, "; ")
}

// sound is what a resolver knows of the world's infrastructure.
func sound(records ...string) reply {
	return knows(slices.Concat([]string{soaOfCom, nsOfCom, aOfCom, aOfNS1, aOfNS2}, records)...)
}

func TestWhatIsWrongWithTheNameServersIsSaidBeforeTheOrder(t *testing.T) {
	healthy := zoneWith(1, ns1, ns2)
	refersBelow := func(query *dns.Msg) *dns.Msg {
		if canonical(query.Question[0].Name) != testName {
			return healthy(query)
		}
		return refers(testName + " 60 NS ns.elsewhere.test.")(query)
	}
	alias := func(more ...string) reply {
		return zoneWith(1, append(more, ns1, ns2, testName+" 60 CNAME x.example.net.")...)
	}
	tests := []struct {
		name       string
		resolver   reply
		parent     reply
		first      reply // the server that is asked for the NS records
		second     reply
		blocks     bool
		says       string // "" for nothing at all
		saysNoMore bool
	}{
		{name: "a sound zone", second: healthy},
		// fault 44
		{name: "parent and child differ", parent: refers(ns1), says: "the parent delegates to ns1.example.com, but the zone names ns1.example.com, ns2.example.com", saysNoMore: true},
		// fault 35
		{name: "a server is silent", second: func(*dns.Msg) *dns.Msg { return nil }, says: "ns2.example.com (127.0.0.2:PORT) silent; resolver 127.0.0.9:PORT told that address", saysNoMore: true},
		{name: "a server's name has no address", resolver: knows(soaOfCom, nsOfCom, aOfCom, aOfNS1), says: "ns2.example.com silent (its name has no address)", saysNoMore: true},
		{name: "a server is slow", second: after(slow+slow/10, healthy), says: "ns2.example.com answers after 1.1"},
		// fault 36
		{name: "a server refuses", second: withCode(dns.RcodeRefused), says: "ns2.example.com (127.0.0.2:PORT) refused; resolver 127.0.0.9:PORT told that address", saysNoMore: true},
		// fault 37
		{name: "a server is lame", second: lame(healthy), says: "ns2.example.com (127.0.0.2:PORT) lame (serial 1); resolver 127.0.0.9:PORT told that address", saysNoMore: true},
		{name: "a server answers from the parent", second: zoneOf("com", 1), says: "ns2.example.com (127.0.0.2:PORT) lame (answers from the zone com); resolver 127.0.0.9:PORT told that address", saysNoMore: true},
		// fault 160
		{name: "the name lies in a zone of its own, on other servers", first: refersBelow, second: refersBelow, blocks: true,
			says: "_dnsauth.example.com lies in the zone _dnsauth.example.com, and not in example.com, which delegates that (says ns2.example.com (127.0.0.2:PORT))", saysNoMore: true},
		{name: "the name lies in a zone of its own, on the same servers", second: zoneOf(testName, 1), blocks: true,
			says: "_dnsauth.example.com lies in the zone _dnsauth.example.com, and not in example.com", saysNoMore: false},
		{name: "a server that refers to the zone's own servers is lame", second: refers(ns1), says: "ns2.example.com (127.0.0.2:PORT) lame (refers example.com to ns1.example.com)"},
		{name: "no server answers with authority", first: withCode(dns.RcodeRefused), second: lame(healthy), blocks: true, says: "no name server of example.com answers with authority"},
		// fault 41
		{name: "a CNAME leads elsewhere", second: alias(), blocks: true, says: `a CNAME to "x.example.net"`},
		// fault 42
		{name: "a CNAME of a wildcard gives way", second: alias(), resolver: sound("_dvagent-wildcard.example.com. 60 CNAME x.example.net.")},
		{name: "a wildcard elsewhere does not excuse a CNAME", second: alias(), resolver: sound("_dvagent-wildcard.example.com. 60 CNAME y.example.net."), blocks: true, says: "a CNAME"},
		// fault 49
		{name: "DNSSEC is bogus", resolver: bogusFor("example.com.", sound()), blocks: true, says: "DNSSEC of example.com is bogus, says resolver 127.0.0.9:PORT", saysNoMore: true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			prover := world(t, or(test.resolver, sound()), map[string]reply{
				"127.0.0.8": or(test.parent, refers(ns1, ns2)), "127.0.0.1": or(test.first, healthy), "127.0.0.2": or(test.second, healthy),
			})
			blocks, text := preflight(t, prover.NewPreflight(), assigned("ns1.example.com", "ns2.example.com"), testZone)
			want := strings.ReplaceAll(test.says, "PORT", prover.port)
			if blocks != test.blocks || !strings.Contains(text, want) || (test.saysNoMore || want == "") && text != want {
				t.Errorf("blocks %t: %s", blocks, text)
			}
		})
	}
}

// fault 32
func TestAServerThatLagsBehindIsNamedWithBothSerials(t *testing.T) {
	tests := []struct {
		name    string
		serials [2]uint32 // of ns2 and ns3; ns1 has told the NS records
		want    string
	}{
		{"the same", [2]uint32{7, 7}, ""},
		{"behind", [2]uint32{7, 8}, "ns2.example.com (127.0.0.2:PORT) stale (serial 7, others have 8)"},
		{"behind, though the number is greater (RFC 1982)", [2]uint32{5, 4294967295}, "ns3.example.com (127.0.0.3:PORT) stale (serial 4294967295, others have 5)"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			prover := world(t, sound(aOfNS3), map[string]reply{
				"127.0.0.8": refers(ns1, ns2, ns3), "127.0.0.1": zoneWith(7, ns1, ns2, ns3),
				"127.0.0.2": zoneWith(test.serials[0]), "127.0.0.3": zoneWith(test.serials[1]),
			})
			blocks, text := preflight(t, prover.NewPreflight(), assigned("ns1.example.com", "ns2.example.com", "ns3.example.com"))
			if blocks || text != strings.ReplaceAll(test.want, "PORT", prover.port) {
				t.Errorf("blocks %t: %s", blocks, text)
			}
		})
	}
}

// fault 44
func TestTheDelegationIsComparedWithTheServersOfAliDNS(t *testing.T) {
	tests := []struct {
		name     string
		resolver reply
		delegate []string // NS records
		assigned []string
		blocks   bool
		says     string
	}{
		{"to all of them, spelt otherwise", sound(), []string{ns1, ns2}, []string{"NS1.Example.COM.", "ns2.example.com."}, false, ""},
		{"to one of them", sound(), []string{ns1}, []string{"ns1.example.com", "ns2.example.com"}, false, ""},
		{"to others alone", sound(), []string{ns2}, []string{"ns1.example.com"}, true, "example.com is delegated to ns2.example.com, which AliDNS does not write to (says ns.nic.com (127.0.0.8:PORT))"},
		{"to another one too", sound(), []string{ns1, ns2}, []string{"ns1.example.com"}, true, "example.com is delegated to ns2.example.com, which"},
		{"to names of one's own for their addresses", sound("dns1.alidns.test. 60 A 127.0.0.1", "dns2.alidns.test. 60 A 127.0.0.2"), []string{ns1, ns2},
			[]string{"dns1.alidns.test", "dns2.alidns.test"}, false, "example.com is delegated to ns1.example.com, ns2.example.com, by address servers that AliDNS assigned"},
		{"to a name of one's own that has a further address", sound("ns1.example.com. 60 A 127.0.0.3", "dns1.alidns.test. 60 A 127.0.0.1"), []string{ns1},
			[]string{"dns1.alidns.test"}, true, "example.com is delegated to ns1.example.com, which"},
		{"to names that cannot be compared: the addresses of those that AliDNS assigned are unknown", sound(), []string{ns1, ns2}, []string{"dns1.alidns.test", "dns2.alidns.test"}, false,
			"example.com is delegated to ns1.example.com, ns2.example.com, which was not compared with the servers that AliDNS assigned: no resolver tells the addresses of dns1.alidns.test, dns2.alidns.test"},
		{"AliDNS names none", sound(), []string{ns1}, nil, false, "AliDNS names no name servers for example.com"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			server := zoneWith(1, test.delegate...)
			prover := world(t, test.resolver, map[string]reply{
				"127.0.0.8": refers(test.delegate...), "127.0.0.1": server, "127.0.0.2": server, "127.0.0.3": server,
			})
			blocks, text := preflight(t, prover.NewPreflight(), assigned(test.assigned...))
			want := strings.ReplaceAll(test.says, "PORT", prover.port)
			if blocks != test.blocks || !strings.Contains(text, want) || (want == "") != (text == "") {
				t.Errorf("blocks %t: %s", blocks, text)
			}
		})
	}
	t.Run("configured name servers are not compared", func(t *testing.T) {
		prover := world(t, sound(), map[string]reply{"127.0.0.1": zoneWith(1)})
		prover.settings.NameServers = []string{"ns1.example.com:" + prover.port}
		if _, text := preflight(t, prover.NewPreflight(), assigned("dns1.alidns.test")); text != "" {
			t.Error(text)
		}
	})
}

// fault 44
func TestAForeignServerBlocksByTheWordOfANameServer(t *testing.T) {
	view := sound("example.com. 60 NS ad1.corp.test.", "ad1.corp.test. 60 A 127.0.0.5", "dns1.alidns.test. 60 A 127.0.0.1")
	const ad1 = "example.com. 600 NS ad1.corp.test."
	cached := changed(refers(ad1), func(m *dns.Msg) { m.RecursionAvailable = true })
	tests := []struct {
		name   string
		parent reply
		blocks bool
		says   string // who
	}{
		{"port 53 is closed on the way out, and a resolver has a view of its own", nil, false, "resolver 127.0.0.9:PORT"},
		{"a resolver answers in the parent's place", cached, false, "ns.nic.com (127.0.0.8:PORT)"},
		{"the parent refers to it", refers(ad1), true, "ns.nic.com (127.0.0.8:PORT)"},
		{"a server with authority for both names it", zoneOf(testZone, 1, ad1), true, "ns.nic.com (127.0.0.8:PORT)"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			servers := map[string]reply{"127.0.0.5": zoneWith(1, ad1)}
			if test.parent != nil {
				servers["127.0.0.8"] = test.parent
			}
			prover := world(t, view, servers)
			blocks, text := preflight(t, prover.NewPreflight(), assigned("dns1.alidns.test"))
			want := "example.com is delegated to ad1.corp.test, which AliDNS does not write to (says " + strings.ReplaceAll(test.says, "PORT", prover.port) + ")"
			if blocks != test.blocks || text != want {
				t.Errorf("blocks %t: %s", blocks, text)
			}
		})
	}
}

// fault 44
func TestEachAccountThatHostsAZoneIsComparedWithItsOwnServers(t *testing.T) {
	var count tally
	server := count.at("servers", zoneWith(1, ns1, ns2))
	pass := world(t, sound(), map[string]reply{"127.0.0.8": refers(ns1, ns2), "127.0.0.1": server, "127.0.0.2": server}).NewPreflight()
	for _, account := range []struct {
		servers []string
		blocks  bool
	}{
		{[]string{"ns1.example.com", "ns2.example.com"}, false},
		{[]string{"ns1.example.com"}, true},
		{[]string{"ns2.example.com", "ns1.example.com"}, false},
	} {
		if blocks, text := preflight(t, pass, assigned(account.servers...)); blocks != account.blocks {
			t.Errorf("%q: blocks %t: %s", account.servers, blocks, text)
		}
	}
	if asked := count.take()["servers"]; len(asked) != 2 {
		t.Errorf("the servers were asked %q", asked)
	}
}

// faults 44 and 46
func TestAHostedSubzoneThatItsParentDoesNotDelegateBlocks(t *testing.T) {
	const sub = "sub.example.com"
	resolver := knows("example.com. 600 SOA ns1.example.com. hostmaster.example.com. 1 3600 600 86400 600", ns1, aOfNS1,
		sub+". 600 NS ns2.example.com.", aOfNS2)
	forgetful := knows("example.com. 600 SOA ns1.example.com. hostmaster.example.com. 1 3600 600 86400 600", ns1, aOfNS1)
	for name, resolver := range map[string]reply{"a resolver remembers another time": resolver, "nobody names a server": forgetful} {
		t.Run(name, func(t *testing.T) {
			prover := world(t, resolver, map[string]reply{"127.0.0.1": zoneWith(1, ns1), "127.0.0.2": zoneOf(sub, 1)})
			zone := aliyun.Domain{Name: sub, DNSServers: []string{"ns2.example.com"}}
			findings, err := prover.NewPreflight().Look(t.Context(), Expectation{Zone: zone, Name: "_dnsauth." + sub})
			want := "example.com does not delegate sub.example.com, says ns1.example.com (127.0.0.1:" + prover.port + "): resolvers answer from example.com"
			if err != nil || len(findings) != 1 || !findings[0].Blocks || findings[0].Text != want || !strings.Contains(findings[0].Hint, "to ns2.example.com") {
				t.Errorf("%+v, %v", findings, err)
			}
		})
	}
}

func TestWithoutANameInTheZoneItsApexIsAskedFor(t *testing.T) {
	prover := NewProver(Settings{NameServers: []string{serve(t, "127.0.0.1", "0", func(query *dns.Msg) *dns.Msg {
		if !within(canonical(query.Question[0].Name), testZone) {
			return withCode(dns.RcodeRefused)(query)
		}
		return zoneWith(1)(query)
	})}, Resolvers: []string{serve(t, "127.0.0.1", "0", sound())}})
	for _, name := range []string{"", "_dnsauth.example.net"} {
		findings, err := prover.NewPreflight().Look(t.Context(), Expectation{Zone: assigned(), Name: name})
		if err != nil || len(findings) > 0 {
			t.Errorf("%q: %+v, %v", name, findings, err)
		}
	}
}

// fault 45
func TestAnAddressWithoutARouteIsNoFinding(t *testing.T) {
	noRoute := ServerVerdict{Name: "ns1.example.com", Address: "[2001:db8::1]:53", State: stateNoRoute}
	if findings := unread(testZone, []ServerVerdict{noRoute, {State: stateNotYet}}, nil); len(findings) > 0 {
		t.Error(findings)
	}
}

// What cannot be heard from here the CA may hear.
func TestServersThatCannotBeReadBlockWhenTheyAnswer(t *testing.T) {
	for state, blocks := range map[State]bool{
		stateSilent: false, stateNoRoute: false, stateIntercepted: false, stateTruncated: false, stateMalformed: false, // faults 35, 45
		stateRefused: true, stateFailed: true, stateLame: true, // faults 36, 37
	} {
		findings := unread(testZone, []ServerVerdict{{Address: "192.0.2.1:53", State: state}}, nil)
		if last := findings[len(findings)-1]; last.Blocks != blocks || !strings.Contains(last.Text, "no name server of example.com") {
			t.Errorf("%s: %+v", state, findings)
		}
	}
}

// fault 49
func TestBogusDNSSECIsBelievedWhenItStays(t *testing.T) {
	failing, sound, signed := withCode(dns.RcodeServerFailure), sound(), changed(sound(), func(m *dns.Msg) { m.AuthenticatedData = true })
	tests := []struct {
		name      string
		resolvers []reply
		blocks    bool
	}{
		{"nobody validates", []reply{sound, sound}, false},
		{"the first one finds it broken, and the second one sound", []reply{bogusFor("example.com.", sound), signed}, false},
		{"the first one finds it broken, and the second one does not validate", []reply{bogusFor("example.com.", sound), sound}, true},
		{"one with an old trust anchor finds everything broken", []reply{bogusFor(".", bogusFor("example.com.", sound))}, false},
		{"beside that one another finds it broken", []reply{bogusFor(".", bogusFor("example.com.", sound)), bogusFor("example.com.", sound)}, true},
		{"the second one validates, and finds it broken", []reply{sound, bogusFor("example.com.", sound)}, true},
		{"the first one has found it sound", []reply{signed, bogusFor("example.com.", sound)}, false},
		{"a failure that passes", []reply{inTurn(failing, sound)}, false},
		{"a resolver that fails even without checking", []reply{failing}, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			settings := Settings{NameServers: []string{serve(t, "127.0.0.1", "0", zoneWith(1))}}
			for _, resolver := range test.resolvers {
				settings.Resolvers = append(settings.Resolvers, serve(t, "127.0.0.1", "0", resolver))
			}
			if blocks, text := preflight(t, NewProver(settings).NewPreflight(), assigned()); blocks != test.blocks {
				t.Errorf("blocks %t: %s", blocks, text)
			}
		})
	}
}

// fault 49
func TestAResolverThatFindsTheRootBogusIsItselfToBeMended(t *testing.T) {
	address := serve(t, "127.0.0.1", "0", bogusFor(".", bogusFor("example.com.", sound())))
	prover := NewProver(Settings{NameServers: []string{serve(t, "127.0.0.1", "0", zoneWith(1))}, Resolvers: []string{address}})
	blocks, text := preflight(t, prover.NewPreflight(), assigned())
	if want := "resolver " + address + " finds DNSSEC of the root bogus, and so of every zone"; blocks || text != want {
		t.Errorf("blocks %t: %s", blocks, text)
	}
}

func or(given, usual reply) reply {
	if given != nil {
		return given
	}
	return usual
}

func lame(r reply) reply {
	return changed(r, func(m *dns.Msg) { m.Authoritative = false })
}

// bogusFor is a resolver that validates, and a zone that it finds broken.
func bogusFor(name string, r reply) reply {
	return func(query *dns.Msg) *dns.Msg {
		if query.Question[0].Name == name && query.Question[0].Qtype == dns.TypeSOA && !query.CheckingDisabled {
			return withCode(dns.RcodeServerFailure)(query)
		}
		return r(query)
	}
}
