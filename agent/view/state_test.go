package view

import (
	"testing"
	"time"

	"dvagent/agent/order"
	"dvagent/agent/state"
)

// fault 128
func TestTheStateIsTheMostUrgentThatHolds(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	days := func(n int) time.Time { return now.AddDate(0, 0, n) }
	lacking := DeploymentStatus{Lacks: []string{"www.pem is missing"}}
	for _, tt := range []struct {
		name     string
		status   CertificateStatus
		want     State
		operator bool
	}{
		{"no version yet", CertificateStatus{Reason: state.ReasonMissing}, Due, false},
		{"all is well", CertificateStatus{NotBefore: days(-10), NotAfter: days(80)}, OK, false},
		{"nothing known can be read", CertificateStatus{Error: "broken"}, Unreadable, true},
		{"the end has come", CertificateStatus{NotBefore: days(-90), NotAfter: now, Reason: state.ReasonEmergency}, Expired, true},
		{"a tenth is left, whatever else", CertificateStatus{NotBefore: days(-81), NotAfter: days(9), Order: &OrderStatus{}}, Emergency, true},
		{"more than a tenth is left", CertificateStatus{NotBefore: days(-80), NotAfter: days(10), Reason: state.ReasonInWindow}, Due, false},
		{"an order that stopped", CertificateStatus{Order: &OrderStatus{Stopped: true, Error: "x"}}, Stopped, true},
		{"an order without an instance", CertificateStatus{Order: &OrderStatus{Error: "x", Cause: order.CauseNoInstance}}, NoInstance, true},
		{"an order that failed", CertificateStatus{Order: &OrderStatus{Error: "x"}}, Failed, true},
		{"an order that may pass", CertificateStatus{Order: &OrderStatus{Error: "x", Transient: true}}, Retrying, false},
		{"an order that goes on", CertificateStatus{Order: &OrderStatus{}, Deployments: []DeploymentStatus{lacking}}, Ordering, false},
		{"a deployment that failed", CertificateStatus{Deployments: []DeploymentStatus{{}, {Error: "x"}}}, NotServed, true},
		{"a deployment that is owed", CertificateStatus{Deployments: []DeploymentStatus{{}, lacking}}, Deploying, false},
		{"a server that shows another leaf", CertificateStatus{Deployments: []DeploymentStatus{{Probes: []string{"x"}}}}, Unproven, false},
		{"a server that shows it", CertificateStatus{Deployments: []DeploymentStatus{{Probes: []string{"x"}, Served: true}}}, OK, false},
		{"an upload that failed", CertificateStatus{Upload: &UploadStatus{Owed: true, Error: "x"}}, UploadOwed, true},
		{"an upload that is owed", CertificateStatus{Upload: &UploadStatus{Owed: true}}, Deploying, false},
		{"what was uploaded", CertificateStatus{Upload: &UploadStatus{Version: "v1"}}, OK, false},
		{"a hook that failed", CertificateStatus{HookError: "x"}, HookOwed, true},
		{"rolled back", CertificateStatus{Held: true}, Held, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.status.state(now); got != tt.want || got.NeedsOperator() != tt.operator {
				t.Errorf("got %q, which needs an operator: %v", got, got.NeedsOperator())
			}
		})
	}
}
