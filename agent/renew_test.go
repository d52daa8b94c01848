package agent

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"dvagent/agent/state"
	"dvagent/internal/sandbox"
)

func TestAFirstOrderCostsSevenCallsBesidePolls(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{})
	w.renewed(Renewal{})
	calls := w.calls()
	if total := sum(calls) - calls["DescribeDVOrderResult"]; total > 7 {
		t.Errorf("%d calls beside polls: %v", total, calls)
	}
	for action, n := range calls {
		if n > 1 && action != "DescribeDVOrderResult" {
			t.Errorf("%s was called %d times", action, n)
		}
	}
	if left := w.records(); left != "" {
		t.Errorf("records left: %s", left)
	}
}

func TestAForcedRenewalCostsSixCallsBesidePolls(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{})
	w.renewed(Renewal{})
	first := w.current()
	w.calls()
	w.renewed(Renewal{Force: true})
	calls := w.calls()
	if total := sum(calls) - calls["DescribeDVOrderResult"]; total > 6 {
		t.Errorf("%d calls beside polls: %v", total, calls)
	}
	if w.current() == first || w.sandbox.Submitted() != 2 {
		t.Errorf("version %s after %s, %d instances submitted", w.current(), first, w.sandbox.Submitted())
	}
}

func sum(counts map[string]int) (total int) {
	for _, n := range counts {
		total += n
	}
	return total
}

func TestWithNothingDueNoCallIsMade(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{})
	w.extra = w.target()
	w.renewed(Renewal{})
	w.calls()
	if o := w.renew(Renewal{}); o.Class != state.Served || o.Ordered {
		t.Errorf("%+v", o)
	}
	if calls := w.calls(); len(calls) > 0 {
		t.Errorf("calls: %v", calls)
	}
}

func TestAnOrderLeftPendingIsResumed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{})
	if o := w.renew(Renewal{NoWait: true}); o.Class != state.Pending {
		t.Fatalf("%+v", o)
	}
	if w.records() == "" {
		t.Fatal("the record is not published")
	}
	w.renewed(Renewal{})
	if calls := w.calls(); calls["CreateDVOrderAudit"] != 1 || w.sandbox.Submitted() != 1 {
		t.Errorf("%v, %d submitted", calls, w.sandbox.Submitted())
	}
}

func TestForceOpensNoSecondOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{})
	w.renew(Renewal{NoWait: true})
	w.renewed(Renewal{Force: true})
	if w.sandbox.Submitted() != 1 {
		t.Errorf("%d instances submitted", w.sandbox.Submitted())
	}
}

func TestForceThatFindsNoInstanceIsForgotten(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{Instances: 1})
	w.renewed(Renewal{})
	if o := w.renew(Renewal{Force: true}); o.Class != state.NoInstance {
		t.Errorf("%+v", o)
	}
	w.sandbox.AddInstance("DV", "BUY", "PAYED", "")
	if o := w.renew(Renewal{}); o.Class != state.Served || o.Ordered {
		t.Errorf("the force was remembered: %+v", o)
	}
}

// fault 22
func TestWithoutASpareInstanceTheOutcomeSaysSo(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{Instances: -1})
	o := w.renew(Renewal{})
	if o.Class != state.NoInstance || o.Hint() == "" {
		t.Errorf("%+v", o)
	}
	if calls := w.calls(); calls["DescribeOrderInstanceList"] > state.MostTries {
		t.Errorf("a storm: %v", calls)
	}
}

func TestAPairThatTheTargetsHoldIsTakenOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{})
	w.extra = w.target()
	w.renewed(Renewal{})
	if err := os.RemoveAll(string(w.where())); err != nil {
		t.Fatal(err)
	}
	w.calls()
	if o := w.renew(Renewal{}); o.Class != state.Served || o.Ordered {
		t.Errorf("%+v", o)
	}
	if calls := w.calls(); len(calls) > 0 || w.sandbox.Submitted() != 1 {
		t.Errorf("calls: %v", calls)
	}
	w.current()
}

// fault 166
func TestAPairThatOneOfTwoTargetsHoldsIsNotGivenToTheOther(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{})
	w.extra = w.target()
	w.renewed(Renewal{})
	b, second := w.pair(), filepath.Join(w.dir, "second.pem")
	if err := os.RemoveAll(string(w.where())); err != nil {
		t.Fatal(err)
	}
	w.extra += fmt.Sprintf("  [[certificate.deploy]]\n  combined = %q\n", second)
	if planned := w.planned(); planned.Action == "take over" {
		t.Errorf("%+v", planned)
	}
	if err := os.WriteFile(second, append(b.KeyPEM(), b.FullchainPEM()...), 0o600); err != nil {
		t.Fatal(err)
	}
	if planned := w.planned(); planned.Action != "take over" {
		t.Errorf("%+v", planned)
	}
}

func TestACertificateOfTheAccountIsTakenInsteadOfOrdering(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{})
	w.renewed(Renewal{})
	if err := os.RemoveAll(string(w.where())); err != nil {
		t.Fatal(err)
	}
	if o := w.renew(Renewal{}); o.Class != state.Served {
		t.Errorf("%+v", o)
	}
	if w.sandbox.Submitted() != 1 {
		t.Errorf("%d instances submitted", w.sandbox.Submitted())
	}
	if err := os.RemoveAll(string(w.where())); err != nil {
		t.Fatal(err)
	}
	w.renewed(Renewal{Force: true})
	if w.sandbox.Submitted() != 2 {
		t.Errorf("with force, %d instances submitted", w.sandbox.Submitted())
	}
}

// fault 65
func TestARunningOrderOfAnotherHostIsAdopted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{IssueAfter: 3 * time.Second}) // runs for longer than the first host works
	w.renew(Renewal{NoWait: true})
	if err := os.RemoveAll(string(w.where())); err != nil {
		t.Fatal(err)
	}
	before := w.records()
	w.renewed(Renewal{})
	if w.sandbox.Submitted() != 1 {
		t.Errorf("%d instances submitted", w.sandbox.Submitted())
	}
	if w.records() != before {
		t.Errorf("the record of the other host: %q, before %q", w.records(), before)
	}
}

func TestAFileThatWasOverwrittenHealsWithoutAnOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{})
	w.extra = w.target()
	w.renewed(Renewal{})
	path := filepath.Join(w.dir, "www.pem")
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("someone else's"), 0o644); err != nil {
		t.Fatal(err)
	}
	w.calls()
	w.renew(Renewal{})
	got, err := os.ReadFile(path)
	if err != nil || string(got) != string(want) {
		t.Errorf("%s, %v", got, err)
	}
	if calls := w.calls(); len(calls) > 0 {
		t.Errorf("calls: %v", calls)
	}
}

// fault 65: the other host has renewed already, and this one takes its
// certificate from the account.
func TestARenewalThatAnotherHostMadeIsTaken(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{})
	w.renewed(Renewal{})
	first, second := string(w.where()), filepath.Join(w.dir, "second")
	if err := os.CopyFS(second, os.DirFS(first)); err != nil {
		t.Fatal(err)
	}
	w.renewed(Renewal{Force: true})
	renewed := w.current()
	// The second host still has the first version, whose key is lost there.
	if err := os.RemoveAll(first); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(first, os.DirFS(second)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(first, "certificates/example.com/current/privkey.pem"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if o := w.renew(Renewal{}); o.Class != state.Served {
		t.Errorf("%+v", o)
	}
	if w.sandbox.Submitted() != 2 || w.current() != renewed {
		t.Errorf("%d submitted, version %s, want %s", w.sandbox.Submitted(), w.current(), renewed)
	}
}
