package agent

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"dvagent/agent/order"
	"dvagent/agent/state"
	"dvagent/internal/sandbox"
)

// slow is a world whose CA takes longer, once it has seen the record, than somebody
// takes to remove it and a host to put it anew.
func slow(t *testing.T) *world {
	t.Helper()
	return newWorld(t, sandbox.Options{IssueAfter: 20 * time.Second})
}

// unseen is one whose agent sees no record yet, either.
func unseen(t *testing.T) *world {
	t.Helper()
	w := slow(t)
	w.nameServers = `["127.0.0.1:1"]`
	return w
}

// waitsAt renews until the order waits at a step. From then on records are seen.
func (w *world) waitsAt(step order.Step) {
	w.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	waits := false
	w.onProgress(func(p state.Progress) {
		if p.Waiting && p.Step == string(step) {
			waits = true
			cancel()
		}
	})
	_, err := w.agent().Renew(ctx, Renewal{Timeout: time.Minute, Caller: tester})
	w.observe, w.nameServers = nil, ""
	if !waits {
		w.Fatalf("the order does not wait at the step %s: %v", step, err)
	}
}

// takeRecordAway deletes our record, as somebody does who synchronises the zone, and
// returns its value.
func (w *world) takeRecordAway() string {
	w.Helper()
	records := w.sandbox.Records("example.com")
	at := slices.IndexFunc(records, func(r sandbox.Record) bool { return r.RR == "_dnsauth" })
	if at < 0 {
		w.Fatal("there is no record to take away")
	}
	if err := w.sandbox.DeleteRecord(records[at].RecordID); err != nil {
		w.Fatal(err)
	}
	return records[at].Value
}

// wantPutAnew renews, and looks how often the record was added.
func (w *world) wantPutAnew() {
	w.Helper()
	w.sandbox.ClearHistory()
	w.renewed(Renewal{})
	if added := w.calls()["AddDomainRecord"]; added != 1 || w.records() != "" {
		w.Errorf("it was added %d times; left: %s", added, w.records())
	}
}

// fault 39
func TestARecordThatSomebodyTookAwayIsPutAnew(t *testing.T) {
	for name, api := range map[string]string{"2018-07-13": sandbox.API2018, "2020-04-07": sandbox.API2020} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := unseen(t)
			w.api = api
			w.waitsAt(order.Propagate)
			w.takeRecordAway()
			w.wantPutAnew()
		})
	}
}

// fault 39: the CA has not looked yet, or looks once more.
func TestARecordThatSomebodyTookAwayAfterItWasSeenIsPutAnew(t *testing.T) {
	t.Parallel()
	w := slow(t)
	w.waitsAt(order.Issue)
	w.takeRecordAway()
	w.dateBack(time.Hour)
	w.wantPutAnew()
}

// fault 39: what the CA has seen before is issued all the same.
func TestWhatIsIssuedIsCollectedThoughItsProofCannotBePutAnew(t *testing.T) {
	t.Parallel()
	w := slow(t)
	w.waitsAt(order.Issue)
	w.takeRecordAway()
	w.dateBack(time.Hour)
	w.faults("forbidden:AddDomainRecord")
	if o := w.renew(Renewal{}); o.Class != state.Failure || !strings.Contains(o.Err.Error(), "Forbidden.RAM") {
		t.Fatalf("%+v", o)
	}
	if err := w.sandbox.ForceOrder(w.sandbox.Orders()[0].InstanceID, "issued"); err != nil {
		t.Fatal(err)
	}
	w.renewed(Renewal{})
}

// fault 48: another RecordId is another's record, with whatever value.
func TestARecordThatSomebodyPutInThePlaceOfOursStays(t *testing.T) {
	for name, refused := range map[string]bool{"at once": false, "when ours could not be put anew": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := unseen(t)
			w.waitsAt(order.Propagate)
			value := w.takeRecordAway()
			if refused {
				w.faults("forbidden:AddDomainRecord")
				if o := w.renew(Renewal{}); o.Class != state.Failure {
					t.Fatalf("%+v", o)
				}
			}
			w.faults()
			if _, err := w.sandbox.AddRecord("example.com", "_dnsauth", "TXT", value); err != nil {
				t.Fatal(err)
			}
			w.renewed(Renewal{})
			if left := w.records(); left != "_dnsauth="+value {
				t.Errorf("records left: %s", left)
			}
		})
	}
}

// fault 9: until it is answered, what is put anew is owed like what is put first.
func TestARecordThatIsPutAnewWithoutAnAnswerIsRemoved(t *testing.T) {
	t.Parallel()
	w := unseen(t)
	w.waitsAt(order.Propagate)
	w.takeRecordAway()
	w.faults("lose-answer:AddDomainRecord:1")
	w.renewed(Renewal{})
	if left := w.records(); left != "" {
		t.Errorf("records left: %s", left)
	}
}

// fault 118
func TestAFileThatSomebodyTookAwayIsPutAnew(t *testing.T) {
	t.Parallel()
	s := newSite(t, sandbox.API2020, sandbox.Options{})
	s.blue.Store(true)
	s.waits()
	if err := os.RemoveAll(filepath.Join(s.root, ".well-known")); err != nil {
		t.Fatal(err)
	}
	s.blue.Store(false)
	s.renewed(Renewal{})
	if s.left() != "" || len(s.owed()) > 0 {
		t.Errorf("left: %s, %+v", s.left(), s.owed())
	}
}
