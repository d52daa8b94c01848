package agent

import (
	"os"
	"strings"
	"testing"
	"time"

	"dvagent/agent/order"
	"dvagent/agent/state"
	"dvagent/internal/journal"
	"dvagent/internal/sandbox"
)

// scheduled is a service that has looked at everything, and looks again at at.
func scheduled(t *testing.T, at time.Time) *Service {
	t.Helper()
	w := newWorld(t, sandbox.Options{})
	s := NewService(w.agent(), nil, tester)
	s.times["example.com"] = at
	return s
}

// fault 91, fault 92
func TestTheServiceFollowsTheWallClock(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name string
		at   time.Time // when the next look is planned
		now  time.Time // what the clock shows
		due  bool
	}{
		{"nothing happens before its time", now.Add(30 * time.Minute), now, false},
		{"after sixty days of sleep all is due", now.Add(30 * time.Minute), now.AddDate(0, 0, 60), true},
		{"after the clock was set back ten years all is due", now.Add(30 * time.Minute), now.AddDate(-10, 0, 0), true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := scheduled(t, tt.at)
			if due := s.due(tt.now)["example.com"]; due != tt.due {
				t.Errorf("due: %v", due)
			}
		})
	}
}

// A pass of a host that slept saw ten times a second, for days, that what was at work was
// due again.
func TestAPassRestsWhileWhatIsDueIsAtWork(t *testing.T) {
	now := state.Now()
	for _, tt := range []struct {
		name        string
		at          time.Time
		least, most time.Duration
	}{
		{"it is due since a day, and at work", now.Add(-24 * time.Hour), time.Second, noteEvery},
		{"it is due in four seconds", now.Add(4 * time.Second), tickEvery, 4 * time.Second},
		{"it is due in an hour", now.Add(time.Hour), time.Second, noteEvery},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := &pass{begun: now.Add(-time.Hour)}
			if quiet := p.quiet(scheduled(t, tt.at)); quiet < tt.least || quiet > tt.most {
				t.Errorf("it looks again after %s", quiet)
			}
		})
	}
}

func TestWhatIsAtWorkInAOneShotHidesNothingThatIsDueSooner(t *testing.T) {
	now := state.Now()
	waiting := func(next time.Time) state.Outcome {
		return state.Outcome{Class: state.Pending, Retry: true, Next: next}
	}
	run := &oneShot{last: map[string]state.Outcome{"a": waiting(now), "b": waiting(now.Add(time.Second))}}
	run.begin(map[string]bool{"a": true})
	if quiet := (&pass{begun: now}).quiet(run); quiet > time.Second {
		t.Errorf("b is due in a second, and looked at after %s", quiet)
	}
}

// dateBack moves what an order's journal dates into the past.
func (w *world) dateBack(by time.Duration) {
	w.Helper()
	log, facts, err := journal.Open[order.Fact](w.where().OrderJournal("example.com"))
	if err != nil {
		w.Fatal(err)
	}
	for i := range facts {
		facts[i].At = facts[i].At.Add(-by)
	}
	if err := log.Rewrite(facts); err != nil {
		w.Fatal(err)
	}
}

// fault 16
func TestAnOrderThatIsCheckedForEverIsNotReplaced(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{Faults: []sandbox.Fault{mustFault(t, "checking-forever")}})
	w.renew(Renewal{NoWait: true})
	w.dateBack(49 * time.Hour)
	o := w.renew(Renewal{NoWait: true})
	if o.Class != state.Failure || !strings.Contains(o.Hint(), "abandon") {
		t.Errorf("%+v", o)
	}
	if w.sandbox.Submitted() != 1 {
		t.Errorf("%d submitted", w.sandbox.Submitted())
	}
}

func TestAnAdoptedOrderIsLetGoAfterTwoHoursAndNotAdoptedAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{Faults: []sandbox.Fault{mustFault(t, "checking-forever")}})
	if err := w.sandbox.Submit(w.sandbox.Instances()[0].InstanceID, "example.com", "*.example.com"); err != nil {
		t.Fatal(err)
	}
	w.renew(Renewal{NoWait: true})
	if w.sandbox.Submitted() != 1 {
		t.Fatalf("it was not adopted: %d submitted", w.sandbox.Submitted())
	}
	w.faults()
	w.dateBack(3 * time.Hour)
	w.renewed(Renewal{})
	if w.sandbox.Submitted() != 2 {
		t.Errorf("%d submitted", w.sandbox.Submitted())
	}
}

// fault 90: to a clock that is ten years ahead every certificate has expired,
// and is due at each pass, as it is here.
func TestWhatIsDueAtEachPassIsSubmittedNoMoreThanADayAllows(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{})
	w.extra = "\n[limits]\nsubmissions_per_day = 2\n"
	w.renewed(Renewal{})
	w.renewed(Renewal{Force: true})
	for range 3 {
		if o := w.renew(Renewal{Force: true}); o.Class != state.Failure {
			t.Errorf("%+v", o)
		}
	}
	if w.sandbox.Submitted() != 2 {
		t.Errorf("%d submitted", w.sandbox.Submitted())
	}
}

// fault 94: the service is started every ten seconds, and finds the backoff on
// the disk.
func TestARestartDoesNotShortenABackoff(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{Faults: []sandbox.Fault{mustFault(t, "check-fail")}})
	for range 5 {
		w.look(w.agent())
	}
	if n := w.sandbox.Submitted(); n != 1 {
		t.Errorf("%d submissions after five restarts", n)
	}
}

// fault 55: what only a person can judge is listed, and left alone.
func TestARecordThatNoJournalKnowsIsASuspect(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{Faults: []sandbox.Fault{mustFault(t, "checking-forever")}})
	w.renewUntil("the record", w.recorded)
	suspects := func() int {
		n := 0
		for _, f := range w.check().Online(t.Context()) {
			if f.Err != nil && strings.Contains(f.Err.Error(), "may be left") {
				n++
			}
		}
		return n
	}
	if n := suspects(); n != 0 {
		t.Errorf("%d suspects while the journal knows the record", n)
	}
	if err := os.RemoveAll(string(w.where())); err != nil {
		t.Fatal(err)
	}
	if n := suspects(); n != 1 || w.records() == "" {
		t.Errorf("%d suspects, records %q", n, w.records())
	}
}
