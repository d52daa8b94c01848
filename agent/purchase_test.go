package agent

import (
	"fmt"
	"testing"
	"time"

	"dvagent/agent/state"
	"dvagent/internal/sandbox"
)

// fault 130: what was used earlier in a pass is not spare, although the list was
// read before.
func TestCertificatesOfOnePassGetAnInstanceEach(t *testing.T) {
	for _, o := range orderings[:2] {
		t.Run(o.name, func(t *testing.T) {
			t.Parallel()
			const certificates = 8
			w := o.newWorld(t, sandbox.Options{Instances: certificates, IssueAfter: time.Millisecond})
			w.domains = `["host0.example.com"]`
			for i := 1; i < certificates; i++ {
				w.extra += fmt.Sprintf("\n[[certificate]]\nname = \"host%d\"\ndomains = [\"host%d.example.com\"]\n", i, i)
			}
			outcomes, err := w.agent().Renew(t.Context(), Renewal{Timeout: time.Minute, Caller: tester})
			if err != nil {
				t.Fatal(err)
			}
			if worst := state.Worst(outcomes); worst != state.Served || o.used(w) != certificates || o.orders(w) != certificates {
				t.Errorf("%d instances used, %d orders: %+v", o.used(w), o.orders(w), outcomes)
			}
		})
	}
}

// fault 132: a domain that is a public suffix is ordered where the account hosts
// it, and else refused before an instance is claimed.
func TestADomainThatIsAPublicSuffixCostsNothingInVain(t *testing.T) {
	for _, tt := range []struct {
		name, zone, domain string
		class              state.Class
		used               int
	}{
		{"hosted here", "github.io", "github.io", state.Served, 1},
		{"hosted elsewhere", "example.com", "com.cn", state.Failure, 0},
		{"every name below one", "example.com", "*.com.cn", state.Failure, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ofEachOrdering(t, func(t *testing.T, o ordering) {
				w := o.newWorld(t, sandbox.Options{Zones: []string{tt.zone}})
				w.name, w.domains = "example.com", fmt.Sprintf("[%q]", tt.domain)
				if out := w.renew(Renewal{}); out.Class != tt.class || o.used(w) != tt.used {
					t.Errorf("%+v; %d used", out, o.used(w))
				}
			})
		})
	}
}

// fault 133: CAs grant shorter lives than they did.
func TestAForcedCertificateIsKeptThoughItEndsSooner(t *testing.T) {
	ofEachOrdering(t, func(t *testing.T, o ordering) {
		w := o.newWorld(t, sandbox.Options{})
		w.serves(-24*time.Hour, 397*24*time.Hour)
		before := w.current()
		w.renewed(Renewal{Force: true})
		if w.current() == before || o.used(w) != 1 {
			t.Errorf("version %s; %d used", w.current(), o.used(w))
		}
	})
}
