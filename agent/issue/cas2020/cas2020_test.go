package cas2020

import (
	"testing"

	"dvagent/internal/aliyun"
)

func TestTheStateOfAnInstanceIsSaidOnce(t *testing.T) {
	for _, tt := range []struct{ status, result, want string }{
		{"pending", "", "pending"},
		{"pending", "pending", "pending"},
		{"PENDING", "pending", "pending"},
		{"pending", "CAA forbids it", "pending caa forbids it"},
		{"normal", "issued", "normal issued"},
		{"", "none", "none"},
	} {
		var d aliyun.InstanceDetail
		d.Status, d.PendingResult = aliyun.InstanceStatus(tt.status), tt.result
		if got := said(d); got != tt.want {
			t.Errorf("%q and %q: %q, want %q", tt.status, tt.result, got, tt.want)
		}
	}
}
