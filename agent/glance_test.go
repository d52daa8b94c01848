package agent

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"dvagent/agent/order"
	"dvagent/internal/sandbox"
)

// glance is a fresh one, however soon after the last.
func (w *world) glance(s *Service) *Glance {
	w.Helper()
	s.glances.mu.Lock()
	s.glances.last = nil
	s.glances.mu.Unlock()
	g, err := s.Glance()
	if err != nil {
		w.Fatal(err)
	}
	return g
}

func (w *world) service() *Service {
	return NewService(w.agent(), nil, time.Second, "test")
}

func TestAGlanceFollowsWhatIsDoneBesideTheService(t *testing.T) {
	w := newWorld(t, sandbox.Options{})
	w.extra = w.target()
	s := w.service()
	if c := w.glance(s).Certificates[0]; c.Reason != ReasonMissing || c.Deployed || c.Order.Open() {
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
	w.renew(Renewal{Timeout: time.Second})
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
	leaf := filepath.Join(w.state(), "certificates", "example.com", "current", "cert.pem")
	if err := os.Remove(leaf); err != nil {
		t.Fatal(err)
	}
	if c := w.glance(s).Certificates[0]; c.NotAfter.IsZero() {
		t.Error("the version was read again although nothing says that it has changed")
	}
}

func remembered(s *Service) bool {
	s.glances.mu.Lock()
	defer s.glances.mu.Unlock()
	return s.glances.known != nil || s.glances.last != nil
}

func TestAGlanceIsForgottenWhenNobodyLooks(t *testing.T) {
	w := newWorld(t, sandbox.Options{})
	s := w.service()
	synctest.Test(t, func(t *testing.T) {
		if _, err := s.Glance(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(glanceKept - time.Second)
		synctest.Wait()
		if !remembered(s) {
			t.Error("it is forgotten too soon")
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if remembered(s) {
			t.Error("it is remembered for nobody")
		}
	})
}

func TestEmergenciesAndAStandstillAreUnhealthy(t *testing.T) {
	now := time.Now()
	seen := func(name string, emergency bool) Seen {
		return Seen{CertificateStatus: CertificateStatus{Name: name, NotAfter: now.Add(time.Hour)}, Emergency: emergency}
	}
	for _, tt := range []struct {
		name   string
		glance Glance
		says   string
	}{
		{"nothing is wrong", Glance{Moved: now, Certificates: []Seen{seen("www", false)}}, ""},
		{"a pass may take minutes", Glance{Moved: now.Add(-standstill)}, ""},
		{"a certificate is close to its end", Glance{Moved: now, Certificates: []Seen{seen("www", false), seen("shop", true)}}, "certificate shop ends on"},
		{"the scheduler stands still", Glance{Moved: now.Add(-time.Hour)}, "stands still since 1h0m0s"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.glance.Healthy(now)
			if tt.says == "" && err != nil || tt.says != "" && (err == nil || !strings.Contains(err.Error(), tt.says)) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// The order of reasons does not hide that a certificate is close to its end.
func TestTheClockDecidesWhatAGlanceShows(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	at := func(standing string, day int) Seen {
		g := glimpse{standing: standing, notBefore: start, notAfter: start.AddDate(0, 0, 100)}
		g.seen.RenewsAt = start.AddDate(0, 0, 67)
		return g.at(start.AddDate(0, 0, day))
	}
	for _, tt := range []struct {
		name, standing string
		day            int
		reason         string
		emergency      bool
	}{
		{"before the window", "", 66, "", false},
		{"in it", "", 67, ReasonInWindow, false},
		{"in the last tenth", "", 90, ReasonEmergency, true},
		{"after the end", "", 101, ReasonEmergency, true},
		{"other names before the window", ReasonNamesChanged, 10, ReasonNamesChanged, false},
		{"other names in the last tenth", ReasonNamesChanged, 95, ReasonNamesChanged, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if seen := at(tt.standing, tt.day); seen.Reason != tt.reason || seen.Emergency != tt.emergency {
				t.Errorf("got %q, emergency %v", seen.Reason, seen.Emergency)
			}
		})
	}
}

func TestAHeldVersionThatEndsIsAnEmergencyAndNoReasonToOrder(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	now := start.AddDate(0, 0, 95)
	g := glimpse{notBefore: start.AddDate(0, 0, 60), notAfter: start.AddDate(0, 0, 160)}
	g.seen.RenewsAt = start.AddDate(0, 0, 127)
	g.seen.NotBefore, g.seen.NotAfter, g.seen.Held = start, start.AddDate(0, 0, 100), true
	if seen := g.at(now); !seen.Emergency || seen.Reason != "" || seen.State != StateEmergency {
		t.Errorf("emergency %v, reason %q, state %s", seen.Emergency, seen.Reason, seen.State)
	}
}
