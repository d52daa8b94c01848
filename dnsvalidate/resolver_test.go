package dnsvalidate

import (
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// fault 35
func TestResolversThatAreSilentHoldUpNoLookForLong(t *testing.T) {
	t.Parallel()
	var working atomic.Bool
	back := sound(ns1)
	prover := world(t, func(query *dns.Msg) *dns.Msg {
		if working.Load() {
			return back(query)
		}
		return nil
	}, map[string]reply{"127.0.0.8": refers(ns1), "127.0.0.1": published()})
	prover.settings.Resolvers = append([]string{silent(t)}, prover.settings.Resolvers...)
	prover.mute.life = 2 * time.Second // the test waits for it

	for _, most := range []time.Duration{15 * time.Second, askLimit} {
		begun := time.Now()
		_, err := prover.Look(t.Context(), Question{Name: testName, Value: testValue})
		if took := time.Since(begun); err == nil || strings.Count(err.Error(), "silent") != 2 || took > most {
			t.Errorf("after %s: %v", took, err)
		}
	}
	begun := time.Now()
	if _, text := preflight(t, prover.NewPreflight(), assigned("ns1.example.com"), testZone); time.Since(begun) > askLimit {
		t.Errorf("a preflight took %s: %s", time.Since(begun), text)
	}

	working.Store(true)
	for begun := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		verdict, err := prover.Look(t.Context(), question())
		if err == nil && verdict.Visible {
			break
		}
		if time.Since(begun) > prover.mute.life+20*time.Second {
			t.Fatalf("the resolver is back, and was not noticed: %s, %v", verdict, err)
		}
	}
}

func TestASlowResolverIsNotTakenForASilentOneOnceItAnswers(t *testing.T) {
	t.Parallel()
	slowOne := serve(t, "127.0.0.1", "0", after(patience+patience/2, knows(aOfNS1)))
	prover := NewProver(Settings{Resolvers: []string{slowOne, serve(t, "127.0.0.1", "0", knows(aOfNS1))}})
	begun := time.Now()
	if _, by, err := prover.consult(t.Context(), "ns1.example.com", dns.TypeA); err != nil || by == "resolver "+slowOne {
		t.Errorf("%s answered, %v", by, err)
	}
	if !prover.isDeaf(slowOne) {
		t.Error("while it is waited for, the next question goes to it too")
	}
	for ; prover.isDeaf(slowOne); time.Sleep(10 * time.Millisecond) {
		if time.Since(begun) > askLimit {
			t.Fatal("it has answered and is left out")
		}
	}
}

func TestAResolverThatDoesNotHelpIsNamed(t *testing.T) {
	servers := map[string]reply{"127.0.0.8": refers(ns1), "127.0.0.1": zoneWith(1, ns1), "127.0.0.5": lame(zoneWith(1, ns1))}
	lies := sound(ns1)
	tests := []struct {
		name     string
		resolver reply
		says     []string
	}{
		{"it denies that anything exists", withCode(dns.RcodeNameError), []string{"find the name servers of example.com: resolver 127.0.0.9:PORT names none (NXDOMAIN)"}},
		{"it lies about the addresses", changed(lies, func(m *dns.Msg) {
			if m.Question[0].Name == "ns1.example.com." && m.Question[0].Qtype == dns.TypeA {
				m.Answer = parseRecords([]string{"ns1.example.com. 60 A 127.0.0.5"})
			}
		}), []string{"ns1.example.com (127.0.0.5:PORT) lame (serial 1); resolver 127.0.0.9:PORT told that address", "no name server of example.com answers with authority"}},
		{"it lies about the servers", knows(aOfNS1, "example.com. 60 NS ns.evil.test.", "ns.evil.test. 60 A 127.0.0.5"), []string{
			"example.com is delegated to ns.evil.test, which AliDNS does not write to (says resolver 127.0.0.9:PORT)",
			"ns.evil.test (127.0.0.5:PORT)",
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			prover := world(t, test.resolver, servers)
			blocks, text := preflight(t, prover.NewPreflight(), assigned("ns1.example.com"))
			for _, want := range test.says {
				if want = strings.ReplaceAll(want, "PORT", prover.port); !blocks || !strings.Contains(text, want) {
					t.Errorf("blocks %t: %s\nwithout %s", blocks, text, want)
				}
			}
		})
	}
	for code, resolver := range map[string]reply{
		"SERVFAIL": withCode(dns.RcodeServerFailure), "REFUSED": withCode(dns.RcodeRefused), "NODATA": withCode(dns.RcodeSuccess),
	} {
		t.Run(code+" is no word on the zone", func(t *testing.T) { // fault 158
			prover := world(t, resolver, servers)
			blocks, text := preflight(t, prover.NewPreflight(), assigned("ns1.example.com"))
			want := "find the name servers of example.com: no resolver answers: resolver 127.0.0.9:" + prover.port + ": " + code
			if blocks || !strings.Contains(text, want) {
				t.Errorf("blocks %t: %s", blocks, text)
			}
		})
	}
	t.Run("another one is asked when it knows no name servers", func(t *testing.T) { // fault 158
		prover := world(t, sound(ns1), map[string]reply{"127.0.0.1": zoneWith(1, ns1)}) // the parent's servers are out of reach
		addressesAlone := changed(sound(), func(m *dns.Msg) {
			if m.Question[0].Qtype == dns.TypeNS {
				m.Answer, m.Ns = nil, nil
			}
		})
		prover.settings.Resolvers = slices.Insert(prover.settings.Resolvers, 0, serve(t, "127.0.0.7", "0", addressesAlone))
		if blocks, text := preflight(t, prover.NewPreflight(), assigned("ns1.example.com"), testZone); blocks || text != "" {
			t.Errorf("blocks %t: %s", blocks, text)
		}
	})
	t.Run("another one is asked when it denies that anything exists", func(t *testing.T) {
		prover := world(t, sound(), servers)
		prover.settings.Resolvers = slices.Insert(prover.settings.Resolvers, 0, serve(t, "127.0.0.7", "0", withCode(dns.RcodeNameError)))
		if _, text := preflight(t, prover.NewPreflight(), assigned("ns1.example.com"), testZone); text != "" {
			t.Error(text)
		}
	})
}
