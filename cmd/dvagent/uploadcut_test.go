package main

import (
	"os"
	"strings"
	"syscall"
	"testing"

	"dvagent/internal/sandbox"
)

// fault 115
func TestAnUploadIsCutAtEachCall(t *testing.T) {
	for _, tt := range []struct {
		name, action string
		after        bool
	}{
		{"before the account is listed", "ListCertificates", false},
		{"before the pair arrives", "UploadUserCertificate", false},
		{"after the pair has arrived", "UploadUserCertificate", true},
		{"before the identifier is read", "GetUserCertificateDetail", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := newTrialOf(t, sandbox.API2020)
			c.renews()
			config := c.path("agent.toml")
			text, err := os.ReadFile(config)
			if err != nil {
				t.Fatal(err)
			}
			uploading := strings.Replace(string(text), "  [[certificate.deploy]]", "upload = true\n  [[certificate.deploy]]", 1)
			if err := os.WriteFile(config, []byte(uploading), 0o600); err != nil {
				t.Fatal(err)
			}
			at := func(_ int, action string) bool { return action == tt.action }
			if c.signalAt(at, syscall.SIGKILL, tt.after) == nil {
				t.Fatalf("%s was not called", tt.action)
			}
			c.converges(1)
			uploads := 0
			for _, kept := range c.sandbox.Certificates() {
				if kept.HasKey {
					uploads++
				}
			}
			if uploads != 1 {
				t.Errorf("the pair is in the account %d times", uploads)
			}
		})
	}
}
