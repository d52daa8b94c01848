package aliyun

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

func TestStatusesMeanOneThingInAnyCase(t *testing.T) {
	for _, test := range []struct {
		name string
		ask  func(word string) map[string]bool // by the method's name
		want map[string]string                 // the method that holds, by the server's word; "" for none
	}{
		{"an instance of 2020-04-07", func(word string) map[string]bool {
			s := InstanceStatus(word)
			return map[string]bool{"Inactive": s.Inactive(), "Pending": s.Pending(), "Active": s.Active(), "Over": s.Over()}
		}, map[string]string{"inactive": "Inactive", "pending": "Pending", "normal": "Active", "willExpire": "Active",
			"expired": "Over", "refund": "Over", "closed": "Over", "": "", "new": ""}},
		{"an order of a package", func(word string) map[string]bool {
			s := OrderState(word)
			return map[string]bool{"Paid": s.Paid(), "Checking": s.Checking(), "Issued": s.Issued(), "Failed": s.Failed()}
		}, map[string]string{"payed": "Paid", "paid": "Paid", "domain_verify": "Checking", "process": "Checking",
			"certificate": "Issued", "verify_fail": "Failed", "unknow": "", "unknown": "", "": ""}},
		{"a certificate of 2020-04-07", func(word string) map[string]bool {
			return map[string]bool{"Valid": Status(word).Valid(), "Revoked": Status(word).Revoked()}
		}, map[string]string{"issued": "Valid", "willExpire": "Valid", "expired": "", "revoked": "Revoked", "": ""}},
		{"a task", func(word string) map[string]bool {
			s := TaskStatus(word)
			return map[string]bool{"Running": s.Running(), "Done": s.Done(), "Failed": s.Failed()}
		}, map[string]string{"processing": "Running", "PENDING": "Running", "success": "Done", "COMPLETED": "Done",
			"failed": "Failed", "": "", "other": ""}},
		{"a row of a list of orders", func(word string) map[string]bool {
			s := Status(word)
			return map[string]bool{"Spare": s.Spare(), "Checking": s.Checking(), "Issued": s.Issued(), "Failed": s.Failed()}
		}, map[string]string{"PAYED": "Spare", "CHECKING": "Checking", "CHECKED_FAIL": "Failed", "ISSUED": "Issued",
			"WILLEXPIRED": "", "EXPIRED": "", "NOTACTIVATED": "", "REVOKED": ""}},
	} {
		for word, want := range test.want {
			for _, spelled := range []string{word, strings.ToUpper(word), strings.ToLower(word)} {
				said := test.ask(spelled)
				maps.DeleteFunc(said, func(_ string, holds bool) bool { return !holds })
				if got := strings.Join(slices.Sorted(maps.Keys(said)), " "); got != want {
					t.Errorf("%s: %q is %q, want %q", test.name, spelled, got, want)
				}
			}
		}
	}
}

func TestKindsOfInstances(t *testing.T) {
	for _, test := range []struct {
		instance Instance2020
		dv, test bool
	}{
		{Instance2020{CertificateType: "DV", InstanceType: "BUY"}, true, false},
		{Instance2020{CertificateType: "dv", InstanceType: "test"}, true, true},
		{Instance2020{CertificateType: "OV", InstanceType: "TEST"}, false, true},
		{Instance2020{}, false, false},
	} {
		if test.instance.DV() != test.dv || test.instance.Test() != test.test {
			t.Errorf("%+v is DV %t, test %t", test.instance, test.instance.DV(), test.instance.Test())
		}
	}
}
