package agent

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"dvagent/agent/fleet"
	"dvagent/agent/fleet/fleettest"
	"dvagent/agent/order"
	"dvagent/agent/state"
	"dvagent/internal/bundle"
	"dvagent/internal/sandbox"
)

// hosts are those of a fleet of a test's own.
type hosts struct {
	*testing.T
	settings fleetSettings
	timing   fleet.Timing
}

type fleetSettings struct {
	etcd             *fleettest.Cluster
	identity, prefix string
}

func newHosts(t *testing.T, etcd *fleettest.Cluster) *hosts {
	t.Helper()
	text, err := fleet.NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	return &hosts{t, fleetSettings{etcd, fleettest.Identity(t, text), fmt.Sprintf("/%s/", filepath.Base(filepath.Dir(t.TempDir())))}, fleetTiming}
}

// fleetTiming is that of hosts in tests: what is to last does so for as long as a test
// may.
var fleetTiming = fleet.Timing{Lease: 30 * time.Second, Call: 5 * time.Second, Restore: time.Minute, Publish: 5 * time.Second}

// host is w as a host of the fleet, with a state directory of its own.
func (h *hosts) host(w *world, name string) *world {
	h.Helper()
	other := *w
	other.T, other.dir = h.T, h.TempDir()
	if err := other.where().Prepare(); err != nil {
		h.Fatal(err)
	}
	settings := h.settings.etcd.Settings(h.settings.identity)
	settings.Prefix = h.settings.prefix
	f := fleet.New(settings)
	h.Cleanup(f.Close)
	other.fleet = fleet.NewOrders(f, func() string { return name }, filepath.Join(other.dir, "fleet.json"), h.timing)
	return &other
}

// dies is what the others see of a host's death once its lease has run out.
func (w *world) dies() {
	w.fleet.(*fleet.Orders).Close(context.Background())
}

// fault 121: the holder dies at each step; another host goes on with the same instance
// and the same key, and the first one lets go when it is back.
func TestAnotherHostGoesOnWhereOneDied(t *testing.T) {
	etcd := fleettest.One(t)
	ofEachOrdering(t, func(t *testing.T, o ordering) {
		for _, step := range []order.Step{order.Propagate, order.Issue} {
			t.Run("at "+string(step), func(t *testing.T) {
				w := o.newWorld(t, sandbox.Options{Propagation: []time.Duration{2 * time.Second}, IssueAfter: time.Second})
				h := newHosts(t, etcd)
				a, b := h.host(w, "a"), h.host(w, "b")
				a.comesTo(step)
				a.dies()
				b.goesOnWhere(a, o)
			})
		}
	})
}

