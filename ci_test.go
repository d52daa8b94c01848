package dvagent_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// ciTree is a tree that holds .ci alone, with a go that has nothing to say and a
// build that makes a package of no content.
func ciTree(t *testing.T) (tree, bin string) {
	t.Helper()
	tree, bin = t.TempDir(), t.TempDir()
	for _, name := range []string{"boot", "booted", "run"} {
		text, err := os.ReadFile(filepath.Join(".ci", name))
		if err != nil {
			t.Fatal(err)
		}
		script(t, filepath.Join(tree, ".ci", name), string(text))
	}
	script(t, filepath.Join(tree, "packaging", "build"), "#!/bin/sh\nmkdir -p \"$1\" && touch \"$1/x.deb\"\n")
	script(t, filepath.Join(bin, "go"), "#!/bin/sh\n")
	return tree, bin
}

func script(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
}

// fault 176
func TestWhatThisMachineCannotBootIsSaidAtTheEnd(t *testing.T) {
	for _, tt := range []struct {
		name, boot string // what .ci/boot does; "" is what it does without systemd-nspawn
		fails      bool
		last       string
	}{
		{"the units were tried", "exit 0", false, "all is well"},
		{"they failed", "exit 1", true, "the package and its units, on a systemd"},
		{"no container boots", "exit 77", false, "SKIPPED: the package and its units, on a systemd"},
		{"there is no systemd-nspawn", "", false, "SKIPPED: the package and its units, on a systemd"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tree, bin := ciTree(t)
			if tt.boot != "" {
				script(t, filepath.Join(tree, ".ci", "boot"), "#!/bin/sh\n"+tt.boot+"\n")
			}
			for _, tool := range []string{"bash", "sh", "env", "dirname", "mktemp", "rm", "grep", "mkdir", "touch", "tee", "cat", "realpath", "chmod"} {
				link(t, tool, bin)
			}
			script(t, filepath.Join(bin, "setpriv"), "#!/bin/sh\n") // it runs the tests as nobody
			run := exec.Command(filepath.Join(tree, ".ci", "run"), "two")
			run.Env = []string{"PATH=" + bin}
			out, err := run.CombinedOutput()
			lines := strings.Split(strings.TrimSpace(string(out)), "\n")
			if last := lines[len(lines)-1]; (err != nil) != tt.fails || !strings.Contains(last, tt.last) {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
}

// fault 176
func TestABootThatWasNotTriedIsNoSuccess(t *testing.T) {
	bin := t.TempDir()
	link(t, "realpath", bin)
	boot := exec.Command("bash", ".ci/boot", "x.deb", "x.rpm")
	boot.Env = []string{"PATH=" + bin}
	out, err := boot.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 77 || !strings.HasPrefix(string(out), "SKIPPED: the units were not tried") {
		t.Errorf("%v: %s", err, out)
	}
}

func link(t *testing.T, tool, dir string) {
	t.Helper()
	path, err := exec.LookPath(tool)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(path, filepath.Join(dir, tool)); err != nil {
		t.Fatal(err)
	}
}
