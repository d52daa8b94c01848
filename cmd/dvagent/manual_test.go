package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"dvagent/internal/manual"
)

// writeManual returns the directory of the pages that packaging/build would make.
func writeManual(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "man")
	if err := manual.Write((&cli{}).command(), version, dir, "../../docs"); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestTheManualHasWhatTheDocsSay(t *testing.T) {
	dir := writeManual(t)
	for name, wants := range map[string][]string{
		"dvagent.8": {".SH EXAMPLE", ".SH EXIT STATUS", ".SH FILES", "/etc/dvagent/agent.toml", "agent.toml(5)", "another agent holds the lock"},
		"dvagent-renew.8": {".SH EXAMPLE", "dvagent renew --quiet", ".SH EXIT STATUS", "no spare instance", ".SH FILES", "order.journal",
			".SH SEE ALSO", `\fBdvagent(8)\fP`, "agent.toml(5)"},
		"dvagent-certs-list.8": {".SH EXIT STATUS"},
		"agent.toml.5": {".SH NAME", ".SH EXAMPLE", ".SH FILES", ".SH SEE ALSO", "[certificate.deploy]", "access_key_secret_file",
			"of the lifetime, or a duration", `(default: \fB33%\fR)`},
	} {
		page := string(must(os.ReadFile(filepath.Join(dir, name))))
		if !strings.Contains(page, ".TH ") || strings.Count(page, ".TH ") != 1 {
			t.Errorf("%s has not one title", name)
		}
		for _, want := range wants {
			if !strings.Contains(page, want) {
				t.Errorf("%s lacks %q", name, want)
			}
		}
		if left := regexp.MustCompile(`(?m)^\| |\]\(#`).FindString(page); left != "" {
			t.Errorf("%s holds %q of Markdown", name, left)
		}
		readsWell(t, filepath.Join(dir, name))
	}
}

// Each key of agent.toml.example has a place in the manual.
func TestTheManualOfTheConfigurationHasEachKey(t *testing.T) {
	dir := writeManual(t)
	page := strings.ReplaceAll(string(must(os.ReadFile(filepath.Join(dir, "agent.toml.5")))), `\-`, "-")
	example := must(os.ReadFile("../../agent.toml.example"))
	for _, m := range regexp.MustCompile(`(?m)^ *#?([a-z_]+) = `).FindAllSubmatch(example, -1) {
		if key := string(m[1]); !strings.Contains(page, strings.TrimSuffix(strings.TrimSuffix(key, "_file"), "_env")) {
			t.Errorf("agent.toml(5) lacks %s", key)
		}
	}
}

func readsWell(t *testing.T, page string) {
	t.Helper()
	if _, err := exec.LookPath("man"); err != nil {
		return
	}
	cmd := exec.Command("man", "--warnings", "--encoding=UTF-8", "--local-file", page)
	cmd.Env = append(os.Environ(), "MANWIDTH=80", "LC_ALL=C.UTF-8")
	var complaints strings.Builder
	cmd.Stderr = &complaints
	if err := cmd.Run(); err != nil || complaints.Len() > 0 {
		t.Errorf("man: %v: %s", err, complaints.String())
	}
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}
