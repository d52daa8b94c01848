package fleet

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"dvagent/agent/fleet/fleettest"
	"dvagent/agent/issue"
	"dvagent/agent/order"
	"dvagent/agent/state"
)

// newTestOrders is a host of a cluster, whose leases end soon.
func newTestOrders(t *testing.T, etcd *fleettest.Cluster, host string) *Orders {
	t.Helper()
	return NewOrders(testFleet(t, etcd), func() string { return host }, filepath.Join(t.TempDir(), "fleet.json"),
		Timing{Lease: 2 * time.Second, Call: 5 * time.Second, Restore: time.Minute})
}

// testFleet has an identity that all tests have.
func testFleet(t *testing.T, etcd *fleettest.Cluster) *Fleet {
	t.Helper()
	text, err := identity()
	if err != nil {
		t.Fatal(err)
	}
	f := New(etcd.Settings(fleettest.Identity(t, text)))
	t.Cleanup(f.Close)
	return f
}

var identity = sync.OnceValues(NewIdentity)

// silentCluster has one member, which does not answer any more.
func silentCluster(t *testing.T) *fleettest.Cluster {
	t.Helper()
	etcd := fleettest.One(t)
	etcd.Members[0].Kill()
	return etcd
}

// leased takes the lease for a host, which must get it.
func leased(t *testing.T, o *Orders) issue.Lease {
	t.Helper()
	l, err := o.Lease(t.Context(), "www")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// isElsewhere fails the test unless the error says that a host orders it.
func isElsewhere(t *testing.T, what string, err error, host string) {
	t.Helper()
	var elsewhere *issue.ElsewhereError
	if !errors.As(err, &elsewhere) || elsewhere.Host != host {
		t.Errorf("%s: %v, want that host %q orders it", what, err, host)
	}
}

func known(kinds ...order.Kind) issue.Known {
	k := issue.Known{}
	for i, kind := range kinds {
		k.Facts = append(k.Facts, order.Fact{Kind: kind, At: time.Unix(int64(i), 0).UTC(), Instance: "cas-1"})
	}
	return k
}

// end takes away what keeps the leases of a host alive, as its death does.
func (o *Orders) end(t *testing.T) {
	t.Helper()
	client, err := o.fleet.Client()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Revoke(context.Background(), o.session.Lease()); err != nil {
		t.Fatal(err)
	}
}

func TestOneHostHasTheLeaseOfACertificate(t *testing.T) {
	t.Parallel()
	etcd := fleettest.One(t)
	first, second := newTestOrders(t, etcd, "a"), newTestOrders(t, etcd, "b")
	l := leased(t, first)
	_, err := second.Lease(t.Context(), "www")
	isElsewhere(t, "the lease that another host has", err, "a")
	if _, err := second.Lease(t.Context(), "mail"); err != nil {
		t.Errorf("the lease of another certificate: %v", err)
	}
	if err := leased(t, first).Stands(t.Context()); err != nil {
		t.Errorf("the lease that was taken again: %v", err)
	}
	l.Release(t.Context())
	leased(t, second)
	isElsewhere(t, "what was released", l.Stands(t.Context()), "b")
}

// fault 120
func TestAHostWhoseLeaseHasRunOutWritesNothing(t *testing.T) {
	t.Parallel()
	etcd := fleettest.One(t)
	first, second := newTestOrders(t, etcd, "a"), newTestOrders(t, etcd, "b")
	l := leased(t, first)
	if err := l.Write(t.Context(), known(order.Opened, order.Claimed)); err != nil {
		t.Fatal(err)
	}
	first.end(t)
	isElsewhere(t, "to write without a lease", l.Write(t.Context(), known(order.Opened)), "")
	isElsewhere(t, "to stand without a lease", l.Stands(t.Context()), "")
	other := leased(t, second)
	if n := len(other.Known().Facts); n != 2 || other.Known().Host != "a" {
		t.Errorf("the next host knows of %d facts by %q", n, other.Known().Host)
	}
	isElsewhere(t, "to write beside another host", l.Write(t.Context(), known(order.Opened)), "b")
	isElsewhere(t, "to stand beside another host", l.Stands(t.Context()), "b")
	_, err := first.Lease(t.Context(), "www")
	isElsewhere(t, "to take it back", err, "b")
	l.Release(t.Context()) // which is not its own any more
	if err := other.Stands(t.Context()); err != nil {
		t.Errorf("the lease of the other host after a release of the old one: %v", err)
	}
}

// fault 120
func TestALeaseRunsOutWithItsProcess(t *testing.T) {
	t.Parallel()
	etcd := fleettest.One(t)
	first, second := newTestOrders(t, etcd, "a"), newTestOrders(t, etcd, "b")
	leased(t, first)
	first.session.Orphan() // which keeps nothing alive
	if !eventually(func() bool { _, err := second.Lease(t.Context(), "www"); return err == nil }) {
		t.Error("the lease never ran out")
	}
}

// eventually waits for what is expected, within a bound.
func eventually(holds func() bool) bool {
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if holds() {
			return true
		}
	}
	return false
}

