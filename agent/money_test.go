package agent

import (
	"os"
	"testing"
	"time"

	"dvagent/agent/state"
	"dvagent/internal/sandbox"
)

func (w *world) faults(specs ...string) {
	w.Helper()
	var all []sandbox.Fault
	for _, spec := range specs {
		all = append(all, mustFault(w.T, spec))
	}
	if err := w.sandbox.SetFaults(all...); err != nil {
		w.Fatal(err)
	}
}

// However the submission and the question about it are answered, no second
// instance is submitted, and the order is finished once the cloud is well.
func TestAnAnswerThatSaysNothingBuysNothing(t *testing.T) {
	for _, tt := range []struct {
		name   string
		faults []string
	}{
		{"the submission and the question are redirected", []string{"redirect:CreateDVOrderAudit:1", "redirect:DescribeDVOrderResult:1"}},
		{"the answer is lost and the question fails with a number", []string{"lose-answer:CreateDVOrderAudit:1", "numeric-code:DescribeDVOrderResult:2"}},
		{"the answer is lost and the status is an unknown word", []string{"lose-answer:CreateDVOrderAudit:1", "unknown-status:DescribeDVOrderResult:2"}},
		{"the submission is throttled more often than it may be sent in a day", []string{"throttle:CreateDVOrderAudit:4"}},
		{"the key is revoked for a while", []string{"key-revoked:CreateDVOrderAudit:1"}}, // fault 11
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, sandbox.Options{})
			w.faults(tt.faults...)
			w.renew(Renewal{Timeout: 40 * time.Second})
			w.faults()
			if o := w.renew(Renewal{}); o.Class != state.Served {
				t.Errorf("%+v", o)
			}
			if used := w.instancesUsed(); used != 1 || w.sandbox.Submitted() != 1 {
				t.Errorf("%d instances, %d submissions", used, w.sandbox.Submitted())
			}
		})
	}
}

func TestARefusalThatIsNotTheInstancesFaultStops(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{})
	w.faults("hostile-message:CreateDVOrderAudit")
	o := w.renew(Renewal{})
	refused := w.calls()["CreateDVOrderAudit"]
	if o.Class != state.Failure || refused != 2 || o.Hint() == "" {
		t.Errorf("%d refused: %+v", refused, o)
	}
	w.faults()
	w.renewed(Renewal{Force: true})
}

// fault 29, fault 65: the order that another host submitted has no challenge
// yet, so that it cannot be told whose it is.
func TestARunningOrderThatIsNotYetKnownIsWaitedFor(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{})
	w.renew(Renewal{NoWait: true})
	if err := os.RemoveAll(string(w.where())); err != nil {
		t.Fatal(err)
	}
	w.faults("empty-checkname::1")
	if o := w.renew(Renewal{}); o.Class != state.Served {
		t.Errorf("%+v", o)
	}
	if w.sandbox.Submitted() != 1 {
		t.Errorf("%d submitted", w.sandbox.Submitted())
	}
}

// Two agents share the state: the order that one forces may be finished by the
// other.
func TestAForcedOrderThatAnotherAgentFinishesIsNotRepeated(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{})
	w.renewed(Renewal{})
	beside, other := make(chan struct{}), w.agent()
	go func() {
		defer close(beside)
		for range 40 {
			other.Renew(t.Context(), Renewal{NoWait: true, Timeout: time.Minute, Caller: tester})
			time.Sleep(100 * time.Millisecond)
		}
	}()
	w.renew(Renewal{Force: true})
	<-beside
	if w.sandbox.Submitted() != 2 {
		t.Errorf("%d submitted", w.sandbox.Submitted())
	}
}

// fault 48
func TestARecordThatCannotBeRemovedHoldsUpNoLaterOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{})
	w.faults("forbidden:DeleteDomainRecord")
	if o := w.renew(Renewal{}); o.Class != state.Pending || o.Err == nil {
		t.Errorf("%+v", o)
	}
	w.faults()
	w.renewed(Renewal{Force: true})
	if left := w.records(); left != "" {
		t.Errorf("records left: %s", left)
	}
}

func TestARecordThatAPersonAddsAfterARefusedAddIsTheirs(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{})
	w.faults("forbidden:AddDomainRecord:1")
	w.renew(Renewal{})
	challenge := w.sandbox.Orders()[0].CheckValue
	if _, err := w.sandbox.AddRecord("example.com", "_dnsauth", "TXT", challenge); err != nil {
		t.Fatal(err)
	}
	w.renewed(Renewal{})
	if w.records() != "_dnsauth="+challenge {
		t.Errorf("records: %s", w.records())
	}
}

func TestWhatWasNotLookedAtIsNotCalledServed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{})
	w.extra = w.target()
	w.renewed(Renewal{})
	if o := w.renew(Renewal{Timeout: time.Nanosecond}); o.Class == state.Served {
		t.Errorf("%+v", o)
	}
}

// fault 91, fault 94: a backoff is kept over a restart, and one that a wrong
// clock wrote is not.
func TestABackoffThatAWrongClockWroteIsNotKept(t *testing.T) {
	for _, tt := range []struct {
		name string
		left time.Duration
		held bool
	}{
		{"half an hour ahead", 30 * time.Minute, true},
		{"in the past", -time.Minute, false},
		{"ten years ahead", 10 * 365 * 24 * time.Hour, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if held := state.StillHeld(state.Now().Add(tt.left)); held != tt.held {
				t.Errorf("held: %v", held)
			}
		})
	}
}
