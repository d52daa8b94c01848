package agent

import (
	"strings"
	"testing"
	"time"

	"dvagent/agent/fleet/fleettest"
	"dvagent/agent/order"
	"dvagent/agent/state"
	"dvagent/internal/sandbox"
)

// fault 119: after an old backup of etcd the numbers of orders begin anew. A host that has
// an ended order of the same number does not take it for the one that another host placed
// later, and orders nothing beside that.
func TestALaterOrderIsNotTakenForAnEarlierOneOfItsNumber(t *testing.T) {
	t.Parallel()
	etcd := fleettest.One(t)
	w := newWorldOfToday(t, sandbox.Options{Lifetime: 30 * time.Second})
	h := newHosts(t, etcd)
	a, b := h.host(w, "a"), h.host(w, "b")
	before := etcd.Backup()
	a.renewed(Renewal{})
	etcd.Restore(before)
	w.faults("checking-forever")
	b.comesTo(order.Issue)
	b.dies()
	if n := w.sandbox.Applied(); n != 2 {
		t.Fatalf("%d applications", n)
	}
	a.extra = "renew_before = \"99%\"\n"
	if !eventually(func() bool { return a.due() == state.ReasonInWindow }) {
		t.Fatalf("it is due for host a: %q", a.due())
	}
	for range 3 {
		a.renew(Renewal{NoWait: true})
		h.forgetRestoration()
	}
	if n := w.sandbox.Applied(); n != 2 || a.step() != order.Issue {
		t.Errorf("%d applications; host a is at %s", n, a.step())
	}
	w.issue()
	a.renewed(Renewal{})
	a.holdsItsKey()
}

// fault 120: also a host that orders nothing any more lets go of its order where another one
// has gone on with it.
func TestAHostThatFollowsByNowLetsGoOfItsOrder(t *testing.T) {
	t.Parallel()
	w := newWorldOfToday(t, sandbox.Options{Faults: []sandbox.Fault{mustFault(t, "checking-forever")}})
	h := newHosts(t, fleettest.One(t))
	a, b := h.host(w, "a"), h.host(w, "b")
	a.comesTo(order.Issue)
	a.dies()
	b.comesTo(order.Issue)
	a.extra = "follow = true\n"
	out := a.renew(Renewal{NoWait: true})
	if a.step() != order.Done || !strings.Contains(out.Waiting, "host b of the fleet") {
		t.Errorf("%+v, at %s", out, a.step())
	}
	w.issue()
	b.renewed(Renewal{})
}

// A host that forgets a certificate leaves its instance to the hosts that have it still.
func TestAHostThatForgetsACertificateLeavesItsInstanceToTheOthers(t *testing.T) {
	t.Parallel()
	p := newParty(t, 2, 0)
	for _, w := range p.hosts {
		w.renewed(Renewal{})
	}
	w := p.hosts[0] // which ordered, and tells the others what its ledger says
	if held := w.holders(); len(held) != 1 || held[0] != "example.com" {
		t.Fatalf("the instances are claimed for %q", held)
	}
	w.name, w.domains = "other", `["other.example.com"]`
	if _, err := w.agent().Forget(t.Context(), "example.com", true, tester); err != nil {
		t.Fatal(err)
	}
	if held := w.holders(); len(held) != 1 || held[0] != "example.com" {
		t.Errorf("the instances are claimed for %q", held)
	}
}

// holders are the certificates that have an instance, as the ledger of this host has it.
func (w *world) holders() (all []string) {
	w.Helper()
	l, err := order.LoadInstances(w.where().Instances())
	if err != nil {
		w.Fatal(err)
	}
	for _, s := range w.sandbox.Subscriptions() {
		if holder := l.Holder(order.Instance{Account: "main", ID: s.InstanceID}); holder != "" {
			all = append(all, holder)
		}
	}
	return all
}
