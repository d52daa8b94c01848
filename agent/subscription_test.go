package agent

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dvagent/agent/state"
	"dvagent/internal/bundle"
	"dvagent/internal/sandbox"
)

// newWorldOfToday is a world whose account is spoken to by 2020-04-07.
func newWorldOfToday(t *testing.T, options sandbox.Options) *world {
	t.Helper()
	w := newWorld(t, options)
	w.api = "2020-04-07"
	return w
}

// pendingKeys are the files of keys that have no certificate yet.
func (w *world) pendingKeys() []string {
	w.Helper()
	files, err := filepath.Glob(filepath.Join(w.where().Certificate("example.com"), "pending", "*"))
	if err != nil {
		w.Fatal(err)
	}
	return files
}

func TestAnOrderOfTodayIsForAKeyThatWasMadeHere(t *testing.T) {
	for _, kind := range bundle.KeyTypes() {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			w := newWorldOfToday(t, sandbox.Options{})
			w.extra = "key_type = \"" + kind + "\"\n"
			w.renewed(Renewal{})
			key, err := os.ReadFile(filepath.Join(w.where().Certificate("example.com"), "current", bundle.KeyFile))
			if err != nil {
				t.Fatal(err)
			}
			id, err := bundle.KeyID(key)
			subscription := w.sandbox.Subscriptions()[0]
			for _, s := range w.sandbox.Subscriptions() {
				if s.Applications > 0 {
					subscription = s
				}
			}
			if err != nil || subscription.KeyHash != id || w.sandbox.Applied() != 1 {
				t.Errorf("the instance is for key %s, not %s (%v); %d applications", subscription.KeyHash, id, err, w.sandbox.Applied())
			}
			for _, request := range w.sandbox.History() {
				for name, value := range request.Params {
					if strings.Contains(value, "PRIVATE KEY") {
						t.Errorf("%s sends a key as %s", request.Action, name)
					}
				}
			}
			if left := w.pendingKeys(); len(left) > 0 || w.records() != "" {
				t.Errorf("left: keys %v, records %q", left, w.records())
			}
		})
	}
}

func TestARenewalIsOfTheSameInstanceWithANewKey(t *testing.T) {
	t.Parallel()
	w := newWorldOfToday(t, sandbox.Options{})
	w.renewed(Renewal{})
	first := w.current()
	w.renewed(Renewal{Force: true})
	if used := w.usedInstances(); used != 1 || w.sandbox.Applied() != 2 || w.current() == first {
		t.Errorf("%d instances used, %d applications, version %s after %s", used, w.sandbox.Applied(), w.current(), first)
	}
	w.calls()
	if o := w.renew(Renewal{}); o.Class != state.Served || len(w.calls()) > 0 {
		t.Errorf("with nothing due: %+v", o)
	}
}

func TestWhatAnOrderOfTodayCosts(t *testing.T) {
	w := newWorldOfToday(t, sandbox.Options{})
	w.renewed(Renewal{})
	beside := func() int {
		n := 0
		calls := w.calls()
		for action, times := range calls {
			if action != "GetInstanceDetail" {
				n += times
			}
		}
		t.Log(calls)
		return n + 1 // one read of the instance is no poll
	}
	if n := beside(); n > 11 {
		t.Errorf("a first order costs %d calls beside polls", n)
	}
	w.renewed(Renewal{Force: true})
	if n := beside(); n > 10 {
		t.Errorf("a renewal costs %d calls beside polls", n)
	}
}

// fault 112
func TestTheAPIIsFoundOut(t *testing.T) {
	for _, tt := range []struct {
		name   string
		server string // the versions that it has
		action string // that places the order
	}{
		{"the newer one where both are there", sandbox.BothAPIs, "ApplyCertificate"},
		{"the newer one alone", sandbox.API2020, "ApplyCertificate"},
		{"the older one where the newer one is unknown", sandbox.API2018, "CreateDVOrderAudit"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, sandbox.Options{CASAPI: tt.server})
			w.api = "auto"
			w.renewed(Renewal{})
			if calls := w.calls(); calls[tt.action] != 1 {
				t.Errorf("called %v", calls)
			}
		})
	}
}

// fault 112
func TestARefusedPermissionDecidesNothingAboutTheAPI(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{})
	w.api = "auto"
	w.faults("forbidden:ListInstances")
	if o := w.renew(Renewal{NoWait: true}); o.Class != state.Failure || !strings.Contains(o.Hint(), "yundun-cert:ListInstances") {
		t.Errorf("%+v, hint %q", o, o.Hint())
	}
	if calls := w.calls(); calls["DescribeOrderInstanceList"] > 0 {
		t.Errorf("called %v", calls)
	}
}

