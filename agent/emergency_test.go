package agent

import (
	"context"
	"testing"
	"time"

	"dvagent/agent/order"
	"dvagent/agent/state"
	"dvagent/internal/sandbox"
)

// endsSoon makes a version current of which a twentieth is left: it is tried
// again every ten seconds.
func (w *world) endsSoon() {
	w.Helper()
	w.serves(-950*time.Second, 50*time.Second)
}

// look is a pass of the service.
func (w *world) look(a *Agent) {
	w.Helper()
	if err := NewService(a, nil, tester).pass(w.Context()); err != nil {
		w.Fatal(err)
	}
}

func TestAnEmergencyIsToldAtEachLookUntilItIsOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{Faults: []sandbox.Fault{mustFault(t, "forbidden:DescribeOrderInstanceList")}})
	var told []state.Progress
	w.onProgress(func(p state.Progress) { told = append(told, p) })
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
	o, err := order.Load(a.host.Dir.Certificate("example.com"))
	if err != nil || o.Reason != state.ReasonEmergency || time.Until(o.Failure.Until) > 10*time.Second {
		t.Errorf("%+v, %v", o, err)
	}
	w.faults()
	told = nil
	if _, err := a.Renew(context.Background(), Renewal{Timeout: 2 * time.Minute, Caller: tester}); err != nil {
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
	ledger, err := order.LoadInstances(w.where().Instances())
	if err == nil {
		err = ledger.Note(order.InstanceSubmitted, order.Instance{Account: "main", ID: "cas-of-yesterday"}, "example.com")
	}
	if err != nil {
		t.Fatal(err)
	}
	w.look(a)
	o, err := order.Load(a.host.Dir.Certificate("example.com"))
	if err != nil || o.Reason != state.ReasonEmergency || time.Until(o.Failure.Until) < 30*time.Second {
		t.Errorf("%+v, %v", o, err)
	}
}
