package agent

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dvagent/agent/order"
	"dvagent/agent/state"
	"dvagent/agent/view"
	"dvagent/internal/sandbox"
)

// glance is a fresh one, however soon after the last.
func (w *world) glance(s *Service) *view.Glance {
	w.Helper()
	s.Glance().At = time.Time{} // too old to be shown again
	return s.Glance()
}

func (w *world) service() *Service {
	return NewService(w.agent(), nil, tester)
}

func TestAGlanceFollowsWhatIsDoneBesideTheService(t *testing.T) {
	w := newWorld(t, sandbox.Options{})
	w.extra = w.target()
	s := w.service()
	if c := w.glance(s).Certificates[0]; c.Reason != state.ReasonMissing || c.Deployed || c.Order.Open() {
		t.Errorf("before the first order: %+v", c)
	}
	w.renewed(Renewal{})
	c := w.glance(s).Certificates[0]
	if c.Version != w.current() || !c.Deployed || c.Probed || c.Reason != "" || !strings.HasPrefix(c.Next, "nothing until") {
		t.Errorf("after it: %+v", c)
	}
	status, err := s.Status(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	full := status.Certificates[0]
	if c.Fingerprint != full.Fingerprint || c.NotAfter != full.NotAfter || c.RenewsAt != full.RenewsAt || c.Next != full.Next {
		t.Errorf("the glance shows %+v, the status %+v", c, full)
	}
	w.renewed(Renewal{Force: true})
	if c := w.glance(s).Certificates[0]; c.Version != w.current() {
		t.Errorf("after a renewal it still shows %s", c.Version)
	}
	w.calls()
	w.glance(s)
	if calls := w.calls(); len(calls) > 0 {
		t.Errorf("a glance called %v", calls)
	}
}

func TestAGlanceShowsAnOrderAsItWaits(t *testing.T) {
	w := newWorld(t, sandbox.Options{Propagation: []time.Duration{time.Hour}})
	s := w.service()
	w.glance(s)
	w.renewUntil("the record", w.recorded)
	o := w.glance(s).Certificates[0].Order
	if !o.Open() || o.Step != string(order.Propagate) || o.WaitsFor == "" {
		t.Errorf("got %+v", o)
	}
}

func TestAnOrderWithoutAnInstanceSaysSo(t *testing.T) {
	w := newWorld(t, sandbox.Options{Instances: -1})
	w.renew(Renewal{NoWait: true})
	s := w.service()
	if o := w.glance(s).Certificates[0].Order; !o.Open() || !o.WantsInstance() {
		t.Errorf("got %+v", o)
	}
}

func TestALaterGlanceReadsOnlyWhatHasChanged(t *testing.T) {
	w := newWorld(t, sandbox.Options{})
	w.renewed(Renewal{})
	s := w.service()
	w.glance(s)
	leaf := filepath.Join(string(w.where()), "certificates", "example.com", "current", "cert.pem")
	if err := os.Remove(leaf); err != nil {
		t.Fatal(err)
	}
	if c := w.glance(s).Certificates[0]; c.NotAfter.IsZero() {
		t.Error("the version was read again although nothing says that it has changed")
	}
}
