package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"dvagent/internal/sandbox"
)

// files are those of a state directory, relative to it.
func files(t *testing.T, dir string) (all []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() {
			path, err = filepath.Rel(dir, path)
			all = append(all, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestWhatIsNoFileInTheStateDirectoryHidesNothingElse(t *testing.T) {
	s := startSandbox(t, sandbox.Options{Instances: 3, IssueAfter: 10 * time.Millisecond, Propagation: []time.Duration{time.Millisecond}})
	state, conf := filepath.Join(t.TempDir(), "state"), filepath.Join(t.TempDir(), "agent.toml")
	if err := os.WriteFile(conf, []byte(s.AgentConfig(state)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, more := range [][]string{{"--quiet"}, {"--quiet", "--force"}, {"--quiet", "--force", "--no-wait"}} {
		if code, _, stderr := dvagent(t, append([]string{"--config", conf, "renew"}, more...)...); code != exitOK && code != exitPending {
			t.Fatal(stderr)
		}
	}
	told := map[string]string{ // by which commands, where a journal cannot be read
		"certificates/example.com/order.journal":        "status --json, status example.com --json, logs example.com, check, ",
		"certificates/example.com/rollout.journal":      "status --json, status example.com --json, check, ",
		"certificates/example.com/last-order.journal":   "status example.com --json, logs example.com, ",
		"certificates/example.com/last-order.2.journal": "logs example.com, ",
		"instances.journal":                             "status --json, check, ",
		"records.journal":                               "status --json, check, ",
	}
	for _, file := range files(t, state) {
		for kind, put := range map[string]func(string) error{
			"directory": func(path string) error { return os.Mkdir(path, 0o700) },
			"pipe":      func(path string) error { return syscall.Mkfifo(path, 0o600) },
		} {
			t.Run(kind+" for "+file, func(t *testing.T) {
				path := filepath.Join(state, file)
				aside := filepath.Join(t.TempDir(), "aside")
				if err := os.Rename(path, aside); err != nil {
					t.Fatal(err)
				}
				defer func() {
					if err := os.Remove(path); err != nil {
						t.Fatal(err)
					}
					if err := os.Rename(aside, path); err != nil {
						t.Fatal(err)
					}
				}()
				if err := put(path); err != nil {
					t.Fatal(err)
				}
				for _, command := range []string{"status", "status example.com", "plan", "logs example.com"} {
					code, stdout, stderr := dvagent(t, append([]string{"--config", conf}, strings.Fields(command)...)...)
					if !strings.Contains(stdout, "forced") && !strings.Contains(stdout, "example.com") || code != exitOK && !strings.HasPrefix(command, "logs") {
						t.Errorf("%s ends with %d and shows %s%s", command, code, stdout, stderr)
					}
				}
				if !strings.HasSuffix(file, ".journal") {
					return
				}
				said := ""
				for _, command := range []string{"status --json", "status example.com --json", "logs example.com", "check"} {
					_, stdout, stderr := dvagent(t, append([]string{"--config", conf}, strings.Fields(command)...)...)
					if strings.Contains(stdout+stderr, path) {
						said += command + ", "
					}
				}
				if said != told[file] {
					t.Errorf("%s say what cannot be read, not %s", said, told[file])
				}
			})
		}
	}
}
