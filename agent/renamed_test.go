package agent

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"dvagent/agent/fleet"
	"dvagent/agent/fleet/fleettest"
	"dvagent/agent/issue"
	"dvagent/agent/order"
	"dvagent/agent/state"
	"dvagent/internal/sandbox"
)

// fault 140: a certificate that is renamed on one host after another is ordered once, whichever host
// is renamed first, and whichever dies on the way.
func TestAnOrderInAFleetFollowsItsCertificateToAnotherName(t *testing.T) {
	etcd := fleettest.One(t)
	for _, test := range []struct {
		name  string
		story func(t *testing.T, a, b *world)
	}{
		{"the host that orders is renamed, and dies: the other one takes the order back", func(t *testing.T, a, b *world) {
			a.isRenamed()
			a.hasTheOrderOf("renamed")
			b.waitsFor("a")
			a.dies()
			b.renew(Renewal{NoWait: true})
			b.hasTheOrderOf("example.com")
			a.waitsFor("b")
		}},
		{"the host that does not order is renamed first: it waits, and the order goes along where the other one dies", func(t *testing.T, a, b *world) {
			b.isRenamed()
			b.waitsFor("a")
			a.hasTheOrderOf("example.com")
			a.dies()
			b.renew(Renewal{NoWait: true})
			b.hasTheOrderOf("renamed")
			a.waitsFor("b")
		}},
		{"both are renamed, one after the other", func(t *testing.T, a, b *world) {
			a.isRenamed()
			b.waitsFor("a")
			b.isRenamed()
			b.waitsFor("a")
			a.dies()
			b.renew(Renewal{NoWait: true})
			b.hasTheOrderOf("renamed")
		}},
		{"the name comes back", func(t *testing.T, a, b *world) {
			a.isRenamed()
			b.waitsFor("a")
			a.name = "example.com"
			a.renew(Renewal{NoWait: true})
			a.hasTheOrderOf("example.com")
			b.waitsFor("a")
		}},
		{"no host stays: each takes the order along in its turn", func(t *testing.T, a, b *world) {
			for range 2 {
				a.dies()
				b.isRenamed()
				b.hasTheOrderOf("renamed")
				b.dies()
				a.renew(Renewal{NoWait: true})
				a.hasTheOrderOf("example.com")
			}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorldOfToday(t, sandbox.Options{Faults: []sandbox.Fault{mustFault(t, "checking-forever")}})
			h := newHosts(t, etcd)
			a, b := h.host(w, "a"), h.host(w, "b")
			a.comesTo(order.Issue)
			b.waitsFor("a")
			record := w.records()
			test.story(t, a, b)
			for _, host := range []*world{a, b} { // what it owes
				host.renew(Renewal{NoWait: true})
			}
			if w.records() != record || record == "" {
				t.Errorf("the record was %q, and is %q", record, w.records())
			}
			if applied, used := w.sandbox.Applied(), w.usedInstances(); applied != 1 || used != 1 {
				t.Errorf("%d applications on %d instances", applied, used)
			}
			w.issue()
			if !eventually(func() bool {
				return a.renew(Renewal{NoWait: true}).Class == state.Served || b.renew(Renewal{NoWait: true}).Class == state.Served
			}) {
				t.Error("no host gets the certificate")
			}
			if applied := w.sandbox.Applied(); applied != 1 {
				t.Errorf("%d applications for the first certificate", applied)
			}
		})
	}
}

func (w *world) isRenamed() {
	w.Helper()
	w.name = "renamed"
	w.renew(Renewal{NoWait: true})
}

// hasTheOrderOf fails unless this host has the open order, under that name.
func (w *world) hasTheOrderOf(name string) {
	w.Helper()
	if o, err := order.Load(w.where().Certificate(name)); err != nil || !issue.Placed(o) {
		w.Fatalf("the order is not here as that of %s: %+v, %v", name, o, err)
	}
}

func (w *world) waitsFor(host string) {
	w.Helper()
	if out := w.renew(Renewal{NoWait: true}); out.Class != state.Pending || !strings.Contains(out.Waiting, "host "+host+" of the fleet") {
		w.Fatalf("it does not wait for host %s: %+v", host, out)
	}
}

// fault 140: a renewal that is renamed, and gets its old name back, is ordered once.
func TestACertificateThatIsRenamedAndBackAmidARenewalBuysNoSecondInstance(t *testing.T) {
	ofEachOrdering(t, func(t *testing.T, o ordering) {
		w := o.newWorld(t, sandbox.Options{})
		w.renewed(Renewal{})
		used, orders := o.used(w), o.orders(w)
		w.domains = `["a.b.example.com"]`
		w.faults("checking-forever")
		w.comesTo(order.Issue)
		w.isRenamed()
		w.name = "example.com"
		w.renew(Renewal{NoWait: true})
		w.hasTheOrderOf("example.com")
		if used, orders := o.used(w)-used, o.orders(w)-orders; used > 1 || orders != 1 {
			t.Errorf("%d instances, %d orders", used, orders)
		}
	})
}

