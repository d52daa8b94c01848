package view

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"dvagent/agent/config"
	"dvagent/agent/state"
)

func (g *Glances) remembers() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.known != nil || g.last != nil
}

func TestAGlanceIsForgottenWhenNobodyLooks(t *testing.T) {
	host := state.NewHost(&config.Config{StateDir: t.TempDir(), Certificates: []config.Certificate{{Name: "www"}}}, nil, nil)
	synctest.Test(t, func(t *testing.T) {
		var g Glances
		g.Read(host, func(*Glance) {})
		time.Sleep(glanceKept - time.Second)
		synctest.Wait()
		if !g.remembers() {
			t.Error("it is forgotten too soon")
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if g.remembers() {
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
		{"nothing is wrong", Glance{Alive: now, Certificates: []Seen{seen("www", false)}}, ""},
		{"a pass may take minutes", Glance{Alive: now.Add(-standstill)}, ""},
		{"a certificate is close to its end", Glance{Alive: now, Certificates: []Seen{seen("www", false), seen("shop", true)}}, "certificate shop ends on"},
		{"the scheduler stands still", Glance{Alive: now.Add(-time.Hour)}, "stands still since 1h0m0s"},
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
	at := func(lasting string, day int) Seen {
		g := glimpse{lasting: lasting, notBefore: start, notAfter: start.AddDate(0, 0, 100)}
		g.seen.RenewsAt = start.AddDate(0, 0, 67)
		return g.at(start.AddDate(0, 0, day), holding{})
	}
	for _, tt := range []struct {
		name, lasting string
		day           int
		reason        string
		emergency     bool
	}{
		{"before the window", "", 66, "", false},
		{"in it", "", 67, state.ReasonInWindow, false},
		{"in the last tenth", "", 90, state.ReasonEmergency, true},
		{"after the end", "", 101, state.ReasonEmergency, true},
		{"other names before the window", state.ReasonNamesChanged, 10, state.ReasonNamesChanged, false},
		{"other names in the last tenth", state.ReasonNamesChanged, 95, state.ReasonNamesChanged, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if seen := at(tt.lasting, tt.day); seen.Reason != tt.reason || seen.Emergency != tt.emergency {
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
	if seen := g.at(now, holding{}); !seen.Emergency || seen.Reason != "" || seen.State != Emergency {
		t.Errorf("emergency %v, reason %q, state %s", seen.Emergency, seen.Reason, seen.State)
	}
}

func TestAHeldVersionThatEndsBeforeTheNewestOneIsDueIsWarnedOf(t *testing.T) {
	ends := time.Date(2026, 4, 10, 0, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name   string
		held   bool
		renews time.Time
		warned bool
	}{
		{"it ends before", true, ends.AddDate(0, 0, 1), true},
		{"it ends after", true, ends.AddDate(0, 0, -1), false},
		{"none is held", false, ends.AddDate(0, 0, 1), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := CertificateStatus{Name: "www", Version: "1", Held: tt.held, NotAfter: ends, RenewsAt: tt.renews}
			c.warnOfHold()
			g := glimpse{seen: Seen{CertificateStatus: CertificateStatus{Name: "www", Version: "1", Held: tt.held, NotAfter: ends, RenewsAt: tt.renews}},
				notAfter: ends.AddDate(0, 0, 60)}
			if glanced := g.at(ends.AddDate(0, 0, -50), holding{}).Warnings; len(c.Warnings) > 0 != tt.warned || len(glanced) != len(c.Warnings) {
				t.Errorf("status warns %q, a glance %q", c.Warnings, glanced)
			}
		})
	}
}
