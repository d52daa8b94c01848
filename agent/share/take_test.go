package share

import (
	"crypto/x509"
	"testing"
	"time"

	"dvagent/agent/config"
	"dvagent/agent/fleet"
	"dvagent/agent/state"
)

// fault 123: the dates of a publication are in plain sight, and anybody who may write
// to etcd may change them.
func TestDatesThatAreNotTruePutNoRenewalOff(t *testing.T) {
	now := time.Now()
	leafOf := func(left time.Duration) *x509.Certificate {
		return &x509.Certificate{DNSNames: []string{"example.com"}, NotBefore: now.Add(left - 100*24*time.Hour), NotAfter: now.Add(left)}
	}
	for _, tt := range []struct {
		name  string
		left  time.Duration // of the leaf that is installed
		id    string        // of what etcd says lasts for decades
		rests bool
	}{
		{"of the version that is installed", 20 * 24 * time.Hour, "installed", false},
		{"of another one, while there is time", 20 * 24 * time.Hour, "another", true},
		{"of another one, in the last tenth", 5 * 24 * time.Hour, "another", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := state.Snapshot{Config: config.Certificate{Domains: []string{"example.com"}, RenewBefore: config.Window{Share: 1.0 / 3}}, Newest: "installed", Leaf: leafOf(tt.left)}
			r := fleet.Rollout{Newest: fleet.Version{ID: tt.id, Domains: s.Config.Domains, NotBefore: now, NotAfter: now.AddDate(50, 0, 0)}}
			if rests := (&look{s: &s, r: r, now: now}).rests(); rests != tt.rests {
				t.Errorf("it rests: %v", rests)
			}
		})
	}
}