func TestALaterProcessOfAHostTakesWhatTheEarlierOneHeld(t *testing.T) {
	t.Parallel()
	etcd := fleettest.One(t)
	earlier, later := newTestOrders(t, etcd, "a"), newTestOrders(t, etcd, "a")
	l := leased(t, earlier)
	now := leased(t, later)
	isElsewhere(t, "the earlier process writes", l.Write(t.Context(), known(order.Opened)), "a")
	isElsewhere(t, "the earlier process goes on", l.Stands(t.Context()), "a")
	if err := now.Write(t.Context(), known(order.Opened)); err != nil {
		t.Error(err)
	}
}

// A machine that was copied with its state directory is another host.
func TestACopyOfAHostIsAnotherHost(t *testing.T) {
	t.Parallel()
	etcd := fleettest.One(t)
	first, clone := newTestOrders(t, etcd, "a"), newTestOrders(t, etcd, "a")
	clone.machine = "another"
	leased(t, first)
	_, err := clone.Lease(t.Context(), "www")
	isElsewhere(t, "a copy", err, "a")
}

func TestWhatIsKnownIsReplacedByItsReaderAlone(t *testing.T) {
	t.Parallel()
	etcd := fleettest.One(t)
	o := newTestOrders(t, etcd, "a")
	l, late := leased(t, o), leased(t, o)
	if err := l.Write(t.Context(), known(order.Opened, order.Claimed)); err != nil {
		t.Fatal(err)
	}
	err := late.Write(t.Context(), known(order.Opened))
	var changed *changedError
	if !errors.As(err, &changed) || !state.Transient(err) {
		t.Errorf("written over what was not read: %v", err)
	}
	if err := l.Write(t.Context(), known(order.Opened, order.Claimed, order.Keyed)); err != nil {
		t.Errorf("written over what was written: %v", err)
	}
}

// A host that cannot read what is known leaves the order to one that can.
func TestAHostWithAnotherIdentityKeepsNoLease(t *testing.T) {
	t.Parallel()
	etcd := fleettest.One(t)
	first, third := newTestOrders(t, etcd, "a"), newTestOrders(t, etcd, "c")
	second := NewOrders(open(t, etcd.Settings(newIdentity(t))), func() string { return "b" }, filepath.Join(t.TempDir(), "fleet.json"), first.timing)
	k := known(order.Opened, order.Claimed)
	k.Key = []byte("a private key")
	l := leased(t, first)
	if err := l.Write(t.Context(), k); err != nil {
		t.Fatal(err)
	}
	l.Release(t.Context())
	if _, err := second.Lease(t.Context(), "www"); !errors.Is(err, ErrForeign) {
		t.Errorf("with another identity: %v", err)
	}
	leased(t, third)
}

func TestTheKeyOfAnOrderIsSealedInEtcd(t *testing.T) {
	t.Parallel()
	etcd := fleettest.One(t)
	first, second := newTestOrders(t, etcd, "a"), newTestOrders(t, etcd, "b")
	secret := []byte("the canary of a private key")
	k := known(order.Opened, order.Claimed)
	k.Key = secret
	if err := leased(t, first).Write(t.Context(), k); err != nil {
		t.Fatal(err)
	}
	client, _ := first.fleet.Client()
	resp, err := client.Get(t.Context(), first.orderKey("www"))
	if err != nil || len(resp.Kvs) != 1 || bytes.Contains(resp.Kvs[0].Value, secret) {
		t.Errorf("what stands in etcd: %v, %v", resp, err)
	}
	found, err := second.Known(t.Context(), "www")
	if err != nil || !bytes.Equal(found.Key, secret) {
		t.Errorf("the other host reads %q, %v", found.Key, err)
	}
}

// fault 119
func TestAnEtcdThatFallsBackBehindWhatItWasLetsNoOrderBegin(t *testing.T) {
	t.Parallel()
	etcd := fleettest.One(t)
	first, second := newTestOrders(t, etcd, "a"), newTestOrders(t, etcd, "b")
	l := leased(t, first)
	if err := l.MayBegin(t.Context()); err != nil {
		t.Fatal(err)
	}
	backup := etcd.Backup()
	for range 20 {
		if err := leased(t, first).Write(t.Context(), known(order.Opened, order.Claimed)); err != nil {
			t.Fatal(err)
		}
	}
	leased(t, first).Release(t.Context())
	etcd.Restore(backup)
	if _, _, err := first.fleet.Rollouts(t.Context()); err != nil { // as a host does for which nothing is due
		t.Fatal(err)
	}
	if other, err := second.Lease(t.Context(), "mail"); err != nil || !isRestored(other.MayBegin(t.Context())) {
		t.Errorf("the host that does not remember: %v", err)
	}
	again := newTestOrders(t, etcd, "a") // another run of the same host
	again.history.path = first.history.path
	if err := leased(t, again).MayBegin(t.Context()); !isRestored(err) {
		t.Errorf("the host that remembers: %v", err)
	}
}