// Whatever the cloud does for a while, one application is accepted, and what is
// served is for a key that was made here.
func TestAnOrderOfTodayOutlivesFaultsThatPass(t *testing.T) {
	for _, tt := range []struct{ name, fault string }{
		{"the update is applied and its answer lost", "lose-answer:UpdateInstance:1"},                     // fault 95
		{"the update never arrives", "drop-request:UpdateInstance:1"},                                     // fault 95
		{"the application is accepted and its answer lost", "lose-answer:ApplyCertificate:1"},             // fault 97
		{"the application never arrives", "drop-request:ApplyCertificate:1"},                              // fault 97
		{"the instance is protected for a while", "code-InvalidStatus.UpdateProtection:UpdateInstance:2"}, // fault 98
		{"the instance cannot be read for a while", "error-500:GetInstanceDetail:2"},
		{"the certificate cannot be fetched for a while", "error-503:GetUserCertificateDetail:2"},
		{"the update submits by itself", "auto-submit"},                              // fault 96
		{"a pending instance is called normal", "early-normal"},                      // fault 100
		{"numbers are strings, and strings are numbers", "numbers"},                  // fault 103
		{"times are in seconds", "seconds"},                                          // fault 103
		{"what has no value is null", "nulls"},                                       // fault 103
		{"what has no value is blank", "blanks"},                                     // fault 103
		{"the proofs are not there for some polls", "no-proofs:GetInstanceDetail:3"}, // fault 104
		{"the proofs are still there after the issuance", "proofs-stay"},             // fault 104
		{"each proof comes twice", "proofs-twice"},                                   // fault 105
		{"each name has a proof", "proofs-per-name"},                                 // fault 105
		{"a second proof comes later", "second-challenge"},                           // fault 105
		{"the proof is a CNAME", "proof-cname"},                                      // fault 105
		{"the proof is at the apex", "proof-at-apex"},                                // fault 105
		{"the proof has a full name", "proof-full-name"},                             // fault 105
		{"the task has other words", "task-words"},
		{"the chain comes the wrong way round", "chain-reversed"}, // fault 27
		{"the certificate comes with CRLF", "crlf"},               // fault 28
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorldOfToday(t, sandbox.Options{Faults: []sandbox.Fault{mustFault(t, tt.fault)}})
			w.renewed(Renewal{Timeout: time.Minute})
			if n := w.sandbox.Applied(); n != 1 || w.records() != "" {
				t.Errorf("%d applications were accepted; records left: %q", n, w.records())
			}
		})
	}
}

// fault 105: two zones, and so two proofs, of which one comes after the other.
func TestAnOrderOfTodayProvesTheNamesOfTwoZones(t *testing.T) {
	for _, faults := range [][]string{nil, {"proofs-in-turn"}} {
		t.Run(strings.Join(faults, " "), func(t *testing.T) {
			t.Parallel()
			w := newWorldOfToday(t, sandbox.Options{Zones: []string{"example.com", "example.org"}})
			w.faults(faults...)
			w.extra = "\n[[certificate]]\nname = \"two\"\ndomains = [\"www.example.com\", \"www.example.org\"]\n"
			outcomes, err := w.agent().Renew(t.Context(), Renewal{Names: []string{"two"}, Timeout: time.Minute, Caller: tester})
			if err != nil || outcomes[0].Class != state.Served {
				t.Fatalf("%+v, %v", outcomes, err)
			}
			if left := len(w.sandbox.Records("example.org")) + len(w.sandbox.Records("example.com")); left != 0 || w.calls()["AddDomainRecord"] < 2 {
				t.Errorf("%d records left", left)
			}
		})
	}
}

// pendingOrder is an order of today that the CA checks for ever.
func pendingOrder(t *testing.T) *world {
	t.Helper()
	w := newWorldOfToday(t, sandbox.Options{Faults: []sandbox.Fault{mustFault(t, "checking-forever")}})
	w.renewUntil("the record", w.recorded)
	if len(w.pendingKeys()) != 1 {
		t.Fatalf("keys that wait for their certificate: %v", w.pendingKeys())
	}
	return w
}

// issue lets the CA issue what is pending.
func (w *world) issue() {
	w.Helper()
	for _, s := range w.sandbox.Subscriptions() {
		if s.Status == "pending" {
			if err := w.sandbox.ForceOrder(s.InstanceID, "issued"); err != nil {
				w.Fatal(err)
			}
		}
	}
	w.faults()
}

// fault 107
func TestAKeyThatIsLostIsReplacedByAnotherCertificateOfTheSameInstance(t *testing.T) {
	for _, tt := range []struct {
		name   string
		damage func(path string) error
	}{
		{"removed", os.Remove},
		{"emptied", func(path string) error { return os.Truncate(path, 0) }},
		{"another's", func(path string) error {
			key, err := bundle.MakeKey("ec256")
			if err != nil {
				return err
			}
			return os.WriteFile(path, key, 0o600)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := pendingOrder(t)
			if err := tt.damage(w.pendingKeys()[0]); err != nil {
				t.Fatal(err)
			}
			w.issue()
			w.renewed(Renewal{Timeout: time.Minute})
			if used := w.usedInstances(); used != 1 || w.sandbox.Applied() != 2 {
				t.Errorf("%d instances, %d applications", used, w.sandbox.Applied())
			}
		})
	}
}

