package agent

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dvagent/agent/order"
	"dvagent/agent/state"
	"dvagent/agent/view"
	"dvagent/internal/bundle"
	"dvagent/internal/bundle/bundletest"
	"dvagent/internal/sandbox"
)

// hostedWorld has a certificate that is in its renewal window, and whose
// instance renews by itself: its latest certificate ends within an hour.
func hostedWorld(t *testing.T, extra string) (w *world, instance string) {
	t.Helper()
	w = newWorldOfToday(t, sandbox.Options{Faults: []sandbox.Fault{mustFault(t, "ends-early")}})
	w.extra = extra
	w.renewed(Renewal{})
	w.faults()
	for _, s := range w.sandbox.Subscriptions() {
		if s.Applications > 0 {
			instance = s.InstanceID
		}
	}
	w.isHosted(instance)
	w.ages(-5*time.Hour, 2*time.Hour)
	w.calls()
	return w, instance
}

func (w *world) isHosted(instance string) {
	w.Helper()
	if err := w.sandbox.SetAutoReissue(instance, true); err != nil {
		w.Fatal(err)
	}
}

// ages puts, in the place of the current version, one for the same key that
// began and ends at such a distance from now.
func (w *world) ages(begins, ends time.Duration) {
	w.Helper()
	store := bundle.Open(w.where().Certificate("example.com"))
	current, err := bundle.Load(store.Path(w.current()))
	if err != nil {
		w.Fatal(err)
	}
	now := time.Now()
	old := bundletest.NewCA(w.T, "old").Issue(w.T, bundletest.Leaf{
		Names: []string{"example.com", "*.example.com"}, Key: current.Key, NotBefore: now.Add(begins), NotAfter: now.Add(ends),
	})
	id, err := store.Put(old)
	if err == nil {
		err = store.Switch(id)
	}
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) reissue(instance string) {
	w.Helper()
	if err := w.sandbox.Reissue(instance); err != nil {
		w.Fatal(err)
	}
}

// ended is the order that ended last.
func (w *world) ended() *order.Order {
	w.Helper()
	o, err := order.Last(w.where().Certificate("example.com"))
	if err != nil || o == nil {
		w.Fatalf("no order has ended: %v", err)
	}
	return o
}

// saidBy returns what the agent says during do.
func (w *world) saidBy(do func()) string {
	w.Helper()
	var said strings.Builder
	w.onProgress(func(p state.Progress) { said.WriteString(p.Text + "\n") })
	do()
	w.observe = nil
	return said.String()
}

// fault 108
func TestWhatTheAccountRenewedByItselfIsCollectedAndNotOrdered(t *testing.T) {
	for _, tt := range []struct {
		name   string
		damage func(*world) error
	}{
		{"when all is as it was left", func(*world) error { return nil }},
		{"when the ledger of instances is lost", func(w *world) error { return os.Remove(w.where().Instances()) }},
		{"when an order waits for it already", func(w *world) error {
			w.renew(Renewal{})
			return nil
		}},
		{"when the journal of the order that waits for it is lost", func(w *world) error {
			w.renew(Renewal{})
			return os.Remove(w.where().OrderJournal("example.com"))
		}},
		{"when an older version has its key", func(w *world) error {
			w.serves(-5*time.Hour, 2*time.Hour)
			return nil
		}},
		{"when the account does not renew by itself any more", func(w *world) error {
			return w.sandbox.SetAutoReissue(w.sandbox.Subscriptions()[0].InstanceID, false)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w, instance := hostedWorld(t, "")
			if err := tt.damage(w); err != nil {
				t.Fatal(err)
			}
			w.reissue(instance)
			applied := w.sandbox.Applied()
			w.calls()
			w.renewed(Renewal{})
			calls := w.calls()
			if w.sandbox.Applied() != applied || calls["UpdateInstance"] > 0 || calls["AddDomainRecord"] > 0 {
				t.Errorf("applied for: %v", calls)
			}
			if o := w.ended(); o.Outcome != order.Issued || o.Instance != instance || o.Version != w.current() {
				t.Errorf("the order ended %+v", o)
			}
			if w.renew(Renewal{}); len(w.calls()) > 0 {
				t.Error("with nothing due it calls")
			}
		})
	}
}

// fault 108: CAS makes another key for each of its renewals.
func TestWhatTheAccountRenewedIsCollectedWithTheKeyThatCASMade(t *testing.T) {
	t.Parallel()
	w, instance := hostedWorld(t, "private_key = \"cas\"\n")
	w.reissue(instance)
	w.renewed(Renewal{})
	if o := w.ended(); w.sandbox.Applied() != 2 || o.Instance != instance || o.Version != w.current() {
		t.Errorf("%d applications; the order ended %+v", w.sandbox.Applied(), o)
	}
}

// fault 108
func TestAnInstanceThatRenewsByItselfIsWaitedForButNotIntoAnEmergency(t *testing.T) {
	t.Parallel()
	w, instance := hostedWorld(t, "")
	for range 2 {
		o := w.renew(Renewal{})
		if o.Class != state.Pending || !strings.Contains(o.Waiting, instance) || o.Err != nil {
			t.Errorf("%+v", o)
		}
		if calls := w.calls(); calls["ListInstances"] != 1 || len(calls) > 1 {
			t.Errorf("it costs %v", calls)
		}
	}
	w.faults("error-503:ListInstances:1")
	if o := w.renew(Renewal{}); o.Class != state.Pending || w.status().Certificates[0].State != view.Ordering {
		t.Errorf("after a fault that passed: %+v", o)
	}
	w.ages(-100*time.Hour, 2*time.Hour)
	said := w.saidBy(func() { w.renewed(Renewal{}) })
	if strings.Count(said, "has not renewed instance "+instance) != 1 || w.sandbox.Applied() != 2 || w.usedInstances() != 1 {
		t.Errorf("%d applications, %d instances; said:\n%s", w.sandbox.Applied(), w.usedInstances(), said)
	}
}

