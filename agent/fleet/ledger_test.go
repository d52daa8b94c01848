package fleet

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"dvagent/agent/fleet/fleettest"
	"dvagent/agent/order"
	"dvagent/internal/hint"
)

// A claim is one host's, however many want it at the same moment.
func TestAnInstanceIsClaimedByOneOfManyHosts(t *testing.T) {
	t.Parallel()
	const hosts, instances = 6, 3
	etcd := fleettest.One(t)
	claimed := map[string]string{}
	var mu sync.Mutex
	var all sync.WaitGroup
	for host := range hosts {
		o, certificate := newTestOrders(t, etcd, fmt.Sprint("host", host)), fmt.Sprint("cert", host)
		ledger, err := order.LoadInstances(filepath.Join(t.TempDir(), "instances.journal"))
		if err != nil {
			t.Fatal(err)
		}
		all.Go(func() {
			if err := ledger.Join(o.Ledger(), time.Now()); err != nil {
				t.Error(err)
				return
			}
			for i := range instances {
				id := fmt.Sprint("cas-", i)
				taken, err := ledger.Claim("main", certificate, order.Claim{Instance: id})
				if err != nil {
					t.Error(err)
				}
				if !taken && ledger.Holder(order.Instance{Account: "main", ID: id}) == "" {
					t.Errorf("%s is not told who has %s", certificate, id)
				}
				mu.Lock()
				if taken && claimed[id] != "" {
					t.Errorf("%s is claimed by %s and %s", id, claimed[id], certificate)
				}
				if taken {
					claimed[id] = certificate
				}
				mu.Unlock()
			}
		})
	}
	all.Wait()
	if len(claimed) != instances {
		t.Errorf("claimed: %v", claimed)
	}
}

// What a ledger knows is known to those who join later, whoever was first; what etcd
// lost is told again.
func TestTheLedgersOfHostsBecomeOne(t *testing.T) {
	t.Parallel()
	etcd := fleettest.One(t)
	dir := t.TempDir()
	open := func(name string) *order.Instances {
		t.Helper()
		l, err := order.LoadInstances(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	one, two := order.Instance{Account: "main", ID: "cas-cn-1/x"}, order.Instance{Account: "main", ID: "cas-cn-2"}
	first := open("first")
	claim(t, first, "www", one)
	a, b := newTestOrders(t, etcd, "a"), newTestOrders(t, etcd, "b")
	join(t, first, a)
	if err := first.Submit(one, "www", nil); err != nil {
		t.Fatal(err)
	}
	second := open("second")
	join(t, second, b)
	if holder := second.Holder(one); holder != "www" {
		t.Errorf("the second host knows that %q holds it", holder)
	}
	if _, submitted := second.ClaimOf("main", "www"); !submitted {
		t.Error("the second host does not know of the submission")
	}
	if n, _ := second.Submissions("www", time.Now()); n != 1 {
		t.Errorf("the second host counts %d submissions", n)
	}
	claim(t, second, "mail", two)
	if holder := open("second").Holder(one); holder != "www" {
		t.Errorf("without etcd the second host knows that %q holds it", holder)
	}
	client, _ := a.fleet.Client()
	if _, err := client.Delete(t.Context(), a.instanceKey(one)); err != nil { // as an old backup does
		t.Fatal(err)
	}
	third := open("third")
	join(t, open("second"), b)
	join(t, third, newTestOrders(t, etcd, "c"))
	if third.Holder(one) != "www" || third.Holder(two) != "mail" {
		t.Errorf("the third host knows %q and %q", third.Holder(one), third.Holder(two))
	}
}

func claim(t *testing.T, l *order.Instances, certificate string, i order.Instance) {
	t.Helper()
	if taken, err := l.Claim(i.Account, certificate, order.Claim{Instance: i.ID}); !taken || err != nil {
		t.Fatalf("%s is not claimed: %v", i.ID, err)
	}
}

func join(t *testing.T, l *order.Instances, o *Orders) {
	t.Helper()
	if err := l.Join(o.Ledger(), time.Now()); err != nil {
		t.Fatal(err)
	}
}

// An entry in etcd that is not understood may tell of a submission: nothing is claimed of
// its account, and what another account has is claimed as ever.
func TestWhatIsNotUnderstoodInTheLedgerStopsItsAccountAlone(t *testing.T) {
	t.Parallel()
	etcd := fleettest.One(t)
	i := order.Instance{Account: "main", ID: "i"}
	for _, tt := range []struct{ name, id, value, hint string }{
		{"no JSON", "i", `{"entries":[`, "instances/main/i"},
		{"a word of a later version", "i", `{"entries":[{"at":"2026-01-02T03:04:05Z","fact":"sold","account":"main","instance":"i","by":"b (9.0)"}]}`,
			"host b (9.0) wrote it"},
		{"an entry of another", "i", `{"entries":[{"at":"2026-01-02T03:04:05Z","fact":"claimed","account":"main","instance":"j"}]}`, "instances/main/i"},
		{"an entry without its time", "i", `{"entries":[{"fact":"claimed","account":"main","instance":"i"}]}`, "instances/main/i"},
		{"an entry that is no object", "i", `{"entries":[7]}`, "instances/main/i"},
		{"a key that is no instance's", "%zz", `{"entries":[{"at":"2026-01-02T03:04:05Z","fact":"claimed","account":"main","instance":"i"}]}`, "instances/main/%zz"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := newTestOrders(t, etcd, "a")
			client, _ := o.fleet.Client()
			key := o.instancesPrefix() + "main/" + tt.id
			if _, err := client.Put(t.Context(), key, tt.value); err != nil {
				t.Fatal(err)
			}
			defer client.Delete(context.Background(), key)
			l := openLedger(t, t.TempDir())
			join(t, l, o)
			err := l.Barred("main")
			if err == nil || !strings.Contains(hint.Of(err), tt.hint) {
				t.Errorf("it is told as %v (%s)", err, hint.Of(err))
			}
			for _, id := range []string{i.ID, "j"} {
				if taken, err := l.Claim("main", "www", order.Claim{Instance: id}); taken || err == nil {
					t.Errorf("%s is claimed: %v", id, err)
				}
			}
			if taken, err := l.Claim("second", "mail", order.Claim{Instance: i.ID}); !taken || err != nil || l.Barred("second") != nil {
				t.Errorf("an instance of another account is not claimed: %v", err)
			}
			resp, err := client.Get(t.Context(), key)
			if err != nil || len(resp.Kvs) != 1 || string(resp.Kvs[0].Value) != tt.value {
				t.Errorf("it was changed: %v, %v", resp, err)
			}
			if _, err := client.Delete(t.Context(), o.instanceKey(order.Instance{Account: "second", ID: i.ID})); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func openLedger(t *testing.T, dir string) *order.Instances {
	t.Helper()
	l, err := order.LoadInstances(filepath.Join(dir, "instances.journal"))
	if err != nil {
		t.Fatal(err)
	}
	return l
}
