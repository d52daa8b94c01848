package check

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dvagent/agent/config"
	"dvagent/agent/state"
	"dvagent/internal/bundle/bundletest"
)

func TestTheCertificatesThatAreShownAreLookedAt(t *testing.T) {
	now := time.Now()
	ca := bundletest.NewCA(t, "etcd")
	const day = 24 * time.Hour
	for _, tt := range []struct {
		name        string
		began, ends time.Duration // from now
		says        string        // "": all is well
		warning     bool
	}{
		{"one that lasts", -30 * day, 60 * day, "", false},
		{"one that has ended", -30 * day, -day, "expired on", false},
		{"one that is about to end", -30 * day, day, "ends on", true},
		{"one that begins later, by this host's clock", time.Hour, 60 * day, "is not valid before", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "client.pem")
			b := ca.Issue(t, bundletest.Leaf{Names: []string{"host.example.com"}, NotBefore: now.Add(tt.began), NotAfter: now.Add(tt.ends)})
			if err := os.WriteFile(path, b.CertPEM(), 0o600); err != nil {
				t.Fatal(err)
			}
			cfg := &config.Config{Fleet: config.Fleet{CertFile: path}, Service: config.Service{TLSCert: path}}
			findings := (&Check{host: &state.Host{Config: cfg}}).shown(now)
			if len(findings) != 2 {
				t.Fatalf("got %v", findings)
			}
			for _, f := range findings {
				warning := tt.warning || f.Subject == "service.tls_cert" && tt.says != ""
				if (f.Err == nil) != (tt.says == "") || f.Err != nil && !strings.Contains(f.Err.Error(), tt.says) || f.Warning != warning {
					t.Errorf("got %+v", f)
				}
			}
		})
	}
}
