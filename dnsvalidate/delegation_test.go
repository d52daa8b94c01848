package dnsvalidate

import (
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"dvagent/internal/hint"
)

// knows answers with the records that the question fits, as a resolver would.
func knows(records ...string) reply {
	parsed := parseRecords(records)
	return func(query *dns.Msg) *dns.Msg {
		response := new(dns.Msg).SetReply(query)
		response.RecursionAvailable = true
		asked := query.Question[0]
		for _, rr := range parsed {
			if rr.Header().Name == asked.Name && rr.Header().Rrtype == asked.Qtype {
				response.Answer = append(response.Answer, dns.Copy(rr))
			}
		}
		return response
	}
}

// refers delegates to the servers of its NS records, with the others as glue.
func refers(records ...string) reply {
	return func(query *dns.Msg) *dns.Msg {
		response := new(dns.Msg).SetReply(query)
		for _, rr := range parseRecords(records) {
			if rr.Header().Rrtype == dns.TypeNS {
				response.Ns = append(response.Ns, rr)
			} else {
				response.Extra = append(response.Extra, rr)
			}
		}
		return response
	}
}

const (
	soaOfCom = "com. 600 SOA ns.nic.com. hostmaster.nic.com. 1 3600 600 86400 600"
	nsOfCom  = "com. 600 NS ns.nic.com."
	aOfCom   = "ns.nic.com. 600 A 127.0.0.8"
	ns1      = "example.com. 600 NS ns1.example.com."
	ns2      = "example.com. 600 NS ns2.example.com."
	ns3      = "example.com. 600 NS ns3.example.com."
	aOfNS1   = "ns1.example.com. 600 A 127.0.0.1"
	aOfNS2   = "ns2.example.com. 600 A 127.0.0.2"
	aOfNS3   = "ns3.example.com. 600 A 127.0.0.3"
)

// world starts name servers at one port of the addresses, and a Prover that
// looks for them there, through the resolver.
func world(t *testing.T, resolver reply, servers map[string]reply) *Prover {
	t.Helper()
	address := serve(t, "127.0.0.9", "0", resolver)
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	for ip, answer := range servers {
		serve(t, ip, port, answer)
	}
	prover := NewProver(Settings{Resolvers: []string{address}})
	prover.port = port
	return prover
}

// fault 44
func TestNameServersAreFoundFromTheZoneCutDown(t *testing.T) {
	child := func(records ...string) reply { return zoneWith(1, append(records, txt(testName, testValue))...) }
	tests := []struct {
		name     string
		resolver reply
		parent   reply
		child    reply
		servers  []string
		says     string
	}{
		{
			"parent and child agree", knows(soaOfCom, nsOfCom, aOfCom, aOfNS1, aOfNS2), refers(ns1, ns2), child(ns2, ns1),
			[]string{"ns1.example.com", "ns2.example.com"}, "2 of 2 visible",
		},
		{
			"parent and child differ, and both are asked", knows(soaOfCom, nsOfCom, aOfCom, aOfNS1, aOfNS2, aOfNS3), refers(ns1, ns2), child(ns1, ns3),
			[]string{"ns1.example.com", "ns2.example.com", "ns3.example.com"},
			"the parent delegates to ns1.example.com, ns2.example.com, but the zone names ns1.example.com, ns3.example.com; 3 of 3 visible",
		},
		{
			"glue serves where the resolver does not know a host", knows(soaOfCom, nsOfCom, aOfCom), refers(ns1, aOfNS1), child(ns1),
			[]string{"ns1.example.com"}, "1 of 1 visible",
		},
		{
			"a name without an address counts as silent", knows(soaOfCom, nsOfCom, aOfCom, aOfNS1), refers(ns1, ns2), child(ns1, ns2),
			[]string{"ns1.example.com", "ns2.example.com"}, "ns2.example.com silent (its name has no address); 1 of 2 visible",
		},
		{
			"the resolver is believed when the parent cannot be asked", knows(ns1, aOfNS1), refers(ns3), child(ns1),
			[]string{"ns1.example.com"}, "1 of 1 visible",
		},
		{
			"the resolver is believed when the parent refuses", knows(soaOfCom, nsOfCom, aOfCom, ns1, aOfNS1), withCode(dns.RcodeRefused), child(ns1),
			[]string{"ns1.example.com"}, "1 of 1 visible",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			prover := world(t, test.resolver, map[string]reply{
				"127.0.0.8": test.parent, "127.0.0.1": test.child, "127.0.0.2": test.child, "127.0.0.3": test.child,
			})
			verdict, err := prover.Look(t.Context(), question())
			if err != nil {
				t.Fatal(err)
			}
			var names []string
			for _, server := range verdict.Servers {
				names = append(names, server.Name)
			}
			if !slices.Equal(names, test.servers) || verdict.String() != test.says {
				t.Errorf("asked %q: %s", names, verdict)
			}
		})
	}
}

