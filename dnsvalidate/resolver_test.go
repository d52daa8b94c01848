package dnsvalidate

import (
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

	for _, most := range []time.Duration{5 * time.Second, 100 * time.Millisecond} {
		begun := time.Now()
		_, err := prover.Look(t.Context(), Question{Name: testName, Value: testValue})
		if took := time.Since(begun); err == nil || strings.Count(err.Error(), "silent") != 2 || took > most {
			t.Errorf("after %s: %v", took, err)
		}
	}
	begun := time.Now()
	if _, text := preflight(t, prover.NewPreflight(), assigned("ns1.example.com"), testZone); time.Since(begun) > 100*time.Millisecond {
		t.Errorf("a preflight took %s: %s", time.Since(begun), text)
	}

	working.Store(true)
	for begun := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		verdict, err := prover.Look(t.Context(), question())
		if err == nil && verdict.Visible {
			break
		}
		if time.Since(begun) > prover.mute.life+time.Second {
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
