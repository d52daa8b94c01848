package check

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"dvagent/agent/config"
	"dvagent/internal/secret"
)

func TestASecretThatCannotBeUsedIsSaid(t *testing.T) {
	t.Setenv("DVAGENT_TEST_UNSET", "")
	t.Setenv("DVAGENT_TEST_SET", "canary")
	for _, tt := range []struct {
		name, text string // of the file
		env        string
		says       string // "": nothing
		warning    bool
	}{
		{"one word", "canary\n", "", "", false},
		{"an empty file", "\n", "", "is empty", false},
		{"two lines", "LTAIcanary\ncanary\n", "", "holds more than one word", false},
		{"the table that the console hands out", "AccessKey ID,AccessKey Secret\nLTAI,canary\n", "", "holds more than one word", false},
		{"a variable that is not set here", "", "DVAGENT_TEST_UNSET", "environment variable DVAGENT_TEST_UNSET is empty", true},
		{"a variable that is set", "", "DVAGENT_TEST_SET", "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := secret.Secret{Env: tt.env}
			if tt.env == "" {
				s.File = filepath.Join(t.TempDir(), "secret")
				if err := os.WriteFile(s.File, []byte(tt.text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			cfg := &config.Config{Accounts: map[string]config.Account{"main": {AccessKeySecret: s}}}
			said := ""
			for _, finding := range checkSecrets(cfg) {
				if finding.Err != nil {
					said = finding.Err.Error()
				}
				if finding.Warning != tt.warning {
					t.Errorf("warning: %v", finding.Warning)
				}
			}
			if strings.Contains(said, "canary") || (tt.says == "") != (said == "") || !strings.Contains(said, tt.says) {
				t.Errorf("said %q, want %q", said, tt.says)
			}
		})
	}
}
