package agent

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dvagent/agent/state"
	"dvagent/internal/bundle"
	"dvagent/internal/sandbox"
)

// renewing is a world with a first certificate, whose forced renewal the CA
// checks for ever.
func renewing(t *testing.T) *world {
	t.Helper()
	w := newWorldOfToday(t, sandbox.Options{})
	w.renewed(Renewal{})
	w.faults("checking-forever")
	for range 100 { // until its record stands
		if w.renew(Renewal{Force: w.sandbox.Applied() < 2, NoWait: true}); w.records() != "" {
			return w
		}
	}
	t.Fatal("no record was ever written")
	return nil
}

// An application that runs is gone on with, whatever was lost of it.
func TestARenewalWhoseJournalsAreLostIsGoneOnWith(t *testing.T) {
	for _, tt := range []struct {
		name string
		lost []string
		next Renewal
	}{
		{"the order's, and nothing is due", []string{orderJournal}, Renewal{}},
		{"the order's, and an operator insists", []string{orderJournal}, Renewal{Force: true}},
		{"the order's and the ledger, and an operator insists", []string{orderJournal, instancesLedger}, Renewal{Force: true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := renewing(t)
			for _, file := range tt.lost {
				if err := os.Remove(filepath.Join(string(w.where()), file)); err != nil {
					t.Fatal(err)
				}
			}
			w.renew(Renewal{Force: tt.next.Force, NoWait: true})
			w.issue()
			w.renewed(tt.next)
			if w.usedInstances() != 1 || w.sandbox.Applied() != 2 || w.records() != "" {
				t.Errorf("%d instances, %d applications; records left: %q", w.usedInstances(), w.sandbox.Applied(), w.records())
			}
		})
	}
}

// What an operator forced and did not get is no success, although nothing is due.
func TestAForcedRenewalThatFindsNoInstanceFails(t *testing.T) {
	t.Parallel()
	w := newWorldOfToday(t, sandbox.Options{Instances: 1})
	w.renewed(Renewal{})
	w.faults("one-certificate")
	if o := w.renew(Renewal{Force: true}); o.Class != state.NoInstance {
		t.Errorf("%+v", o)
	}
}

// fault 107: the key is lost between the filling in and the handing in.
func TestAKeyThatIsLostBeforeTheApplicationCostsNoInstance(t *testing.T) {
	for name, damage := range map[string]func(string) error{
		"removed": os.Remove,
		"emptied": func(path string) error { return os.Truncate(path, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorldOfToday(t, sandbox.Options{Instances: 1})
			w.faults("forbidden:ApplyCertificate")
			w.renew(Renewal{NoWait: true})
			w.faults()
			if err := damage(w.pendingKeys()[0]); err != nil {
				t.Fatal(err)
			}
			w.renewed(Renewal{})
			if w.usedInstances() != 1 || w.sandbox.Applied() != 1 {
				t.Errorf("%d instances, %d applications", w.usedInstances(), w.sandbox.Applied())
			}
		})
	}
}

// A pending key whose certificate is stored already is left of nothing.
func TestAForcedRenewalIsNotSatisfiedByTheInstalledCertificate(t *testing.T) {
	t.Parallel()
	w := newWorldOfToday(t, sandbox.Options{})
	w.renewed(Renewal{})
	key, err := os.ReadFile(filepath.Join(w.where().Certificate("example.com"), "current", bundle.KeyFile))
	if err != nil {
		t.Fatal(err)
	}
	id, err := bundle.KeyID(key)
	pending := filepath.Join(w.where().Certificate("example.com"), "pending")
	if err != nil || os.MkdirAll(pending, 0o700) != nil || os.WriteFile(filepath.Join(pending, id+".pem"), key, 0o600) != nil {
		t.Fatal("the key cannot be left behind")
	}
	before := w.current()
	w.renewed(Renewal{Force: true})
	if w.current() == before || w.sandbox.Applied() != 2 {
		t.Errorf("version %s after %s, %d applications", w.current(), before, w.sandbox.Applied())
	}
}

func TestOnlyInstancesThatSomebodyMayUseAreSpare(t *testing.T) {
	t.Parallel()
	w := newWorldOfToday(t, sandbox.Options{Instances: -1, TestInstances: 1})
	w.sandbox.AddSubscription(sandbox.Subscription{InstanceType: "BUY", CertificateType: "DV", FullDomainCount: 1, OrderEnd: time.Now().AddDate(1, 0, 0)})
	var said string
	for _, finding := range w.check().Online(t.Context()) {
		said += fmt.Sprintf("%s%v\n", finding.OK, finding.Err)
	}
	if !strings.Contains(said, "0 spare DV instances for 1 renewal before") {
		t.Errorf("said: %s", said)
	}
}

func TestSeveralCertificatesReadEachListOnce(t *testing.T) {
	t.Parallel()
	w := newWorldOfToday(t, sandbox.Options{})
	w.api = "auto"
	w.extra += "\n[[certificate]]\nname = \"host1\"\ndomains = [\"host1.example.com\"]\n" // with more, the list tells of those that wait
	outcomes, err := w.agent().Renew(t.Context(), Renewal{Timeout: time.Minute, Caller: tester})
	if err != nil || state.Worst(outcomes) != state.Served {
		t.Fatalf("%+v, %v", outcomes, err)
	}
	if calls := w.calls(); calls["ListInstances"] != 1 || calls["ListContact"] != 1 || calls["ListCertificates"] > 1 {
		t.Errorf("called %v", calls)
	}
}
