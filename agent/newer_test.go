package agent

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"dvagent/agent/state"
	"dvagent/agent/view"
	"dvagent/deploy"
	"dvagent/internal/bundle"
	"dvagent/internal/bundle/bundletest"
	"dvagent/internal/sandbox"
	"dvagent/internal/secret"
)

// rivalled is a world with a target that holds the first version, on a host that
// trusts another CA besides, which somebody else uses.
func rivalled(t *testing.T) *world {
	w := newWorld(t, sandbox.Options{})
	w.extra, w.trusts = w.target(), bundletest.NewCA(t, "Rival")
	w.renewed(Renewal{})
	w.calls()
	return w
}

// rival is a pair of the other CA, for the names of the world.
func (w *world) rival(leaf bundletest.Leaf) *bundle.Bundle {
	leaf.Names = []string{"example.com", "*.example.com"}
	return w.trusts.Issue(w, leaf)
}

// later is a leaf that is made after the world's and valid for so many days.
func later(days int) bundletest.Leaf {
	return bundletest.Leaf{NotBefore: time.Now().Add(time.Second).Truncate(time.Second), NotAfter: time.Now().AddDate(0, 0, days)}
}

// fault 136
func TestANewerPairThatSomebodyElsePutInPlaceBecomesAVersion(t *testing.T) {
	for _, tt := range []struct {
		name string
		leaf func() bundletest.Leaf
	}{
		{"one that ends later", func() bundletest.Leaf { return later(300) }},
		{"one of an emergency, which ends sooner", func() bundletest.Leaf { return later(90) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := rivalled(t)
			told := filepath.Join(w.dir, "told")
			w.extra += fmt.Sprintf("\n[[hook]]\non = [\"issued\", \"deployed\"]\ncommand = [\"/bin/sh\", \"-c\", \"echo $DVAGENT_EVENT >>%s\"]\n", told)
			w.renew(Renewal{}) // so that a version is known to have been told of
			_ = os.Remove(told)
			log, rival := w.logged(), w.rival(tt.leaf())
			w.place(rival)
			if planned := w.planned(); planned.Action != "take over" {
				t.Errorf("%+v", planned)
			}
			if o := w.renew(Renewal{}); o.Class != state.Served || o.Did != state.TookOver {
				t.Errorf("%+v", o)
			}
			c := w.status().Certificates[0]
			if !w.holds(rival) || w.current() != rival.ID() || !c.Deployed || c.State != view.OK || !strings.Contains(c.Issuer, "Rival") {
				t.Errorf("version %s, %+v", w.current(), c)
			}
			if events, _ := os.ReadFile(told); string(events) != "issued\ndeployed\n" {
				t.Errorf("hooks ran of %q", events)
			}
			if calls := w.calls(); sum(calls) > 0 || strings.Contains(log.String(), "WARN") {
				t.Errorf("calls %v, log %s", calls, log)
			}
			w.renewed(Renewal{Force: true}) // an operator's word goes beyond
			if w.holds(rival) {
				t.Error("what was forced is not in place")
			}
		})
	}
}

// fault 136
func TestANewerPairInAKeyStoreBecomesAVersion(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{})
	target := deploy.Target{PFX: filepath.Join(w.dir, "www.pfx"), Password: secret.Secret{Literal: "changeit"}}
	w.extra = fmt.Sprintf("\n  [[certificate.deploy]]\n  pfx = %q\n  password = \"changeit\"\n", target.PFX)
	w.trusts = bundletest.NewCA(t, "Rival")
	w.renewed(Renewal{})
	rival := w.rival(later(90))
	time.Sleep(time.Until(rival.Leaf.NotBefore))
	if err := deploy.Install(t.Context(), []deploy.Job{{Target: target, Bundle: rival}})[0].Err; err != nil {
		t.Fatal(err)
	}
	if o := w.renew(Renewal{}); o.Class != state.Served || w.current() != rival.ID() || w.sandbox.Submitted() != 1 {
		t.Errorf("%+v, version %s", o, w.current())
	}
}

// fault 136
func TestAPairThatIsDueIsNotOrderedWhereSomebodyElseRenewedIt(t *testing.T) {
	t.Parallel()
	w := rivalled(t)
	old := w.rival(bundletest.Leaf{NotBefore: time.Now().AddDate(0, 0, -80), NotAfter: time.Now().AddDate(0, 0, 10)})
	store := w.where().Store("example.com")
	id, err := store.Put(old)
	if err == nil {
		err = store.Switch(id)
	}
	if err != nil {
		t.Fatal(err)
	}
	w.place(w.rival(later(90)))
	if planned := w.planned(); planned.Reason != state.ReasonInWindow || planned.Action != "take over" {
		t.Errorf("%+v", planned)
	}
	if o := w.renew(Renewal{}); o.Class != state.Served || w.current() == id || len(w.calls()) > 0 {
		t.Errorf("%+v, version %s", o, w.current())
	}
}

