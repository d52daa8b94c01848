package main

import (
	"testing"

	"dvagent/agent/state"
	"dvagent/agent/view"
)

// fault 183
func TestStatusEndsAsRenewWouldWhereThatIsAskedFor(t *testing.T) {
	of := func(states ...view.State) view.Status {
		var status view.Status
		for _, s := range states {
			status.Certificates = append(status.Certificates, view.CertificateStatus{State: s})
		}
		return status
	}
	with := func(change func(*view.Status)) view.Status {
		status := of(view.OK)
		change(&status)
		return status
	}
	for _, tt := range []struct {
		name   string
		status view.Status
		want   int
	}{
		{"all is well", of(view.OK, view.Held), exitOK},
		{"expired", of(view.OK, view.Expired), exitFailed},
		{"in its last tenth", of(view.Emergency), exitFailed},
		{"stopped", of(view.Stopped), exitFailed},
		{"failed", of(view.Failed), exitFailed},
		{"unreadable", of(view.Unreadable), exitFailed},
		{"no instance", of(view.NoInstance, view.NotServed), exitNoInstance},
		{"not served", of(view.NotServed, view.Ordering), exitNotServed},
		{"to be deployed", of(view.Deploying), exitNotServed},
		{"a probe does not show it", of(view.Unproven), exitNotServed},
		{"an upload is owed", of(view.UploadOwed), exitNotServed},
		{"a hook is owed", of(view.HookOwed), exitNotServed},
		{"an order is open", of(view.Ordering), exitPending},
		{"an order is tried again", of(view.Retrying), exitPending},
		{"an order is due", of(view.Due), exitPending},
		{"the worst counts", of(view.Ordering, view.NoInstance, view.Stopped, view.HookOwed), exitFailed},
		{"nothing renews", with(func(s *view.Status) { s.Unattended = &state.Unattended{Alarm: true} }), exitFailed},
		{"a timer renews", with(func(s *view.Status) { s.Unattended = &state.Unattended{} }), exitOK},
		{"passes fail", with(func(s *view.Status) { s.Service = &view.ServiceStatus{PassError: &view.PassError{}} }), exitFailed},
		{"people cannot be told", with(func(s *view.Status) { s.Notify = make([]view.ChannelStatus, 1) }), exitFailed},
		{"a ledger cannot be read", with(func(s *view.Status) { s.Damaged = []view.DamagedFile{{Error: "not a file"}} }), exitFailed},
		{"a ledger has a damaged line", with(func(s *view.Status) { s.Damaged = []view.DamagedFile{{Lines: 1}} }), exitOK},
		{"a record is owed", with(func(s *view.Status) { s.Records = make([]view.RecordStatus, 1) }), exitPending},
		{"an order of no certificate is open", with(func(s *view.Status) { s.Orphans = make([]view.OrphanStatus, 1) }), exitPending},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := statusCode(tt.status); got != tt.want {
				t.Errorf("exit code %d, want %d", got, tt.want)
			}
		})
	}
}
