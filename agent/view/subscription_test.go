package view

import (
	"strings"
	"testing"
	"time"

	"dvagent/agent/order"
	"dvagent/agent/state"
)

func TestStatusAndPlanSayWhichInstanceARenewalIsOf(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	days := func(n int) time.Time { return now.AddDate(0, 0, n) }
	const nothing = "nothing until 2026-03-31 12:00 UTC"
	for _, tt := range []struct {
		name         string
		claim        order.Claim
		next, plan   string
		instance     string // of the plan
		warning, due string
	}{
		{"none is claimed", order.Claim{}, nothing, nothing, "", "", "order: in window"},
		{"its subscription lasts", order.Claim{Instance: "cas-1", Kept: true, Until: days(300)}, nothing,
			nothing + ", then of instance cas-1", "cas-1", "", "order: in window, of instance cas-1"},
		{"it is not known when it ends", order.Claim{Instance: "cas-1", Kept: true}, nothing,
			nothing + ", then of instance cas-1", "cas-1", "", "order: in window, of instance cas-1"},
		{"its subscription ends before", order.Claim{Instance: "cas-1", Kept: true, Until: days(10)},
			nothing + ", then of another instance: this one is a subscription until 2026-03-11", nothing + ", then of another instance", "",
			"the subscription of cas-1 ends on 2026-03-11, before the renewal of www on 2026-03-31", "order: in window, of another instance"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := state.Renewal{At: days(30), Ends: days(60), Claim: tt.claim}
			c := CertificateStatus{Name: "www", RenewsAt: r.At}
			c.foresee(r, now)
			p := Planned{Name: "www", RenewsAt: r.At}
			p.foresee(r, now)
			p.decide(state.Snapshot{}, false, now)
			if c.next() != tt.next || c.Instance != tt.claim.Instance || !c.SubscriptionEnds.Equal(tt.claim.Until) {
				t.Errorf("the status is %+v", c)
			}
			if p.Next != tt.plan || p.Instance != tt.instance || !p.SubscriptionEnds.Equal(tt.claim.Until) {
				t.Errorf("the plan is %+v", p)
			}
			for _, warnings := range [][]string{c.Warnings, p.Warnings} {
				if len(warnings) > 1 || (tt.warning == "") != (warnings == nil) || warnings != nil && warnings[0] != tt.warning {
					t.Errorf("the warnings are %q", warnings)
				}
			}
			p.Reason = state.ReasonInWindow
			if p.decide(state.Snapshot{}, false, now); p.Next != tt.due {
				t.Errorf("when it is due: %q", p.Next)
			}
		})
	}
}

func TestACertificateThatFollowsRenewsOfNoInstance(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	r := state.Renewal{At: now.AddDate(0, 0, 30), Ends: now.AddDate(0, 0, 60), Follows: true,
		Claim: order.Claim{Instance: "cas-1", Kept: true, Until: now.AddDate(0, 0, 300)}}
	p := Planned{Name: "www", RenewsAt: r.At, Follows: true}
	p.foresee(r, now)
	p.decide(state.Snapshot{}, false, now)
	if p.Next != "follows; nothing until 2026-03-31 12:00 UTC" || p.Instance != "" || !p.SubscriptionEnds.Equal(r.Claim.Until) {
		t.Errorf("the plan is %+v", p)
	}
}

func TestStatusAndPlanSayWhichPackageARenewalIsFrom(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	const nothing = "nothing until 2026-03-31 12:00 UTC"
	empty := &order.Left{At: now.AddDate(0, 0, -40)}
	for _, tt := range []struct {
		name          string
		left          *order.Left
		next, warning string
	}{
		{"nothing has seen it yet", nil, nothing, ""},
		{"something is left", &order.Left{Certificates: 1, At: now}, nothing, ""},
		{"nothing is left", empty, nothing + ", then from package p, which has none left",
			"package p had no certificate left on 2026-01-20, and the renewal of www on 2026-03-31 wants one"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := state.Renewal{At: now.AddDate(0, 0, 30), Package: "p", Left: tt.left}
			c := CertificateStatus{Name: "www", RenewsAt: r.At, Package: "p"}
			c.foresee(r, now)
			p := Planned{Name: "www", RenewsAt: r.At}
			p.foresee(r, now)
			p.decide(state.Snapshot{}, false, now)
			if c.next() != tt.next || c.Left != tt.left || strings.Join(c.Warnings, "; ") != tt.warning {
				t.Errorf("the status is %+v", c)
			}
			if p.Next != nothing+", then from package p" || p.Package != "p" || p.Instance != "" || strings.Join(p.Warnings, "; ") != tt.warning {
				t.Errorf("the plan is %+v", p)
			}
			p.Reason = state.ReasonInWindow
			if p.decide(state.Snapshot{}, false, now); p.Next != "order: in window, from package p" {
				t.Errorf("when it is due: %q", p.Next)
			}
		})
	}
}
