package agent

import (
	"testing"

	"dvagent/internal/sandbox"
)

func TestATraceChoosesTheNameOfTheLastChallenge(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{})
	for _, tt := range []struct {
		name   string
		before func()
		target string
		want   string
		why    string
		value  bool
	}{
		{"the usual one before any order", func() {}, "example.com", "_dnsauth.example.com", "the usual name of a challenge", false},
		{"the open order's, with its value", func() { w.faults("checking-forever"); w.renew(Renewal{NoWait: true}) },
			"example.com", "_dnsauth.example.com", "the open order's challenge", true},
		{"a name that is given", func() {}, "WWW.example.com.", "www.example.com", "as given", false},
		{"the last order's, without its value", func() {
			if err := w.sandbox.ForceOrder(w.sandbox.Orders()[0].InstanceID, "issued"); err != nil {
				t.Fatal(err)
			}
			w.renewed(Renewal{})
		}, "example.com", "_dnsauth.example.com", "the last order's challenge, which has ended", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.before()
			walk, err := w.check().Trace(t.Context(), tt.target)
			if err != nil {
				t.Fatal(err)
			}
			if walk.Name != tt.want || walk.Why != tt.why || (walk.Value != "") != tt.value {
				t.Errorf("%q, %q, value %q", walk.Name, walk.Why, walk.Value)
			}
			if walk.Zone != "example.com" || walk.Cut != "example.com" || walk.Account != "main" || len(walk.Exchanges) == 0 {
				t.Errorf("%+v", walk)
			}
		})
	}
}
