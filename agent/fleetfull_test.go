package agent

import (
	"strings"
	"testing"
	"time"

	"dvagent/agent/fleet/fleettest"
	"dvagent/agent/order"
	"dvagent/internal/sandbox"
)

// fault 119: an etcd that is full answers, and takes nothing. No order begins or goes on,
// people are told what to do, and when that is done nothing was lost, and nothing is paid
// twice. Its history is compacted then.
func TestAnEtcdThatIsFullLosesNothingAndPaysNothingTwice(t *testing.T) {
	ofEachOrdering(t, func(t *testing.T, o ordering) {
		etcd := fleettest.Small(t)
		w := o.newWorld(t, sandbox.Options{Propagation: []time.Duration{2 * time.Second}, IssueAfter: time.Second})
		h := newHosts(t, etcd)
		a, b := h.host(w, "a"), h.host(w, "b")
		for _, begun := range []bool{false, true} {
			if begun {
				a.comesTo(order.Propagate)
			}
			etcd.Fill()
			w.calls()
			out := a.renew(Renewal{NoWait: true})
			if out.Err == nil || !out.Transient || !strings.Contains(out.Hint(), "disarm its alarm") {
				t.Errorf("begun: %v; %+v (%s)", begun, out, out.Hint())
			}
			for action, n := range w.calls() {
				if changing(action) {
					t.Errorf("begun: %v; %s was called %d times", begun, action, n)
				}
			}
			etcd.Empty()
		}
		a.renewed(Renewal{})
		a.knowsIt(b, o)
	})
}
