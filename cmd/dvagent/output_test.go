package main

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

// What was not printed in full is no success, whatever printed it.
func TestAFullDiskBehindStandardOutputIsAFailure(t *testing.T) {
	d := newDesk(t)
	d.write(t, "1m", "2m")
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	for _, args := range []string{"--help", "renew --help", "help status", "--version", "version", "completion bash",
		"status", "status --json", "plan", "plan --json", "check", "check --json", "check --online", "orders", "certs",
		"renew", "renew --json"} {
		t.Run(args, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			line := append([]string{"--config", d.path}, strings.Fields(args)...)
			if strings.Contains("--help help --version version completion", strings.Fields(args)[0]) {
				line = line[2:] // they read no configuration
			}
			if code := run(t.Context(), line, &stdout, &stderr); code == exitUsage || stdout.Len() == 0 {
				t.Fatalf("it prints nothing: exit code %d, %q", code, stderr.String())
			}
			stderr.Reset()
			code := run(t.Context(), line, full, &stderr)
			if code == exitOK || code == exitUsage || !strings.Contains(stderr.String(), "no space left on device") {
				t.Errorf("exit code %d, %q", code, stderr.String())
			}
		})
	}
}