// fault 119: after a restore with --bump-revision, etcd seems to be further than it was.
func TestAnEtcdWhoseTermsBeganAnewLetsNoOrderBegin(t *testing.T) {
	t.Parallel()
	o := newTestOrders(t, fleettest.One(t), "a")
	if err := leased(t, o).MayBegin(t.Context()); err != nil {
		t.Fatal(err)
	}
	o.history.seen.Term += 7
	if err := leased(t, o).MayBegin(t.Context()); !isRestored(err) {
		t.Errorf("with a lower term: %v", err)
	}
	if come := o.history.come(); come.Term > 7 {
		t.Errorf("it is noticed again and again: %+v", come)
	}
}

// fault 119: old revisions come again with an old backup, and a lease that was taken before
// is not taken for one that another host has since.
func TestALeaseDoesNotOutliveAnOldBackup(t *testing.T) {
	t.Parallel()
	etcd := fleettest.One(t)
	backup := etcd.Backup()
	first, second := newTestOrders(t, etcd, "a"), newTestOrders(t, etcd, "b")
	l := leased(t, first)
	etcd.Restore(backup)
	leased(t, second)
	if there := first.holder(t); there != l.(*lease).created {
		t.Fatalf("the keys have different revisions, %d and %d, and nothing is tried", there, l.(*lease).created)
	}
	isElsewhere(t, "to stand", l.Stands(t.Context()), "b")
	isElsewhere(t, "to write", l.Write(t.Context(), known(order.Opened)), "b")
}

// fault 119: a lease that was given back comes again with an old backup, and ends when its
// host sees that.
func TestALeaseThatComesAgainWithAnOldBackupHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	etcd := fleettest.One(t)
	first, second := newTestOrders(t, etcd, "a"), newTestOrders(t, etcd, "b")
	l := leased(t, first)
	backup := etcd.Backup()
	for range 3 {
		if err := leased(t, first).Write(t.Context(), known(order.Opened)); err != nil {
			t.Fatal(err)
		}
	}
	l.Release(t.Context())
	etcd.Restore(backup)
	var err error
	if !eventually(func() bool {
		_, _, _ = first.fleet.Rollouts(t.Context()) // fails until etcd is found again
		_, err = second.Lease(t.Context(), "www")
		return err == nil
	}) {
		t.Fatal(err)
	}
}

// holder is the revision at which the lease was taken that is held now.
func (o *Orders) holder(t *testing.T) int64 {
	t.Helper()
	client, err := o.fleet.Client()
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Get(t.Context(), o.holderKey("www"))
	if err != nil || len(resp.Kvs) != 1 {
		t.Fatal(resp, err)
	}
	return resp.Kvs[0].CreateRevision
}

func isRestored(err error) bool {
	var restored *restoredError
	return errors.As(err, &restored) && state.Transient(err)
}

// fault 119
func TestASilentEtcdIsToldAfterAWhile(t *testing.T) {
	t.Parallel()
	o := newTestOrders(t, silentCluster(t), "a")
	o.timing.Call = 200 * time.Millisecond
	now := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	o.history.now = func() time.Time { return now }
	_, err := o.Lease(t.Context(), "www")
	if err == nil || !state.Transient(err) {
		t.Fatalf("at first: %v", err)
	}
	later := newTestOrders(t, silentCluster(t), "a") // another run of the same host
	later.timing, later.history = o.timing, &history{path: o.history.path, now: func() time.Time { return now.Add(2 * time.Hour) }}
	if _, err = later.Lease(t.Context(), "www"); err == nil || state.Transient(err) {
		t.Errorf("after two hours: %v", err)
	}
}

func TestItCanBeSeenWhoOrdersWhat(t *testing.T) {
	t.Parallel()
	etcd := fleettest.One(t)
	first, second := newTestOrders(t, etcd, "a"), newTestOrders(t, etcd, "b")
	if err := leased(t, first).Write(t.Context(), known(order.Opened, order.Claimed)); err != nil {
		t.Fatal(err)
	}
	if _, err := second.Lease(t.Context(), "mail.example.com"); err != nil {
		t.Fatal(err)
	}
	holders, err := testFleet(t, etcd).Holders(t.Context())
	if want := map[string]string{"www": "a", "mail.example.com": "b"}; err != nil || !maps.Equal(holders, want) {
		t.Errorf("%v, %v", holders, err)
	}
}
