package agent

import (
	"testing"
	"time"
)

func TestTheStateIsTheMostUrgentThatHolds(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	days := func(n int) time.Time { return now.AddDate(0, 0, n) }
	lacking := DeploymentStatus{Lacks: []string{"www.pem is missing"}}
	for _, tt := range []struct {
		name   string
		status CertificateStatus
		want   State
		person bool
	}{
		{"no version yet", CertificateStatus{Reason: ReasonMissing}, StateDue, false},
		{"all is well", CertificateStatus{NotBefore: days(-10), NotAfter: days(80)}, StateOK, false},
		{"nothing known can be read", CertificateStatus{Error: "broken"}, StateUnreadable, true},
		{"the end has come", CertificateStatus{NotBefore: days(-90), NotAfter: now, Reason: ReasonEmergency}, StateExpired, true},
		{"a tenth is left, whatever else", CertificateStatus{NotBefore: days(-81), NotAfter: days(9), Order: &OrderStatus{}}, StateEmergency, true},
		{"more than a tenth is left", CertificateStatus{NotBefore: days(-80), NotAfter: days(10), Reason: ReasonInWindow}, StateDue, false},
		{"an order that stopped", CertificateStatus{Order: &OrderStatus{Stopped: true, Error: "x"}}, StateStopped, true},
		{"an order without an instance", CertificateStatus{Order: &OrderStatus{Error: errNoInstance.Error() + " of 3"}}, StateNoInstance, true},
		{"an order that failed", CertificateStatus{Order: &OrderStatus{Error: "x"}}, StateFailed, true},
		{"an order that may pass", CertificateStatus{Order: &OrderStatus{Error: "x", Transient: true}}, StateRetrying, false},
		{"an order that goes on", CertificateStatus{Order: &OrderStatus{}, Deployments: []DeploymentStatus{lacking}}, StateOrdering, false},
		{"a deployment that failed", CertificateStatus{Deployments: []DeploymentStatus{{}, {Error: "x"}}}, StateNotServed, true},
		{"a deployment that is owed", CertificateStatus{Deployments: []DeploymentStatus{{}, lacking}}, StateDeploying, false},
		{"a server that shows another leaf", CertificateStatus{Deployments: []DeploymentStatus{{Probes: []string{"x"}}}}, StateUnproven, false},
		{"a server that shows it", CertificateStatus{Deployments: []DeploymentStatus{{Probes: []string{"x"}, Served: true}}}, StateOK, false},
		{"a hook that failed", CertificateStatus{HookError: "x"}, StateHookOwed, true},
		{"rolled back", CertificateStatus{Held: true}, StateHeld, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.status.state(now); got != tt.want || got.NeedsPerson() != tt.person {
				t.Errorf("got %q, which needs a person: %v", got, got.NeedsPerson())
			}
		})
	}
}