// fault 136
func TestAPairThatSomebodyElsePutInPlaceAndIsNoBetterIsReplaced(t *testing.T) {
	for _, tt := range []struct {
		name string
		pair func(w *world) *bundle.Bundle
		told string // in the log, or ""
	}{
		{"an older one", func(w *world) *bundle.Bundle {
			return w.rival(bundletest.Leaf{NotBefore: time.Now().AddDate(0, -1, 0), NotAfter: time.Now().AddDate(0, 1, 0)})
		}, "it is no newer than version"},
		{"a newer one that nobody trusts", func(w *world) *bundle.Bundle { return w.private(later(3000)) }, "no root that this host trusts leads to it"},
		{"one that has expired", func(w *world) *bundle.Bundle {
			return w.rival(bundletest.Leaf{NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(-time.Minute)})
		}, ""},
		{"one for other names", func(w *world) *bundle.Bundle {
			leaf := later(90)
			leaf.Names = []string{"example.net"}
			return w.trusts.Issue(w, leaf)
		}, ""},
		{"a newer certificate without its key", func(w *world) *bundle.Bundle {
			b := w.rival(later(90))
			return &bundle.Bundle{Leaf: b.Leaf, Chain: b.Chain, Key: bundletest.NewKey(w)}
		}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := rivalled(t)
			log, before := w.logged(), w.pair()
			w.place(tt.pair(w))
			if planned := w.planned(); planned.Action != "deploy" {
				t.Errorf("%+v", planned)
			}
			if o := w.renew(Renewal{}); o.Class != state.Served || !w.holds(before) || w.sandbox.Submitted() != 1 {
				t.Errorf("%+v", o)
			}
			if told := strings.Contains(log.String(), "level=WARN"); told != (tt.told != "") || !strings.Contains(log.String(), tt.told) {
				t.Errorf("log %s", log)
			}
		})
	}
}

// A newer pair that cannot become a version stays where it lies, and there alone.
// faults 136 and 166
func TestANewerPairThatCannotBecomeAVersionStaysWhereItLies(t *testing.T) {
	const stranger = 65534
	for _, tt := range []struct {
		name string
		put  func(w *world, rival *bundle.Bundle)
		why  string
	}{
		{"in a file of another user", func(w *world, rival *bundle.Bundle) {
			if os.Geteuid() != 0 {
				w.Skip("only root can give a file to another user")
			}
			if err := os.Chown(filepath.Join(w.dir, "www.key"), stranger, stranger); err != nil {
				w.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(w.dir, "second.pem"), append(rival.KeyPEM(), rival.FullchainPEM()...), 0o600); err != nil {
				w.Fatal(err)
			}
		}, "belongs to user"},
		{"in one target of two", func(*world, *bundle.Bundle) {}, "holds another certificate"},
		{"while a version is held", func(w *world, rival *bundle.Bundle) {
			time.Sleep(time.Until(rival.Leaf.NotBefore)) // versions of one second have no order
			w.renewed(Renewal{Force: true})
			if _, err := w.agent().Rollback(w.Context(), "example.com", "", tester); err != nil {
				w.Fatal(err)
			}
		}, "is held"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, sandbox.Options{})
			second := filepath.Join(w.dir, "second.pem")
			w.extra, w.trusts = w.target()+fmt.Sprintf("  [[certificate.deploy]]\n  combined = %q\n", second), bundletest.NewCA(t, "Rival")
			w.renewed(Renewal{})
			rival := w.rival(later(300))
			tt.put(w, rival)
			w.place(rival)
			other, _ := os.ReadFile(second)
			log, version := w.logged(), w.current()
			for range 2 {
				if o := w.renew(Renewal{}); o.Class != state.Served {
					t.Errorf("%+v", o)
				}
			}
			if now, _ := os.ReadFile(second); !w.holds(rival) || w.current() != version || string(now) != string(other) {
				t.Errorf("version %s, want %s", w.current(), version)
			}
			if n := strings.Count(log.String(), "stays there"); n == 0 || n > 2 || !strings.Contains(log.String(), tt.why) {
				t.Errorf("told %d times: %s", n, log)
			}
			if c := w.status().Certificates[0]; c.State != view.Kept || !strings.Contains(c.Next, "dvagent deploy example.com") || c.Deployed {
				t.Errorf("%+v", c)
			}
			if planned := w.planned(); planned.Action != "none" || !strings.Contains(strings.Join(planned.Warnings, " "), "keeps a newer pair") {
				t.Errorf("%+v", planned)
			}
			if _, err := w.agent().Deploy(w.Context(), Redeployment{Caller: tester}); err != nil {
				t.Fatal(err)
			}
			if c := w.status().Certificates[0]; w.holds(rival) || c.State == view.Kept || !c.Deployed {
				t.Errorf("after deploy: %+v", c)
			}
			w.place(rival)
			w.renew(Renewal{})
			w.renewed(Renewal{Force: true})
			if w.holds(rival) {
				t.Error("what was forced is not in place")
			}
		})
	}
}

