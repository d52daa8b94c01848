package agent

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dvagent/agent/state"
	"dvagent/internal/sandbox"
)

func mustFault(t *testing.T, spec string) sandbox.Fault {
	t.Helper()
	f, err := sandbox.ParseFault(spec)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// Whatever the cloud does for a while, one instance is submitted and no record
// is left.
func TestAnOrderOutlivesFaultsThatPass(t *testing.T) {
	for _, tt := range []struct{ name, fault string }{
		{"the submission is applied and its answer lost", "lose-answer:CreateDVOrderAudit:1"},              // fault 2
		{"the submission never arrives", "drop-request:CreateDVOrderAudit:1"},                              // fault 3
		{"the answer to the submission is cut off", "truncate:CreateDVOrderAudit:1"},                       // fault 4
		{"the submission is answered with HTML", "html:CreateDVOrderAudit:1"},                              // fault 5
		{"results are empty objects for a while", "empty-object:DescribeDVOrderResult:3"},                  // fault 5
		{"the submission is throttled", "throttle:CreateDVOrderAudit:2"},                                   // fault 7
		{"the submission is applied and answered with 500", "error-500-applied:CreateDVOrderAudit:1"},      // fault 8
		{"the submission is applied and its nonce called used", "nonce-used-applied:CreateDVOrderAudit:1"}, // fault 9
		{"the add of the record is applied and its answer lost", "lose-answer:AddDomainRecord:1"},          // fault 2
		{"the zone is busy", "busy:AddDomainRecord:2"},                                                     // fault 14
		{"the status is an unknown word for a while", "unknown-status:DescribeDVOrderResult:2"},            // fault 18
		{"it is issued, and the certificate comes later", "issued-without-certificate::2"},                 // fault 23
		{"it is issued, and the key comes later", "issued-without-key::2"},                                 // fault 23
		{"the chain comes the wrong way round", "chain-reversed"},                                          // fault 27
		{"the certificate comes with CRLF", "crlf"},                                                        // fault 28
		{"the check name is empty for a while", "empty-checkname::2"},                                      // fault 29
		{"a second challenge comes while the order is checked", "second-challenge"},                        // fault 29
		{"answers come as XML", "xml"},                                                                     // fault 30
		{"the delete of the record is refused for a while", "busy:DeleteDomainRecord:2"},                   // fault 48
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, sandbox.Options{Faults: []sandbox.Fault{mustFault(t, tt.fault)}})
			o := w.renew(Renewal{Timeout: time.Minute})
			if o.Class != state.Served || !o.Ordered {
				t.Fatalf("%+v", o)
			}
			if n := w.sandbox.Submitted(); n != 1 {
				t.Errorf("%d submissions were accepted", n)
			}
			if left := w.records(); left != "" {
				t.Errorf("records left: %s", left)
			}
		})
	}
}

// What does not pass ends in one line, with the order kept and nothing bought.
func TestAnOrderStopsWhereAPersonIsNeeded(t *testing.T) {
	for _, tt := range []struct {
		name, fault string
		says        string
	}{
		{"the CA refuses the validation", "check-fail", "refused the validation"},                    // fault 17
		{"the CA refuses it in the documents' other word", "checked-fail", "refused the validation"}, // fault 17
		{"the key does not match", "wrong-key", "refused"},                                           // fault 25
		{"names are missing", "names-missing", "refused"},                                            // fault 24
		{"the certificate has expired", "expired", "refused"},                                        // fault 26
		{"the chain is missing", "chain-missing", "refused"},                                         // fault 27
		{"the check name lies elsewhere", "hostile-checkname", ""},                                   // fault 84
		{"writing records is forbidden", "forbidden:AddDomainRecord", "alidns:AddDomainRecord"},      // fault 13
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, sandbox.Options{Faults: []sandbox.Fault{mustFault(t, tt.fault)}})
			o := w.renew(Renewal{Timeout: time.Minute})
			if o.Class != state.Failure || o.Err == nil {
				t.Fatalf("%+v", o)
			}
			text := o.Err.Error() + " " + o.Hint()
			if !strings.Contains(text, tt.says) || strings.Contains(text, "\n") || o.Hint() == "" {
				t.Errorf("says %q", text)
			}
			again := w.renew(Renewal{Timeout: time.Minute})
			if again.Class == state.Served || w.instancesUsed() > 1 {
				t.Errorf("a second run: %+v, %d instances used", again, w.instancesUsed())
			}
		})
	}
}

