package main

import (
	"slices"

	"dvagent/agent/view"
)

// codes are the exit codes of status --exit-code, in which a state that is well
// has none: those that renew would have.
var codes = map[view.State]int{
	view.Unreadable: exitFailed, view.Expired: exitFailed, view.Emergency: exitFailed, view.Stopped: exitFailed, view.Failed: exitFailed,
	view.NoInstance: exitNoInstance,
	view.NotServed:  exitNotServed, view.UploadOwed: exitNotServed, view.HookOwed: exitNotServed, view.Deploying: exitNotServed, view.Unproven: exitNotServed,
	view.Retrying: exitPending, view.Ordering: exitPending, view.Due: exitPending,
}

// statusCode is the worst of what a status shows: 1, then 5, 4 and 3.
func statusCode(status view.Status) int {
	found := map[int]bool{}
	for _, c := range status.Certificates {
		found[codes[c.State]] = true
	}
	if s := status.Service; s != nil && s.PassError != nil || status.Unattended != nil && status.Unattended.Alarm || len(status.Notify) > 0 {
		found[exitFailed] = true
	}
	if slices.ContainsFunc(status.Damaged, func(d view.DamagedFile) bool { return d.Error != "" }) {
		found[exitFailed] = true
	}
	if len(status.Orphans) > 0 || len(status.Records) > 0 {
		found[exitPending] = true
	}
	for _, code := range []int{exitFailed, exitNoInstance, exitNotServed, exitPending} {
		if found[code] {
			return code
		}
	}
	return exitOK
}
