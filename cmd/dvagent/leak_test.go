package main

import (
	"encoding/base64"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"dvagent/internal/bundle"
)

// canary is the access key secret of every story. It may appear only in the
// configuration.
const canary = "canary5ecret0nlyInAgentToml"

// secretIn names the secret that a text holds, or returns "". Any PEM block of a
// private key counts, whoever the key belongs to.
func secretIn(text string) string {
	switch {
	case strings.Contains(text, canary):
		return "the access key secret"
	case strings.Contains(text, base64.StdEncoding.EncodeToString([]byte(canary))):
		return "the access key secret in base64"
	case strings.Contains(text, "PRIVATE KEY"):
		return "a private key"
	}
	return ""
}

// leaksUnder searches every file of a story for a private key, even without its
// PEM header, anywhere but in privkey.pem, a target's key file and the keys of
// open orders, and for the access key secret outside the configuration and a file that is called secret.
func leaksUnder(dir string) ([]string, error) {
	contents := map[string]string{} // by path
	var keyLines []string
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		if isKeyFile(path) {
			keyLines = append(keyLines, keyLine(string(content)))
		} else if !strings.HasSuffix(path, ".toml") && filepath.Base(path) != "secret" {
			contents[path] = string(content)
		}
		return err
	})
	var leaks []string
	for path, content := range contents {
		what := secretIn(content)
		for _, line := range keyLines {
			if line != "" && strings.Contains(content, line) {
				what = "a line of a private key"
			}
		}
		if what != "" {
			leaks = append(leaks, fmt.Sprintf("%s holds %s", path, what))
		}
	}
	return leaks, err
}

func isKeyFile(path string) bool {
	return filepath.Base(path) == bundle.KeyFile || strings.HasSuffix(path, ".key") || isPendingKey(path)
}

// isPendingKey says that the file is the key of an order that is open.
func isPendingKey(path string) bool {
	dir, name := filepath.Split(path)
	return filepath.Base(dir) == "pending" && filepath.Ext(name) == ".pem"
}

// keyLine is the second line of base64 of a key in PEM, since the first one
// begins the same in all keys.
func keyLine(pem string) string {
	if lines := strings.Split(pem, "\n"); len(lines) > 3 {
		return lines[2]
	}
	return ""
}

func TestALeakIsFound(t *testing.T) {
	const key = "-----BEGIN PRIVATE KEY-----\nAAAA\nBBBBbbbb\nCCCC\n-----END PRIVATE KEY-----\n"
	for _, tt := range []struct {
		name, file, content string
		leaks               int
	}{
		{"a key in its place", "versions/1/privkey.pem", key, 0},
		{"a key in a target", "tls/site.key", key, 0},
		{"the key of an open order", "state/certificates/a/pending/1.pem", key, 0},
		{"a half-made file of such a key", "state/certificates/a/pending/.1.pem.dvagent", key, 1},
		{"the configuration", "agent.toml", canary, 0},
		{"the secret in a journal", "state/order.journal", `{"error":"` + canary + `"}`, 1},
		{"a key in a journal", "state/order.journal", key, 1},
		{"a part of a key in a log", "log", "x BBBBbbbb y", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			for file, content := range map[string]string{"versions/0/privkey.pem": key, tt.file: tt.content} {
				path := filepath.Join(dir, file)
				if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			leaks, err := leaksUnder(dir)
			if err != nil || len(leaks) != tt.leaks {
				t.Errorf("got %q, %v", leaks, err)
			}
		})
	}
}