func (w *world) instancesUsed() (used int) {
	for _, i := range w.sandbox.Instances() {
		if i.Submissions > 0 {
			used++
		}
	}
	return used
}

// fault 20
func TestAnInstanceThatTheListOmitsForAWhileIsFound(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{Instances: 1, Faults: []sandbox.Fault{mustFault(t, "omit-instance::2")}})
	w.renewed(Renewal{})
}

// fault 7: however long it lasts, the tries are few.
func TestThrottlingMakesNoStorm(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{})
	w.renew(Renewal{NoWait: true})
	w.calls()
	if err := w.sandbox.SetFaults(mustFault(t, "throttle")); err != nil {
		t.Fatal(err)
	}
	if o := w.renew(Renewal{Timeout: 8 * time.Second}); o.Class != state.Pending {
		t.Errorf("%+v", o)
	}
	if n := sum(w.calls()); n > 30 {
		t.Errorf("%d calls in eight seconds", n)
	}
	if err := w.sandbox.SetFaults(); err != nil {
		t.Fatal(err)
	}
	w.renewed(Renewal{})
}

// fault 64
func TestAPanicInOneCertificatesWorkLeavesTheOthersAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{})
	w.extra = "\n[[certificate]]\nname = \"shop\"\ndomains = [\"shop.example.com\"]\n"
	w.onProgress(func(p state.Progress) {
		if p.Certificate == "shop" {
			panic("nobody expects it")
		}
	})
	outcomes, err := w.agent().Renew(t.Context(), Renewal{Timeout: 2 * time.Minute, Caller: tester})
	if err != nil || len(outcomes) != 2 {
		t.Fatalf("%+v, %v", outcomes, err)
	}
	if outcomes[0].Class != state.Served || outcomes[1].Class != state.Failure {
		t.Errorf("%+v", outcomes)
	}
}

// fault 57
func TestALinkThatWasReplacedByADirectoryIsRestored(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{})
	w.renewed(Renewal{})
	version := w.current()
	link := filepath.Join(string(w.where()), "certificates", "example.com", "current")
	if err := errors.Join(os.Remove(link), os.Mkdir(link, 0o700)); err != nil {
		t.Fatal(err)
	}
	if o := w.renew(Renewal{}); o.Class != state.Served || w.current() != version || w.sandbox.Submitted() != 1 {
		t.Errorf("%+v, version %s, %d submitted", o, w.current(), w.sandbox.Submitted())
	}
}

// fault 18
func TestAnUnknownStatusIsWarnedOfOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{Faults: []sandbox.Fault{mustFault(t, "unknown-status::3")}})
	warnings := 0
	w.onProgress(func(p state.Progress) {
		if strings.Contains(p.Text, "not known") {
			warnings++
		}
	})
	w.renewed(Renewal{})
	if warnings != 1 {
		t.Errorf("%d warnings", warnings)
	}
}

// fault 17
func TestARefusedValidationIsSubmittedThreeTimesAtMost(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{Faults: []sandbox.Fault{mustFault(t, "check-fail")}})
	w.extra = "\n[limits]\nsubmissions_per_day = 10\n"
	var last state.Outcome
	for range 6 {
		last = w.renew(Renewal{})
	}
	if w.sandbox.Submitted() != 3 || w.instancesUsed() != 1 {
		t.Errorf("%d submissions of %d instances", w.sandbox.Submitted(), w.instancesUsed())
	}
	if last.Class != state.Failure || !strings.Contains(last.Hint(), "renew --force") {
		t.Errorf("%+v, hint %q", last, last.Hint())
	}
	if c := w.status().Certificates[0]; !c.Order.Stopped || !strings.Contains(c.Next, "renew --force") {
		t.Errorf("%+v", c)
	}
	if left := w.records(); left != "" {
		t.Errorf("records left: %s", left)
	}
}
