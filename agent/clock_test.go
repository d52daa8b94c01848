package agent

import (
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"crypto/x509"

	"dvagent/agent/config"
	"dvagent/agent/order"
	"dvagent/internal/journal"
	"dvagent/internal/sandbox"
)

func leafOf(notBefore time.Time, lifetime time.Duration) *x509.Certificate {
	return &x509.Certificate{Raw: fmt.Appendf(nil, "%s %s", notBefore, lifetime), SerialNumber: big.NewInt(1),
		NotBefore: notBefore, NotAfter: notBefore.Add(lifetime)}
}

// fault 93: what is due is reckoned from the leaf's own dates, so that neither
// a leap day nor a time zone nor summer time moves it.
func TestARenewalIsReckonedFromTheLeaf(t *testing.T) {
	const day = 24 * time.Hour
	shanghai := time.FixedZone("CST", 8*3600)
	for _, tt := range []struct {
		name      string
		notBefore time.Time
		lifetime  time.Duration
		window    config.Window
	}{
		{"two hundred days", time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC), 200 * day, config.Window{Share: 0.33}},
		{"over a leap day", time.Date(2028, 1, 15, 0, 0, 0, 0, time.UTC), 100 * day, config.Window{Share: 0.33}},
		{"over the change to summer time", time.Date(2027, 3, 1, 0, 0, 0, 0, shanghai), 47 * day, config.Window{Fixed: 15 * day}},
		{"an hour", time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC), time.Hour, config.Window{Share: 0.5}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			leaf := leafOf(tt.notBefore, tt.lifetime)
			window := tt.window.Of(tt.lifetime)
			at := RenewsAt(leaf, tt.window, "www")
			start := leaf.NotAfter.Add(-window).Truncate(time.Second)
			if latest := start.Add(min(day, window/10)); at.Before(start) || at.After(latest) {
				t.Errorf("%s is not between %s and %s", at, start, latest)
			}
			abroad := *leaf
			abroad.NotAfter = leaf.NotAfter.In(time.FixedZone("EST", -5*3600))
			if again := RenewsAt(&abroad, tt.window, "www"); !again.Equal(at) {
				t.Errorf("%s abroad, %s here", again, at)
			}
		})
	}
}

func TestManyHostsDoNotRenewAtOnce(t *testing.T) {
	leaf := leafOf(time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC), 200*24*time.Hour)
	seen := map[time.Time]int{}
	for i := range 1000 {
		seen[RenewsAt(leaf, config.Window{Share: 0.33}, fmt.Sprint("host", i)).Truncate(time.Hour)]++
	}
	for hour, n := range seen {
		if n > 100 {
			t.Errorf("%d of 1000 in the hour of %s", n, hour)
		}
	}
}

// scheduled is a service that has looked at everything, and looks again at at.
func scheduled(t *testing.T, at time.Time) *Service {
	t.Helper()
	w := newWorld(t, sandbox.Options{})
	s := NewService(w.agent(), nil, time.Second, "test")
	s.due["example.com"] = at
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
			if due := s.dueNames(tt.now)["example.com"]; due != tt.due {
				t.Errorf("due: %v", due)
			}
		})
	}
}

// dateBack moves what an order's journal dates into the past.
func (w *world) dateBack(by time.Duration) {
	w.Helper()
	path := filepath.Join(w.state(), "certificates", "example.com", "order.journal")
	facts, _, err := journal.Read[order.Fact](path)
	if err != nil {
		w.Fatal(err)
	}
	for i := range facts {
		facts[i].At = facts[i].At.Add(-by)
	}
	if err := journal.Rewrite(path, facts); err != nil {
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
	if o.Class != Failure || !strings.Contains(o.Hint(), "abandon") {
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
		if o := w.renew(Renewal{Force: true}); o.Class != Failure {
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
		a := w.agent()
		err := a.underLock(t.Context(), time.Second, "test", scope{}, func(p *pass) error {
			p.run(t.Context())
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if n := w.sandbox.Submitted(); n != 1 {
		t.Errorf("%d submissions after five restarts", n)
	}
}

// fault 55: what only a person can judge is listed, and left alone.
func TestARecordThatNoJournalKnowsIsASuspect(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{})
	w.renew(Renewal{NoWait: true})
	suspects := func() int {
		n := 0
		for _, f := range w.agent().CheckOnline(t.Context()) {
			if f.Err != nil && strings.Contains(f.Err.Error(), "may be left") {
				n++
			}
		}
		return n
	}
	if n := suspects(); n != 0 {
		t.Errorf("%d suspects while the journal knows the record", n)
	}
	if err := os.RemoveAll(w.state()); err != nil {
		t.Fatal(err)
	}
	if n := suspects(); n != 1 || w.records() == "" {
		t.Errorf("%d suspects, records %q", n, w.records())
	}
}