// comesTo looks until the order is at a step.
func (w *world) comesTo(step order.Step) {
	w.Helper()
	for range 200 {
		if w.renew(Renewal{NoWait: true}); w.step() == step {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	w.Fatalf("the order is at %s, and never came to %s", w.step(), step)
}

// goesOnWhere is a host that brings the certificate by the order that another one began,
// and that one when it is back: it lets go, unless it had the certificate already. Of a
// package, an order whose answer was lost is looked for first.
func (w *world) goesOnWhere(other *world, o ordering) {
	w.Helper()
	out := w.renew(Renewal{Timeout: 20 * time.Second})
	if strings.Contains(out.Waiting, "whose answer was lost") && o.orders(w) == 0 {
		return
	}
	if out.Class != state.Served || !out.Ordered {
		w.Errorf("the other host: %+v", out)
		return
	}
	w.knowsIt(other, o)
}

// knowsIt checks that a host has the certificate, by one order, and that another one
// knows of it.
func (w *world) knowsIt(other *world, o ordering) {
	w.Helper()
	w.holdsItsKey()
	back := other.renew(Renewal{NoWait: true})
	waits := back.Class == state.Pending && strings.Contains(back.Waiting, "new certificate")
	has := back.Class == state.Served && other.current() == w.current()
	if !waits && !has || other.step() != order.Done {
		w.Errorf("the host that is back: %+v, at %s", back, other.step())
	}
	if o.orders(w) != 1 || o.used(w) != 1 || w.records() != "" {
		w.Errorf("%d orders on %d instances; records left: %q", o.orders(w), o.used(w), w.records())
	}
}

// holdsItsKey checks that the current version is a pair.
func (w *world) holdsItsKey() {
	w.Helper()
	if _, err := bundle.Load(filepath.Join(w.where().Certificate("example.com"), "current")); err != nil {
		w.Error(err)
	}
}

// One orders, however many are due at the same moment; the others wait and say so.
func TestOneHostOrdersForAll(t *testing.T) {
	etcd := fleettest.One(t)
	ofEachOrdering(t, func(t *testing.T, o ordering) {
		w := o.newWorld(t, sandbox.Options{Propagation: []time.Duration{200 * time.Millisecond}, IssueAfter: time.Second})
		h := newHosts(t, etcd)
		h.timing.Publish = time.Minute // nobody fetches it again meanwhile
		var all sync.WaitGroup
		outcomes := make([]state.Outcome, 5)
		for i := range outcomes {
			host := h.host(w, fmt.Sprint("host", i))
			all.Go(func() { outcomes[i] = host.renew(Renewal{Timeout: 15 * time.Second}) })
		}
		all.Wait()
		served := 0
		for i, out := range outcomes {
			switch {
			case out.Class == state.Served:
				served++
			case out.Class != state.Pending || !strings.Contains(out.Waiting, " of the fleet "):
				t.Errorf("host %d: %+v", i, out)
			}
		}
		if served != 1 || o.orders(w) != 1 || o.used(w) != 1 {
			t.Errorf("%d hosts have it, by %d orders on %d instances", served, o.orders(w), o.used(w))
		}
	})
}

// fault 119
func TestWithoutEtcdNoOrderBeginsUnlessAnOperatorSaysSo(t *testing.T) {
	t.Parallel()
	etcd := fleettest.One(t)
	w := newWorldOfToday(t, sandbox.Options{})
	a := newHosts(t, etcd).host(w, "a")
	etcd.Members[0].Kill()
	out := a.renew(Renewal{NoWait: true})
	if out.Class != state.Failure || !out.Transient || !strings.Contains(out.Hint(), "renew --alone") || w.sandbox.Applied() != 0 {
		t.Errorf("%+v, hint %q; %d applications", out, out.Hint(), w.sandbox.Applied())
	}
	a.renewed(Renewal{Alone: true})
	if out := a.renew(Renewal{NoWait: true}); out.Class != state.Served {
		t.Errorf("what is not due wants etcd: %+v", out)
	}
	if out := a.renew(Renewal{Force: true, Timeout: 40 * time.Second}); out.Class != state.Failure { // looked at again meanwhile
		t.Errorf("what is forced ends as if it were done: %+v", out)
	}
}

// fault 119: an order that was placed alone is told to etcd when that is back.
func TestAnOrderThatWasPlacedAloneBecomesThatOfTheFleet(t *testing.T) {
	ofEachOrdering(t, func(t *testing.T, o ordering) {
		etcd := fleettest.One(t)
		w := o.newWorld(t, sandbox.Options{IssueAfter: 2 * time.Second})
		h := newHosts(t, etcd)
		a, b := h.host(w, "a"), h.host(w, "b")
		etcd.Members[0].Kill()
		for w.records() == "" {
			a.renew(Renewal{Alone: true, NoWait: true})
		}
		etcd.Members[0].Restart()
		etcd.Members[0].Await()
		if !eventually(func() bool { return a.renew(Renewal{NoWait: true}).Err == nil }) {
			t.Fatal("etcd is not found again")
		}
		if out := b.renew(Renewal{NoWait: true}); !strings.Contains(out.Waiting, "host a of the fleet") {
			t.Errorf("the other host: %+v", out)
		}
		a.dies()
		b.goesOnWhere(a, o)
	})
}

// fault 120: a record that a host wrote is not removed by it while the host that went on
// with the order needs it.
func TestARecordThatAnotherHostNeedsStays(t *testing.T) {
	t.Parallel()
	w := newWorldOfToday(t, sandbox.Options{Faults: []sandbox.Fault{mustFault(t, "checking-forever")}})
	h := newHosts(t, fleettest.One(t))
	a, b := h.host(w, "a"), h.host(w, "b")
	a.comesTo(order.Issue)
	a.dies()
	b.comesTo(order.Issue)
	a.renew(Renewal{NoWait: true})
	if w.records() == "" || a.step() != order.Done {
		t.Errorf("records: %q; host a is at %s", w.records(), a.step())
	}
	w.issue()
	b.renewed(Renewal{})
	a.renew(Renewal{NoWait: true})
	if w.records() != "" || len(a.status().Records) > 0 {
		t.Errorf("records left: %q; owed: %+v", w.records(), a.status().Records)
	}
}

// fault 119: an order that is open waits, and no call is made that changes something.
func TestAnOpenOrderWaitsForEtcd(t *testing.T) {
	t.Parallel()
	etcd := fleettest.One(t)
	w := newWorldOfToday(t, sandbox.Options{Faults: []sandbox.Fault{mustFault(t, "checking-forever")}})
	a := newHosts(t, etcd).host(w, "a")
	a.comesTo(order.Issue)
	etcd.Members[0].Kill()
	w.calls()
	w.issue()
	if out := a.renew(Renewal{NoWait: true}); out.Class != state.Pending || out.Err == nil {
		t.Errorf("without etcd: %+v", out)
	}
	if calls := w.calls(); len(calls) > 0 {
		t.Errorf("called %v", calls)
	}
	etcd.Members[0].Restart()
	etcd.Members[0].Await()
	a.renewed(Renewal{})
}

// step is that of the open order.
func (w *world) step() order.Step {
	w.Helper()
	o, err := order.Load(w.where().Certificate("example.com"))
	if err != nil {
		w.Fatal(err)
	}
	if o == nil {
		return order.Done
	}
	return o.Step()
}

// eventually waits for what is expected, within a bound.
func eventually(holds func() bool) bool {
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if holds() {
			return true
		}
	}
	return false
}

// An order that another host works on is not given up beside it; where that host died, it
// is, and its record with it.
func TestAnOrderIsGivenUpByOneHostForAll(t *testing.T) {
	t.Parallel()
	w := newWorldOfToday(t, sandbox.Options{Faults: []sandbox.Fault{mustFault(t, "checking-forever")}})
	h := newHosts(t, fleettest.One(t))
	a, b := h.host(w, "a"), h.host(w, "b")
	a.comesTo(order.Issue)
	if _, err := b.agent().Abandon(t.Context(), "example.com", tester); err == nil || !strings.Contains(err.Error(), "host a of the fleet") {
		t.Errorf("beside the host that orders: %v", err)
	}
	a.dies()
	out, err := b.agent().Abandon(t.Context(), "example.com", tester)
	if err != nil || out.Class != state.Served || w.records() != "" || b.step() != order.Done {
		t.Errorf("%+v, %v; records left: %q", out, err, w.records())
	}
	if last, err := order.Last(b.where().Certificate("example.com")); err != nil || last.Outcome != order.Abandoned {
		t.Errorf("the last order: %+v, %v", last, err)
	}
}

// What a host still has of a certificate that it does not have any more is given up only
// where no other host works on it.
func TestAnOrderOfACertificateThatIsGoneHereIsNotGivenUpBesideAnotherHost(t *testing.T) {
	t.Parallel()
	w := newWorldOfToday(t, sandbox.Options{Faults: []sandbox.Fault{mustFault(t, "checking-forever")}})
	h := newHosts(t, fleettest.One(t))
	a, b := h.host(w, "a"), h.host(w, "b")
	a.comesTo(order.Issue)
	a.dies()
	b.comesTo(order.Issue)
	a.name, a.domains = "other", `["other.example.com"]`
	if _, err := a.agent().Abandon(t.Context(), "example.com", tester); err == nil || !strings.Contains(err.Error(), "host b of the fleet") {
		t.Errorf("beside the host that orders: %v", err)
	}
	if b.step() != order.Issue || b.renew(Renewal{NoWait: true}).Class != state.Pending {
		t.Errorf("the order of the other host is at %s", b.step())
	}
	if o, err := order.Load(a.where().Certificate("example.com")); err != nil || o != nil {
		t.Errorf("this host still has it: %+v, %v", o, err)
	}
	ledger, err := order.LoadInstances(a.where().Instances())
	if err != nil || ledger.Abandoned(order.Instance{Account: "main", ID: b.claimedInstance().InstanceID}) {
		t.Errorf("the instance of the other host is given up (%v)", err)
	}
}

// fault 122: hosts whose configurations of one name differ do not go on with each other's
// orders, and pay for no second one.
func TestAnOrderForOtherNamesIsNotGoneOnWith(t *testing.T) {
	t.Parallel()
	w := newWorldOfToday(t, sandbox.Options{Faults: []sandbox.Fault{mustFault(t, "checking-forever")}})
	h := newHosts(t, fleettest.One(t))
	a, b := h.host(w, "a"), h.host(w, "b")
	a.comesTo(order.Issue)
	a.dies()
	b.domains = `["www.example.com"]`
	out := b.renew(Renewal{NoWait: true})
	if out.Class != state.Failure || !strings.Contains(out.Err.Error(), "it is for ") || w.sandbox.Applied() != 1 {
		t.Errorf("%+v; %d applications", out, w.sandbox.Applied())
	}
	w.issue()
	a.renewed(Renewal{})
}

// fault 119: an old backup of etcd is put back. What a host's own journal knows counts, and
// no renewal is ordered twice.
func TestAnOldBackupOfEtcdCostsNoSecondOrder(t *testing.T) {
	t.Parallel()
	w := newWorldOfToday(t, sandbox.Options{Lifetime: 2 * time.Minute})
	etcd := fleettest.One(t)
	h := newHosts(t, etcd)
	a, b := h.host(w, "a"), h.host(w, "b")
	b.renewed(Renewal{}) // the certificate that is renewed below
	before := etcd.Backup()
	w.faults("checking-forever")
	a.renew(Renewal{Force: true, NoWait: true})
	a.comesTo(order.Issue)
	amid := etcd.Backup()
	w.issue()
	a.renewed(Renewal{})
	if n := w.sandbox.Applied(); n != 2 {
		t.Fatalf("%d applications", n)
	}
	b.extra = "renew_before = \"99%\"\n"
	if !eventually(func() bool { return b.due() == state.ReasonInWindow }) {
		t.Fatalf("it is due for host b: %q", b.due())
	}
	for _, backup := range []struct{ name, dir string }{{"before the order", before}, {"amid the order", amid}} {
		etcd.Restore(backup.dir)
		for range 2 {
			a.renew(Renewal{NoWait: true})
			b.renew(Renewal{NoWait: true})
			h.forgetRestoration()
		}
		if n := w.sandbox.Applied(); n != 2 || a.step() != order.Done {
			t.Errorf("%s: %d applications; host a is at %s", backup.name, n, a.step())
		}
	}
}

// due is why an order is due.
func (w *world) due() string {
	w.Helper()
	a := w.agent()
	c, _ := a.host.Config.Certificate("example.com")
	s, err := a.host.Dir.Read(c)
	if err != nil {
		w.Fatal(err)
	}
	return s.Due(state.Now())
}

// forgetRestoration is what time does to the word that an old backup was put back.
func (h *hosts) forgetRestoration() {
	h.Helper()
	settings := h.settings.etcd.Settings(h.settings.identity)
	settings.Prefix = h.settings.prefix
	f := fleet.New(settings)
	defer f.Close()
	entry, err := f.Read(context.Background(), "restored")
	if err == nil && entry.Revision > 0 {
		err = f.Write(context.Background(), entry.Remove())
	}
	if err != nil {
		h.Fatal(err)
	}
}
