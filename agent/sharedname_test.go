package agent

import (
	"strings"
	"testing"
	"time"

	"dvagent/agent/state"
	"dvagent/internal/sandbox"
)

// The CA wants the proofs of all hosts of a domain at one name, which is listed for all
// of them once: for the next ones as soon as the first one has been told the name, and
// for a process that has their last orders at once.
func TestANameThatManyAreProvedAtIsListedForAllOfThem(t *testing.T) {
	t.Parallel()
	const many = 16
	w := newWorldOfToday(t, sandbox.Options{Instances: many})
	w.certificates(many, func(string) string { return "key_type = \"ec256\"\n" })
	w.extra += "\n[limits]\nparallel_orders = 50\nrequests_per_second = 500\n"
	a := w.agent()
	for _, run := range []struct {
		what          string
		agent         *Agent
		renewal       Renewal
		orders, lists int // at most so many lists: one in ten seconds, if it takes that long
	}{
		{"the first one", a, Renewal{Names: []string{"host0"}}, 1, 2}, // where it is expected, and where it is wanted
		{"all others", a, Renewal{}, many - 1, many - 4},
		{"all again, by another process", w.agent(), Renewal{Force: true}, many, many - 4},
	} {
		run.renewal.Timeout, run.renewal.Caller = 5*time.Minute, tester
		outcomes, err := run.agent.Renew(t.Context(), run.renewal)
		if err != nil || state.Worst(outcomes) != state.Served {
			t.Fatalf("%s: %+v, %v", run.what, outcomes, err)
		}
		calls := w.calls()
		if calls["ApplyCertificate"] != run.orders || calls["AddDomainRecord"] != run.orders || calls["DescribeSubDomainRecords"] > run.lists {
			t.Errorf("%s: %v", run.what, calls)
		}
		if w.records() != "" {
			t.Errorf("%s: left are %s", run.what, w.records())
		}
	}
}

// What was listed before the order does not know of a record that somebody else makes
// meanwhile: that it is there already is seen, and it stays.
func TestARecordThatIsMadeAfterThePreflightIsLeftToWhoeverMadeIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{})
	var made, said string
	w.onProgress(func(p state.Progress) {
		if p.Err != nil {
			said += p.Err.Error()
		}
		if strings.HasPrefix(p.Text, "the CA wants to see") {
			asked := w.sandbox.Orders()[0].Proofs[0]
			made = asked.Key + "=" + asked.Value
			w.record(asked.Key, "TXT", asked.Value)
		}
	})
	w.renewed(Renewal{})
	if made == "" || w.records() != made || said != "" {
		t.Errorf("made %q, left %q, said %q", made, w.records(), said)
	}
}