// fault 99
func TestAnInstanceOnWhichSomebodyElseAppliesIsLeftAlone(t *testing.T) {
	t.Parallel()
	w := newWorldOfToday(t, sandbox.Options{})
	first := w.sandbox.Subscriptions()[0].InstanceID
	if err := w.sandbox.Apply(first, "example.com"); err != nil {
		t.Fatal(err)
	}
	w.calls()
	w.renewed(Renewal{Timeout: time.Minute})
	for _, request := range w.sandbox.History() {
		if request.Params["InstanceId"] == first {
			t.Errorf("called %s of it", request.Action)
		}
	}
}

// fault 129: however often others are sooner, the day's limit is not theirs to reach.
func TestAnInstanceThatIsLostToSomebodyElseCountsForNoSubmission(t *testing.T) {
	t.Parallel()
	w := newWorldOfToday(t, sandbox.Options{Faults: []sandbox.Fault{mustFault(t, "checking-forever")}})
	w.extra = "\n[limits]\nsubmissions_per_day = 1\n"
	for w.sandbox.Applied() == 0 && t.Context().Err() == nil {
		w.renew(Renewal{NoWait: true})
	}
	first := w.claimedInstance().InstanceID
	if err := w.sandbox.ForceOrder(first, "failed"); err != nil {
		t.Fatal(err)
	}
	if err := w.sandbox.Apply(first, "other.example.com"); err != nil {
		t.Fatal(err)
	}
	w.faults()
	w.renewed(Renewal{Timeout: time.Minute})
	if n := w.usedInstances(); n != 2 {
		t.Errorf("%d instances used", n)
	}
}

// What does not pass ends in one line, with the order kept.
func TestAnOrderOfTodayStopsWhereAnOperatorIsNeeded(t *testing.T) {
	for _, tt := range []struct {
		name    string
		options sandbox.Options
		fault   string
		says    string
	}{
		{"the CA refuses the validation", sandbox.Options{}, "check-fail", "refused the validation"},             // fault 101
		{"the certificate is for another key", sandbox.Options{}, "wrong-key", "refused"},                        // fault 106
		{"the certificate lacks a name", sandbox.Options{}, "names-missing", "refused"},                          // fault 106
		{"no contact of the account fits", sandbox.Options{Contacts: []sandbox.Contact{}}, "", "contact"},        // fault 113
		{"no instance is for so many names", sandbox.Options{Names: -1, Wildcards: -1}, "", "no spare instance"}, // fault 114
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorldOfToday(t, tt.options)
			if tt.fault != "" {
				w.faults(tt.fault)
			}
			o := w.renew(Renewal{Timeout: 20 * time.Second})
			if o.Class == state.Served || o.Err == nil || !strings.Contains(o.Err.Error(), tt.says) || o.Hint() == "" {
				t.Errorf("%+v, hint %q", o, o.Hint())
			}
			if n := w.sandbox.Applied(); n > 3 {
				t.Errorf("%d applications", n)
			}
			if _, err := w.agent().Abandon(t.Context(), "example.com", tester); err != nil || w.records() != "" {
				t.Errorf("abandoned: %v, records left: %q", err, w.records())
			}
		})
	}
}

// A test instance is taken where the configuration allows it, and after those
// that were bought.
func TestATestInstanceIsTakenWhereItIsAllowed(t *testing.T) {
	t.Parallel()
	w := newWorldOfToday(t, sandbox.Options{Instances: -1, TestInstances: 1})
	w.extra = "\n[[certificate]]\nname = \"one\"\ndomains = [\"one.example.com\"]\n"
	outcome := func() state.Outcome {
		outcomes, err := w.agent().Renew(t.Context(), Renewal{Names: []string{"one"}, Timeout: time.Minute, Caller: tester})
		if err != nil {
			t.Fatal(err)
		}
		return outcomes[0]
	}
	if o := outcome(); o.Class != state.NoInstance {
		t.Errorf("%+v", o)
	}
	w.extra += "test_instances = true\n"
	if o := outcome(); o.Class != state.Served {
		t.Errorf("%+v", o)
	}
}

// fault 107: the journal of the order is lost, and the key is not.
func TestAnOrderOfTodayWhoseJournalIsLostIsCollectedAllTheSame(t *testing.T) {
	t.Parallel()
	w := pendingOrder(t)
	if err := os.Remove(w.where().OrderJournal("example.com")); err != nil {
		t.Fatal(err)
	}
	w.issue()
	w.renewed(Renewal{Timeout: time.Minute})
	if n := w.sandbox.Applied(); n != 1 || w.records() != "" || len(w.pendingKeys()) > 0 {
		t.Errorf("%d applications; records left: %q; keys left: %v", n, w.records(), w.pendingKeys())
	}
}