func TestTheNameServersOfAZoneAreRememberedForAWhile(t *testing.T) {
	var asked atomic.Int32
	resolver := knows(ns1, aOfNS1)
	prover := world(t, func(query *dns.Msg) *dns.Msg { asked.Add(1); return resolver(query) },
		map[string]reply{"127.0.0.1": published()})
	var counts []int32
	for range 2 {
		if _, err := prover.Look(t.Context(), question()); err != nil {
			t.Fatal(err)
		}
		counts = append(counts, asked.Load())
	}
	if counts[0] == 0 || counts[0] != counts[1] {
		t.Errorf("the resolver was asked %d times after each look", counts)
	}
}

func TestAZoneWithoutNameServersIsAnErrorWithAHint(t *testing.T) {
	for name, resolver := range map[string]reply{
		"nobody is named":    knows(),
		"the resolver fails": withCode(dns.RcodeServerFailure),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := world(t, resolver, nil).Look(t.Context(), question())
			if err == nil || hint.Of(err) == "" || strings.Contains(err.Error(), "\n") {
				t.Errorf("%v, hint %q", err, hint.Of(err))
			}
		})
	}
}

func TestTheSecondResolverIsAskedWhenTheFirstFails(t *testing.T) {
	prover := world(t, knows(ns1, aOfNS1), map[string]reply{"127.0.0.1": published()})
	broken := serve(t, "127.0.0.1", "0", withCode(dns.RcodeServerFailure))
	prover.settings.Resolvers = append([]string{broken}, prover.settings.Resolvers...)
	if verdict, err := prover.Look(t.Context(), question()); err != nil || !verdict.Visible {
		t.Error(verdict, err)
	}
}

// A resolver that is dead costs its three seconds once, not at each question.
func TestADeadResolverIsAskedOnce(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	dead := servePackets(t, func(*dns.Msg) []byte { asked.Add(1); return nil })
	prover := world(t, sound(), map[string]reply{"127.0.0.8": refers(ns1, ns2), "127.0.0.1": zoneWith(1, ns1, ns2), "127.0.0.2": zoneWith(1)})
	prover.settings.Resolvers = slices.Insert(prover.settings.Resolvers, 0, dead)
	begun := time.Now()
	_, text := preflight(t, prover.NewPreflight(), assigned("ns1.example.com", "ns2.example.com"), "www.example.com", "*.example.com")
	if took := time.Since(begun); text != "" || took > askLimit+2*time.Second || asked.Load() > 2 { // a datagram is sent twice
		t.Errorf("%d datagrams in %s: %s", asked.Load(), took, text)
	}
}

// fault 35
func TestASilentServerDoesNotHoldUpTheDiscovery(t *testing.T) {
	t.Parallel()
	prover := world(t, sound(aOfNS3), map[string]reply{
		"127.0.0.8": refers(ns1, ns2), "127.0.0.1": func(*dns.Msg) *dns.Msg { return nil }, "127.0.0.2": zoneWith(1, ns2, ns3),
	})
	begun := time.Now()
	found, err := prover.delegation(t.Context(), testZone)
	if took := time.Since(begun); err != nil || took > askLimit-time.Second || len(found.servers) != 3 || found.spoke != "127.0.0.2:"+prover.port {
		t.Errorf("%+v, %v after %s", found, err, took)
	}
}

func TestSimultaneousLooksDiscoverAZoneOnce(t *testing.T) {
	var count tally
	prover := world(t, sound(), map[string]reply{"127.0.0.8": count.at("parent", refers(ns1)), "127.0.0.1": published()})
	inParallel(100, func(int) {
		if _, err := prover.delegation(t.Context(), testZone); err != nil {
			t.Error(err)
		}
	})
	if asked := count.take()["parent"]; len(asked) != 1 {
		t.Errorf("the parent was asked %q", asked)
	}
}

func TestADiscoveryThatFailedIsMadeAgain(t *testing.T) {
	resolver, working := sound(ns1), atomic.Bool{}
	prover := world(t, func(query *dns.Msg) *dns.Msg {
		if working.Load() {
			return resolver(query)
		}
		return withCode(dns.RcodeServerFailure)(query)
	}, map[string]reply{"127.0.0.8": refers(ns1), "127.0.0.1": published()})
	if found, err := prover.delegation(t.Context(), testZone); err == nil {
		t.Error(found)
	}
	working.Store(true)
	if _, err := prover.delegation(t.Context(), testZone); err != nil {
		t.Error(err)
	}
}

func TestAConfiguredNameServerMayBeAName(t *testing.T) {
	prover := world(t, knows(aOfNS1), map[string]reply{"127.0.0.1": published()})
	prover.settings.NameServers = []string{net.JoinHostPort("ns1.example.com", prover.port)}
	verdict, err := prover.Look(t.Context(), question())
	if err != nil || !verdict.Visible || verdict.Servers[0].Name != "ns1.example.com" {
		t.Error(verdict, err)
	}
}

func TestAPortIsAddedWhereItIsLeftOut(t *testing.T) {
	for address, want := range map[string]string{
		"127.0.0.1": "127.0.0.1:53", "127.0.0.1:5353": "127.0.0.1:5353",
		"::1": "[::1]:53", "[::1]": "[::1]:53", "[::1]:5353": "[::1]:5353", "ns1.example.com": "ns1.example.com:53",
	} {
		if got := withPort(address); got != want {
			t.Errorf("%s became %s, want %s", address, got, want)
		}
	}
}