// fault 140: a host dies at each word that it says to the fleet while it is renamed. Another one, which
// has the old name or the new one, goes on with the order, and so does the dead one when it
// is back.
func TestAHostThatDiesWhileItIsRenamedLosesNoOrder(t *testing.T) {
	t.Parallel()
	etcd := fleettest.One(t)
	for _, name := range []string{"example.com", "renamed"} {
		for _, arrives := range []bool{false, true} {
			t.Run(fmt.Sprintf("the other one has it as %s, the last word arrives: %v", name, arrives), func(t *testing.T) {
				t.Parallel()
				word := 1
				for ; word < 100 && diesRenamed(t, etcd, name, word, arrives); word++ {
				}
				if word < 6 || word == 100 {
					t.Errorf("it was renamed with %d words", word-1)
				}
			})
		}
	}
}

func diesRenamed(t *testing.T, etcd *fleettest.Cluster, name string, word int, arrives bool) (died bool) {
	t.Run(fmt.Sprint("word ", word), func(t *testing.T) {
		w := newWorldOfToday(t, sandbox.Options{Faults: []sandbox.Fault{mustFault(t, "checking-forever")}})
		defer w.sandbox.Close()
		h := newHosts(t, etcd)
		a, b := h.host(w, "a"), h.host(w, "b")
		a.comesTo(order.Issue)
		b.waitsFor("a")
		whole := a.fleet
		host := mortal(whole, word, arrives)
		a.fleet = host
		a.isRenamed()
		if died = host.over(); !died {
			return
		}
		whole.(*fleet.Orders).Close(context.Background()) // as time does
		b.name = name
		for range 2 {
			b.renew(Renewal{NoWait: true})
		}
		b.hasTheOrderOf(name)
		a.fleet = whole
		for range 2 {
			a.waitsFor("b")
		}
		if applied, used := w.sandbox.Applied(), w.usedInstances(); applied != 1 || used != 1 {
			t.Errorf("%d applications on %d instances", applied, used)
		}
		w.issue()
		b.renewed(Renewal{})
	})
	return died && !t.Failed()
}

// A subscription was paid for, and goes on to yield the certificates of who had it under
// another name.
func TestACertificateThatIsRenamedKeepsItsInstance(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		story func(w *world)
		used  int
	}{
		{"renamed", func(w *world) { w.name = "renamed" }, 1},
		{"renamed twice", func(w *world) {
			w.isRenamed()
			w.name = "again"
		}, 1},
		{"renamed and back", func(w *world) {
			w.isRenamed()
			w.name = "example.com"
		}, 1},
		{"of other names now", func(w *world) { w.name, w.domains = "renamed", `["a.b.example.com"]` }, 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorldOfToday(t, sandbox.Options{})
			w.extra = w.target()
			w.renewed(Renewal{})
			test.story(w)
			w.renewed(Renewal{Force: true})
			if used, applied := w.usedInstances(), w.sandbox.Applied(); used != test.used || applied != 2 {
				t.Errorf("%d applications on %d instances", applied, used)
			}
		})
	}
}

// A certificate that is renamed on one host while another one works on its order leaves
// that order to that host.
func TestARenamedCertificateDoesNotTakeTheOrderOfAnotherHostAlong(t *testing.T) {
	t.Parallel()
	w := newWorldOfToday(t, sandbox.Options{Faults: []sandbox.Fault{mustFault(t, "checking-forever")}})
	h := newHosts(t, fleettest.One(t))
	a, b := h.host(w, "a"), h.host(w, "b")
	a.comesTo(order.Issue)
	a.dies()
	b.comesTo(order.Issue)
	instance := b.claimedInstance().InstanceID
	a.name = "renamed"
	if out := a.renew(Renewal{NoWait: true}); out.Class != state.Pending || !strings.Contains(out.Waiting, "host b of the fleet") {
		t.Errorf("while another host works on it: %+v", out)
	}
	if o, err := order.Load(a.where().Certificate("renamed")); err != nil || o != nil && o.Instance == instance {
		t.Errorf("it takes the order along: %+v, %v", o, err)
	}
	if out := b.renew(Renewal{NoWait: true}); out.Class != state.Pending || b.step() != order.Issue {
		t.Errorf("the order of the other host is at %s: %+v", b.step(), out)
	}
}

// A host that still has the old name waits for the one that renamed it, and pays for no
// second order meanwhile.
func TestACertificateThatIsRenamedOnOneHostIsNotOrderedOnceMoreByAnother(t *testing.T) {
	t.Parallel()
	w := newWorldOfToday(t, sandbox.Options{Faults: []sandbox.Fault{mustFault(t, "checking-forever")}})
	h := newHosts(t, fleettest.One(t))
	a, b := h.host(w, "a"), h.host(w, "b")
	a.comesTo(order.Issue)
	a.name = "renamed"
	a.renew(Renewal{NoWait: true})
	if o, err := order.Load(a.where().Certificate("renamed")); err != nil || o == nil {
		t.Fatalf("the order is not taken along: %+v, %v", o, err)
	}
	for range 2 {
		if out := b.renew(Renewal{NoWait: true}); !strings.Contains(out.Waiting, "host a of the fleet") {
			t.Errorf("the other host: %+v", out)
		}
	}
	if applied, used := w.sandbox.Applied(), w.usedInstances(); applied != 1 || used != 1 {
		t.Errorf("%d applications on %d instances", applied, used)
	}
}
