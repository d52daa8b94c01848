package agent

import (
	"bytes"
	"os"
	"testing"
	"time"

	"dvagent/internal/sandbox"
)

// usedInstances counts those on which somebody applied.
func (w *world) usedInstances() int {
	used := 0
	for _, s := range w.sandbox.Subscriptions() {
		if s.Applications > 0 {
			used++
		}
	}
	return used
}

// A subscription was paid for: what passes, or is not the instance's fault, does
// not cost it.
func TestASubscriptionIsNotGivenUpForWhatIsNotItsFault(t *testing.T) {
	for _, tt := range []struct {
		name, fault string
		tries       int
	}{
		{"the list lacks it once", "omit-instance:ListInstances:1", 1},           // fault 20
		{"the list is empty once", "no-instances:ListInstances:1", 1},            // fault 20
		{"the permission to apply is missing", "forbidden:ApplyCertificate", 6},  // fault 13
		{"the permission to fill in is missing", "forbidden:UpdateInstance", 6},  // fault 13
		{"the account calls too often for long", "throttle:ApplyCertificate", 6}, // fault 7
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorldOfToday(t, sandbox.Options{})
			w.renewed(Renewal{})
			w.faults(tt.fault)
			for range tt.tries {
				w.renew(Renewal{Force: true, Timeout: time.Second})
			}
			w.faults()
			w.renewed(Renewal{Force: true, Timeout: time.Minute})
			if w.usedInstances() != 1 {
				t.Errorf("%d instances used", w.usedInstances())
			}
		})
	}
}

// fault 55
func TestAKeyIsFoundWithoutItsLineInTheJournal(t *testing.T) {
	t.Parallel()
	w := pendingOrder(t)
	journal := w.where().OrderJournal("example.com")
	facts, err := os.ReadFile(journal)
	if err != nil {
		t.Fatal(err)
	}
	damaged := bytes.Replace(facts, []byte(`"keyed"`), []byte(`"k`), 1)
	if bytes.Equal(damaged, facts) {
		t.Fatalf("no key in %s", facts)
	}
	if err := os.WriteFile(journal, damaged, 0o600); err != nil {
		t.Fatal(err)
	}
	w.issue()
	w.renewed(Renewal{Timeout: time.Minute})
	if w.usedInstances() != 1 || w.sandbox.Applied() != 1 {
		t.Errorf("%d instances, %d applications", w.usedInstances(), w.sandbox.Applied())
	}
}

// fault 55: the ledger is lost while an order is open that has claimed its instance.
func TestAnOpenOrderGoesOnWithoutTheLedger(t *testing.T) {
	ofEachOrdering(t, func(t *testing.T, o ordering) {
		w := o.newWorld(t, sandbox.Options{})
		call := map[string]string{"2018-07-13": "CreateDVOrderAudit", "2020-04-07": "ApplyCertificate", "package": "CreateCertificateForPackageRequest"}[o.name]
		w.faults("forbidden:" + call)
		w.renewUntil(call, func() bool { return w.called(call) })
		if err := os.Remove(w.where().Instances()); err != nil {
			t.Fatal(err)
		}
		w.faults()
		w.renewed(Renewal{Timeout: time.Minute})
		if o.used(w) != 1 {
			t.Errorf("%d instances used", o.used(w))
		}
	})
}

// An order that was given up leaves an instance on which the next one applies.
func TestTheInstanceOfAnAbandonedOrderIsTakenAgain(t *testing.T) {
	t.Parallel()
	w := newWorldOfToday(t, sandbox.Options{})
	w.faults("forbidden:ApplyCertificate")
	w.renewUntil("the application", func() bool { return w.called("ApplyCertificate") })
	if _, err := w.agent().Abandon(t.Context(), "example.com", tester); err != nil {
		t.Fatal(err)
	}
	w.faults()
	w.renewed(Renewal{Timeout: time.Minute})
	if w.usedInstances() != 1 || len(w.pendingKeys()) != 0 {
		t.Errorf("%d instances, keys left: %v", w.usedInstances(), w.pendingKeys())
	}
}

// fault 55
func TestASubscriptionIsKnownWithoutTheLedger(t *testing.T) {
	t.Parallel()
	w := newWorldOfToday(t, sandbox.Options{})
	w.renewed(Renewal{})
	if err := os.Remove(w.where().Instances()); err != nil {
		t.Fatal(err)
	}
	w.renewed(Renewal{Force: true, Timeout: time.Minute})
	if w.usedInstances() != 1 || w.sandbox.Applied() != 2 {
		t.Errorf("%d instances, %d applications", w.usedInstances(), w.sandbox.Applied())
	}
}