// fault 108
func TestAnInstanceThatRenewsByItselfIsNotWaitedForInVain(t *testing.T) {
	for _, tt := range []struct {
		name    string
		arrange func(w *world, instance string)
		renewal Renewal
		says    string
	}{
		{"its renewal is for a key that is not ours", func(w *world, instance string) {
			w.faults("reissue-new-key")
			w.reissue(instance)
		}, Renewal{}, "a key that is not ours"},
		{"the key of its renewal is lost", func(w *world, instance string) {
			w.reissue(instance)
			w.serves(-5*time.Hour, 2*time.Hour)
			for _, version := range w.versionsBut(w.current()) {
				if err := os.RemoveAll(version); err != nil {
					w.Fatal(err)
				}
			}
		}, Renewal{}, "a key that is not ours"},
		{"the names were changed in the configuration", func(w *world, instance string) {
			w.reissue(instance)
			w.domains = `["example.com", "new.www.example.com"]`
		}, Renewal{}, "names changed"},
		{"its subscription ends before the certificate", func(w *world, instance string) {
			if err := w.sandbox.EndSubscription(instance, time.Now().Add(time.Hour)); err != nil {
				w.Fatal(err)
			}
		}, Renewal{}, "ends too soon: another one is taken"},
		{"an operator forces another one", func(w *world, instance string) { w.reissue(instance) }, Renewal{Force: true}, "in window"},
		{"an operator forces another one while an order waits", func(w *world, instance string) {
			w.renew(Renewal{})
			w.reissue(instance)
		}, Renewal{Force: true}, "claimed"},
		{"what it brought cannot be read, and it is an emergency", func(w *world, instance string) {
			w.ages(-100*time.Hour, 2*time.Hour)
			w.reissue(instance)
			w.faults("forbidden:GetUserCertificateDetail:1")
		}, Renewal{}, "cannot be had"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w, instance := hostedWorld(t, "")
			tt.arrange(w, instance)
			applied := w.sandbox.Applied()
			said := w.saidBy(func() { w.renewed(tt.renewal) })
			instances := 1
			if strings.Contains(said, "another one is taken") { // its subscription is of no more use
				instances++
			}
			if w.sandbox.Applied() != applied+1 || w.usedInstances() != instances || strings.Count(said, tt.says) != 1 {
				t.Errorf("%d applications more, %d instances; said:\n%s", w.sandbox.Applied()-applied, w.usedInstances(), said)
			}
		})
	}
}

// versionsBut are the directories of the other versions.
func (w *world) versionsBut(id string) (paths []string) {
	w.Helper()
	all, err := filepath.Glob(filepath.Join(w.where().Certificate("example.com"), "versions", "*"))
	if err != nil {
		w.Fatal(err)
	}
	for _, path := range all {
		if filepath.Base(path) != id {
			paths = append(paths, path)
		}
	}
	return paths
}

// fault 108: the account renews between the choice of the instance and the
// application. What is kept for the certificate is not given up for it.
func TestARenewalByTheAccountThatComesInBetweenCostsNoInstance(t *testing.T) {
	for _, tt := range []struct {
		name, fault string
		forced      bool
		applied     int // by us
	}{
		{"for our key: it is collected", "", false, 0},
		{"for another key: it is applied on top of it", "reissue-new-key", false, 1},
		{"for our key, and an operator wants another one", "", true, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w, instance := hostedWorld(t, "")
			if err := w.sandbox.SetAutoReissue(instance, false); err != nil {
				t.Fatal(err)
			}
			if tt.fault != "" {
				w.faults(tt.fault)
			}
			before, once := w.sandbox.Applied(), false
			w.onProgress(func(p state.Progress) {
				if strings.HasPrefix(p.Text, "claimed instance") && !once {
					once = true
					w.reissue(instance)
				}
			})
			w.renewed(Renewal{Force: tt.forced, Timeout: time.Minute})
			if !once || w.sandbox.Applied() != before+1+tt.applied || w.usedInstances() != 1 || w.records() != "" {
				t.Errorf("%d applications, %d instances, records %q", w.sandbox.Applied()-before, w.usedInstances(), w.records())
			}
		})
	}
}

// fault 108: the process ends after any line of the journal.
func TestTheCollectionOfARenewalByTheAccountIsCut(t *testing.T) {
	t.Parallel()
	w, instance := hostedWorld(t, "")
	w.reissue(instance)
	w.renewed(Renewal{})
	collected := w.current()
	last := filepath.Join(w.where().Certificate("example.com"), "last-order.journal")
	journal, err := os.ReadFile(last)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(strings.TrimSpace(string(journal)), "\n")
	for n := range lines {
		if err := os.WriteFile(w.where().OrderJournal("example.com"), []byte(strings.Join(lines[:n+1], "")), 0o600); err != nil {
			t.Fatal(err)
		}
		if o := w.renew(Renewal{}); o.Class != state.Served || w.sandbox.Applied() != 2 || w.current() != collected {
			t.Errorf("after %d lines: %+v; %d applications, version %s", n+1, o, w.sandbox.Applied(), w.current())
		}
	}
	w.renewed(Renewal{Force: true})
	if w.usedInstances() != 1 {
		t.Errorf("%d instances", w.usedInstances())
	}
}