// fault 136: neither the file nor the log is written again and again.
func TestTheServiceDoesNotFightOverAFile(t *testing.T) {
	t.Parallel()
	w := rivalled(t)
	log := w.logged()
	var deployed atomic.Int32
	rests := make(chan struct{}, 100)
	w.observe = func(e state.Event) {
		if p, ok := e.(state.Progress); ok && p.Step == state.StepDeploy {
			deployed.Add(1)
		}
		if _, rest := e.(state.Rest); rest {
			rests <- struct{}{}
		}
	}
	service := NewService(w.agent(), nil, tester)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- service.Run(ctx) }()
	<-rests
	rival := w.rival(bundletest.Leaf{NotAfter: time.Now().AddDate(0, 0, 300), NotBefore: time.Now().Add(-time.Minute)})
	w.place(rival)
	for range 3 { // it rests, is woken, and rests again, whatever is touched
		<-rests
		w.place(rival)
	}
	stop()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(log.String(), "stays there"); !w.holds(rival) || deployed.Load() > 0 || n != 1 {
		t.Errorf("%d deployments, told %d times: %s", deployed.Load(), n, log)
	}
}

// fault 136
func TestANewerPairThatStaysGivesWayWhenItsOwnRenewalIsDue(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{})
	w.extra = w.target() + fmt.Sprintf("  [[certificate.deploy]]\n  combined = %q\n", filepath.Join(w.dir, "second.pem"))
	w.trusts = bundletest.NewCA(t, "Rival")
	w.renewed(Renewal{})
	ours := w.pair()
	rival := w.rival(later(60)) // which is not due for some weeks, and ends sooner than ours
	w.place(rival)
	if o := w.renew(Renewal{}); o.Class != state.Served || !w.holds(rival) || !o.Next.After(time.Now()) || !o.Next.Before(rival.Leaf.NotAfter) {
		t.Errorf("%+v", o)
	}
	log := w.logged()
	due := w.rival(bundletest.Leaf{NotBefore: time.Now().Add(time.Second).Truncate(time.Second), NotAfter: time.Now().Add(20 * time.Second)})
	w.place(due)
	time.Sleep(time.Until(due.Leaf.NotBefore.Add(16 * time.Second))) // within the last third of its life
	if planned := w.planned(); planned.Action != "deploy" {
		t.Errorf("%+v", planned)
	}
	if o := w.renew(Renewal{}); o.Class != state.Served || !w.holds(ours) || !strings.Contains(log.String(), "its renewal is due since") {
		t.Errorf("%+v, log %s", o, log)
	}
}

// fault 136
func TestANewerPairThatStaysGivesWayToTheNextVersionEvenIfThatFailsFirst(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{})
	works := filepath.Join(w.dir, "works")
	if err := os.WriteFile(works, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	w.extra = w.target() + fmt.Sprintf("  check = [\"test\", \"-e\", %q]\n  [[certificate.deploy]]\n  combined = %q\n", works, filepath.Join(w.dir, "second.pem"))
	w.trusts = bundletest.NewCA(t, "Rival")
	w.renewed(Renewal{})
	rival := w.rival(later(300))
	w.place(rival)
	if o := w.renew(Renewal{}); o.Class != state.Served || !w.holds(rival) {
		t.Fatalf("%+v", o)
	}
	if err := os.Remove(works); err != nil {
		t.Fatal(err)
	}
	if o := w.renew(Renewal{Force: true}); o.Class != state.NotServed || !o.Ordered || !w.holds(rival) {
		t.Fatalf("%+v", o)
	}
	if err := os.WriteFile(works, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if planned := w.planned(); planned.Action != "deploy" {
		t.Errorf("%+v", planned)
	}
	if o := w.renew(Renewal{}); o.Class != state.Served || w.holds(rival) || !w.status().Certificates[0].Deployed {
		t.Errorf("%+v", o)
	}
}

// fault 136
func TestANewerPairStaysWhileItsAccountCannotBeAsked(t *testing.T) {
	t.Parallel()
	w := rivalled(t)
	private := w.private(later(3000))
	w.place(private)
	w.faults("throttle:DescribeUserCertificateList")
	if o := w.renew(Renewal{NoWait: true}); o.Class != state.Pending || !w.holds(private) || !o.Retry || time.Until(o.Next) > time.Minute {
		t.Errorf("%+v", o)
	}
	w.faults()
	if o := w.renew(Renewal{}); o.Class != state.Served || w.holds(private) {
		t.Errorf("%+v", o)
	}
}
