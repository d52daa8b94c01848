package dnsvalidate

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/miekg/dns"

	"dvagent/internal/aliyun"
)

// tally notes who is asked what.
type tally struct {
	mu    sync.Mutex
	asked map[string][]string // by server
}

func (c *tally) at(server string, r reply) reply {
	return func(query *dns.Msg) *dns.Msg {
		asked := query.Question[0]
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.asked == nil {
			c.asked = make(map[string][]string)
		}
		c.asked[server] = append(c.asked[server], dns.TypeToString[asked.Qtype]+" "+canonical(asked.Name))
		return r(query)
	}
}

// take returns what was asked since it was called last.
func (c *tally) take() map[string][]string {
	c.mu.Lock()
	defer c.mu.Unlock()
	asked := c.asked
	c.asked = nil
	return asked
}

func TestAPreflightAsksEachServerOnce(t *testing.T) {
	var count tally
	zone := zoneWith(1, ns1, ns2, ns3)
	servers := map[string]reply{"127.0.0.8": refers(ns1, ns2, ns3)}
	for _, ip := range []string{"127.0.0.1", "127.0.0.2", "127.0.0.3"} {
		servers[ip] = count.at(ip, zone)
	}
	prover := world(t, count.at("resolver", sound(aOfNS3)), servers)
	pass := prover.NewPreflight()
	look := func(f *Preflight, name string, domains ...string) {
		t.Helper()
		zone := assigned("ns1.example.com", "ns2.example.com", "ns3.example.com")
		findings, err := f.Look(t.Context(), Expectation{Zone: zone, Name: name, Domains: domains, CAs: CAs{Ours: []string{testCA}}})
		if err != nil || len(findings) > 0 {
			t.Error(findings, err)
		}
	}
	expect := func(want map[string][]string) {
		t.Helper()
		asked := count.take()
		caa := slices.DeleteFunc(asked["resolver"], func(q string) bool { return !strings.HasPrefix(q, "CAA") })
		if unique := slices.Compact(slices.Sorted(slices.Values(caa))); len(unique) != len(caa) {
			t.Errorf("the resolver was asked twice: %q", caa)
		}
		if delete(asked, "resolver"); !maps.EqualFunc(asked, want, slices.Equal) {
			t.Errorf("asked were %q", asked)
		}
	}
	const txtQuestion = "TXT " + testName
	look(pass, testName, testZone, "*."+testZone, "www."+testZone, "a.www."+testZone)
	expect(map[string][]string{"127.0.0.1": {"NS example.com"}, "127.0.0.2": {txtQuestion}, "127.0.0.3": {txtQuestion}})

	// Another certificate in the zone costs one question for its name, the same name none.
	look(pass, "_dnsauth.www.example.com", "www."+testZone)
	expect(map[string][]string{"127.0.0.2": {"TXT _dnsauth.www.example.com"}})
	look(pass, testName, "www."+testZone)
	expect(nil)

	// What was discovered within the last minute is not asked for again.
	look(prover.NewPreflight(), testName)
	expect(map[string][]string{"127.0.0.1": {txtQuestion}, "127.0.0.2": {txtQuestion}, "127.0.0.3": {txtQuestion}})
}

func TestASubzoneOnTheServersOfItsParentIsAskedForOnce(t *testing.T) {
	const sub = "sub.example.com"
	var count tally
	server := zoneOf(sub, 1, sub+". 60 NS ns1.example.com.", sub+". 60 NS ns2.example.com.")
	prover := world(t, knows("example.com. 600 SOA ns1.example.com. hostmaster.example.com. 1 3600 600 86400 600", ns1, ns2, aOfNS1, aOfNS2),
		map[string]reply{"127.0.0.1": count.at("127.0.0.1", server), "127.0.0.2": count.at("127.0.0.2", server)})
	zone := aliyun.Domain{Name: sub, DNSServers: []string{"ns1.example.com", "ns2.example.com"}}
	findings, err := prover.NewPreflight().Look(t.Context(), Expectation{Zone: zone, Name: "_dnsauth." + sub})
	want := map[string][]string{"127.0.0.1": {"NS " + sub}, "127.0.0.2": {"TXT _dnsauth." + sub}}
	if asked := count.take(); err != nil || len(findings) > 0 || !maps.EqualFunc(asked, want, slices.Equal) {
		t.Errorf("%v, %v after %q", findings, err, asked)
	}
}

func TestAHundredCertificatesOfAZoneShareOnePreflight(t *testing.T) {
	var count tally
	prover := world(t, sound(), map[string]reply{
		"127.0.0.8": count.at("parent", refers(ns1, ns2)), "127.0.0.1": zoneWith(1, ns1, ns2), "127.0.0.2": count.at("child", zoneWith(1)),
	})
	pass := prover.NewPreflight()
	inParallel(100, func(i int) {
		name := fmt.Sprintf("_dnsauth.h%d.example.com", i)
		findings, err := pass.Look(t.Context(), Expectation{
			Zone: assigned("ns1.example.com", "ns2.example.com"), Name: name, Domains: []string{name[9:]}, CAs: CAs{Ours: []string{testCA}},
		})
		if err != nil || len(findings) > 0 {
			t.Error(findings, err)
		}
	})
	if asked := count.take(); len(asked["parent"]) != 1 || len(asked["child"]) != 100 {
		t.Errorf("the parent was asked %d times, the child %d times", len(asked["parent"]), len(asked["child"]))
	}
}
