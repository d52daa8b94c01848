package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAnIdentityIsWrittenOnceForItsUserAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fleet.key")
	code, out, stderr := dvagent(t, "fleet", "keygen", path)
	if code != exitOK || stderr != "" || !strings.Contains(out, path) {
		t.Fatalf("exit code %d, %s%s", code, out, stderr)
	}
	first, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v: %v", info.Mode(), err)
	}
	_, secret, _ := strings.Cut(string(first), "AGE-SECRET-KEY-")
	code, again, stderr := dvagent(t, "fleet", "keygen", path)
	if code != exitFailed || !strings.Contains(stderr, "is there already") {
		t.Errorf("exit code %d, %s", code, stderr)
	}
	if now, err := os.ReadFile(path); err != nil || string(now) != string(first) {
		t.Errorf("it was overwritten: %v", err)
	}
	if secret == "" || strings.Contains(out+again+stderr, secret) {
		t.Error("the identity is printed, or there is none")
	}
}
