package agent

import (
	"context"
	"testing"
	"time"

	"dvagent/agent/order"
	"dvagent/internal/sandbox"
)

func TestAnEmergencyIsTriedMoreOften(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	const day = 24 * time.Hour
	for _, tt := range []struct {
		name     string
		lifetime time.Duration
		left     time.Duration
		want     time.Duration // in place of an hour
	}{
		{"long before", 100 * day, 20 * day, time.Hour},
		{"it begins before the next try", 100 * day, 10*day + 20*time.Minute, 20 * time.Minute},
		{"in an emergency", 100 * day, 9 * day, 5 * time.Minute},
		{"after the end", 100 * day, -day, 5 * time.Minute},
		{"of a certificate that lives for ten minutes", 10 * time.Minute, 30 * time.Second, 6 * time.Second},
		{"of one that lives for a minute", time.Minute, time.Second, time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			leaf := leafOf(now.Add(tt.left-tt.lifetime), tt.lifetime)
			if got := beforeEmergency(time.Hour, leaf, now); got != tt.want {
				t.Errorf("got %s", got)
			}
		})
	}
	if got := beforeEmergency(time.Second, leafOf(now.Add(-99*day), 100*day), now); got != time.Second {
		t.Errorf("a short wait became %s", got)
	}
}

// endsSoon makes a version current of which a twentieth is left: it is tried
// again every ten seconds.
func (w *world) endsSoon() {
	w.Helper()
	w.serves(-950*time.Second, 50*time.Second)
}

// look is a pass of the service.
func (w *world) look(a *Agent) {
	w.Helper()
	err := a.underLock(w.Context(), time.Second, "test", scope{}, func(p *pass) error {
		p.run(w.Context())
		return nil
	})
	if err != nil {
		w.Fatal(err)
	}
}

func TestAnEmergencyIsToldAtEachLookUntilItIsOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{Faults: []sandbox.Fault{mustFault(t, "forbidden:DescribeOrderInstanceList")}})
	var told []Progress
	w.progress = func(p Progress) { told = append(told, p) }
	a := w.agent()
	w.endsSoon()
	for range 2 { // the second one finds that it is too soon for another try
		told = nil
		w.look(a)
		last := told[len(told)-1]
		if !last.Emergency || last.Err == nil {
			t.Errorf("told: %+v", told)
		}
	}
	o, err := order.Load(a.dir("example.com"))
	if err != nil || o.Reason != ReasonEmergency || time.Until(o.Until) > 10*time.Second {
		t.Errorf("%+v, %v", o, err)
	}
	w.faults()
	told = nil
	if _, err := a.Renew(context.Background(), Renewal{Timeout: 30 * time.Second, Who: "test"}); err != nil {
		t.Fatal(err)
	}
	first, last := told[0], told[len(told)-1]
	if !first.Emergency || last.Emergency {
		t.Errorf("told: %+v", told)
	}
}

// An order that a limit forbids is not asked for more often.
func TestAnEmergencyDoesNotOutrunTheLimitOfADay(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{})
	w.extra = "\n[limits]\nsubmissions_per_day = 1\n"
	a := w.agent()
	w.endsSoon()
	ledger, err := order.LoadInstances(w.state())
	if err == nil {
		err = ledger.Record(order.InstanceEntry{At: time.Now(), Kind: order.InstanceSubmitted, Account: "main",
			Instance: "cas-of-yesterday", Certificate: "example.com"})
	}
	if err != nil {
		t.Fatal(err)
	}
	w.look(a)
	o, err := order.Load(a.dir("example.com"))
	if err != nil || o.Reason != ReasonEmergency || time.Until(o.Until) < 30*time.Second {
		t.Errorf("%+v, %v", o, err)
	}
}