// fault 102
func TestAnInstanceThatRefusesAFurtherApplicationIsFollowedByTheNext(t *testing.T) {
	t.Parallel()
	w := newWorldOfToday(t, sandbox.Options{})
	w.renewed(Renewal{})
	w.faults("one-certificate")
	w.renewed(Renewal{Force: true, Timeout: time.Minute})
	if used := w.usedInstances(); used != 2 || w.sandbox.Applied() != 2 {
		t.Errorf("%d instances, %d applications", used, w.sandbox.Applied())
	}
}

// fault 109
func TestARenewalAfterTheEndOfASubscriptionTakesAnother(t *testing.T) {
	t.Parallel()
	w := newWorldOfToday(t, sandbox.Options{})
	w.renewed(Renewal{})
	for _, s := range w.sandbox.Subscriptions() {
		if s.Applications > 0 {
			if err := w.sandbox.EndSubscription(s.InstanceID, time.Now().Add(-time.Minute)); err != nil {
				t.Fatal(err)
			}
		}
	}
	w.renewed(Renewal{Force: true})
	if w.sandbox.Applied() != 2 {
		t.Errorf("%d applications", w.sandbox.Applied())
	}
}

func TestAKeyThatWasMadeIsAppliedForAsWhatItIs(t *testing.T) {
	t.Parallel()
	w := newWorldOfToday(t, sandbox.Options{})
	w.faults("forbidden:UpdateInstance")
	w.renew(Renewal{})
	w.faults()
	w.calls()
	w.extra = "key_type = \"ec256\"\n" // of the next key
	w.renewed(Renewal{})
	for _, request := range w.sandbox.History() {
		if kind := request.Params["KeyAlgorithm"]; request.Action == "UpdateInstance" && kind != "RSA_2048" {
			t.Errorf("applied for a key of %s", kind)
		}
	}
}

// fault 109: the subscription ends in the middle of an order, which goes on with
// another one, and leaves no record.
func TestASubscriptionThatEndsInTheMiddleOfAnOrderIsFollowedByTheNext(t *testing.T) {
	for _, tt := range []struct {
		name string
		end  func(w *world, instance string) error
	}{
		{"it expires", func(w *world, instance string) error {
			return w.sandbox.EndSubscription(instance, time.Now().Add(-time.Minute))
		}},
		{"it is closed", func(w *world, instance string) error { return w.sandbox.CloseSubscription(instance, "closed") }},
		{"it is refunded", func(w *world, instance string) error { return w.sandbox.CloseSubscription(instance, "refund") }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := pendingOrder(t)
			if err := tt.end(w, w.claimedInstance().InstanceID); err != nil {
				t.Fatal(err)
			}
			w.faults()
			w.renewed(Renewal{Timeout: time.Minute})
			if w.usedInstances() != 2 || w.sandbox.Applied() != 2 || w.records() != "" {
				t.Errorf("%d instances, %d applications; records left: %q", w.usedInstances(), w.sandbox.Applied(), w.records())
			}
		})
	}
}

func TestTheParentOfAWildcardComesAlong(t *testing.T) {
	for _, tt := range []struct {
		name             string
		names, wildcards int
		asked            string
	}{
		{"of an instance for wildcards alone", -1, 1, "*.example.com"},
		{"but is asked for of one for names, too", 1, 1, "example.com,*.example.com"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorldOfToday(t, sandbox.Options{Names: tt.names, Wildcards: tt.wildcards})
			for n := 1; n <= 2; n++ { // the first order, and a renewal
				w.renewed(Renewal{Force: n > 1})
				if w.usedInstances() != 1 || w.sandbox.Applied() != n {
					t.Errorf("%d instances, %d applications", w.usedInstances(), w.sandbox.Applied())
				}
			}
			for _, request := range w.sandbox.History() {
				if asked := request.Params["Domain"]; request.Action == "UpdateInstance" && asked != tt.asked {
					t.Errorf("asked for %q", asked)
				}
			}
		})
	}
}

// fault 99: one that is kept is no exception.
func TestAKeptInstanceOnWhichSomebodyElseAppliesIsFollowedByTheNext(t *testing.T) {
	t.Parallel()
	w := newWorldOfToday(t, sandbox.Options{})
	w.renewed(Renewal{})
	w.faults("checking-forever")
	if err := w.sandbox.Apply(w.claimedInstance().InstanceID, "other.example.com"); err != nil {
		t.Fatal(err)
	}
	w.faults()
	w.renewed(Renewal{Force: true})
	if w.usedInstances() != 2 {
		t.Errorf("%d instances used", w.usedInstances())
	}
}
