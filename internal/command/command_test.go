package command_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"dvagent/internal/bundle/bundletest"
	"dvagent/internal/command"
	"dvagent/internal/hint"
)

// shell runs a script; that a shell is used here is the test's own choice.
func shell(ctx context.Context, script string, change func(*command.Command)) command.Result {
	c := command.Command{Argv: []string{"/bin/sh", "-c", script}, Env: command.BaseEnv(), Timeout: 20 * time.Second}
	if change != nil {
		change(&c)
	}
	return command.Run(ctx, c)
}

func TestRun(t *testing.T) {
	for _, test := range []struct {
		name, script string
		code         int
		output, err  string
	}{
		{"success", "echo out; echo err >&2", 0, "out\nerr\n", ""},
		{"failure keeps its output", "echo bad; exit 3", 3, "bad\n", "/bin/sh failed: exit status 3"}, // fault 71
		{"killed by a signal", "kill -9 $$", -1, "", "signal: killed"},
		{"standard input is empty", "cat", 0, "", ""},
		{"the working directory is /", "pwd", 0, "/\n", ""},
		{"the environment is what was given", "env | sed 's/=.*//' | sort | tr '\\n' ' '", 0, "HOME LANG PATH PWD ", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Setenv("CANARY", "not inherited")
			got := shell(t.Context(), test.script, nil)
			if got.ExitCode != test.code || got.Output != test.output {
				t.Errorf("exit code %d, output %q", got.ExitCode, got.Output)
			}
			checkError(t, got.Err, test.err)
		})
	}
}

func TestRunWithoutEnvironmentInheritsNone(t *testing.T) {
	t.Setenv("CANARY", "not inherited")
	got := command.Run(t.Context(), command.Command{Argv: []string{"/usr/bin/env"}})
	if got.Err != nil || got.Output != "" {
		t.Errorf("output %q, error %v", got.Output, got.Err)
	}
}

// fault 66, fault 67
func TestRunStopsWhatHangs(t *testing.T) {
	for _, test := range []struct {
		name, script string
		change       func(*command.Command)
	}{
		{"a command that sleeps", "sleep 600", nil},
		{"a command that ignores TERM", "trap '' TERM; while :; do sleep 600; done", nil},
		{"a child that ignores TERM when its parent does not", `sh -c 'trap "" TERM; while :; do sleep 600; done' & wait`, nil},
		{"a command that ends with 0 at TERM", "trap 'exit 0' TERM; while :; do sleep 0.05; done", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			pidFile := filepath.Join(t.TempDir(), "pid")
			got := shell(t.Context(), "echo $$ >"+pidFile+"; "+test.script, func(c *command.Command) {
				c.Timeout, c.Grace = 300*time.Millisecond, 200*time.Millisecond
			})
			checkError(t, got.Err, "ran longer than 300ms and was stopped")
			if got.ExitCode != -1 || got.Duration > 10*time.Second {
				t.Errorf("exit code %d after %s", got.ExitCode, got.Duration)
			}
			waitForNoGroup(t, pidFile)
		})
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	started := filepath.Join(t.TempDir(), "started")
	go func() {
		for range 1000 {
			if _, err := os.Stat(started); err == nil {
				break
			}
			time.Sleep(5 * time.Millisecond)
		}
		cancel()
	}()
	got := shell(ctx, "echo $$ >"+started+"; sleep 600", nil)
	if !errors.Is(got.Err, context.Canceled) {
		t.Errorf("error %v", got.Err)
	}
	waitForNoGroup(t, started)
}

// fault 68
func TestRunDoesNotWaitForTheBackground(t *testing.T) {
	pidFile := filepath.Join(t.TempDir(), "pid")
	got := shell(t.Context(), "sleep 30 & echo $! >"+pidFile+"; echo started", nil)
	if got.Err != nil || got.Output != "started\n" || got.Duration > 5*time.Second {
		t.Errorf("output %q, error %v after %s", got.Output, got.Err, got.Duration)
	}
	pid := readPID(t, pidFile)
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		t.Errorf("what was left in the background does not live on: %v", err)
	}
}

// fault 69
func TestRunIsNotHeldByAnEscape(t *testing.T) {
	pidFile := filepath.Join(t.TempDir(), "pid")
	got := shell(t.Context(), "setsid sh -c 'echo $$ >"+pidFile+"; exec sleep 30' & sleep 600", func(c *command.Command) {
		c.Timeout, c.Grace = 500*time.Millisecond, 200*time.Millisecond
	})
	checkError(t, got.Err, "ran longer than")
	if got.Duration > 10*time.Second {
		t.Errorf("it took %s", got.Duration)
	}
	_ = syscall.Kill(readPID(t, pidFile), syscall.SIGKILL) // the test's own child
}

// fault 70
func TestRunBoundsOutput(t *testing.T) {
	for _, test := range []struct {
		name, script string
		timeout      time.Duration
		tail         string
		truncated    bool
	}{
		{"the tail of much output is kept", "seq 1 100000", 20 * time.Second, "99999\n100000\n", true},
		{"output of the limit is whole", "head -c 4096 /dev/zero | tr '\\0' x", 20 * time.Second, "xxx", false},
		{"one line of 1 GiB", "head -c 1073741824 /dev/zero; printf end", 60 * time.Second, "\x00end", true},
		{"output without end", "yes", 300 * time.Millisecond, "y\n", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := shell(t.Context(), test.script, func(c *command.Command) {
				c.MaxOutput, c.Timeout = 4096, test.timeout
			})
			if len(got.Output) > 4096 || !strings.Contains(got.Output[max(0, len(got.Output)-20):], test.tail) {
				t.Errorf("%d bytes that end in %q", len(got.Output), got.Output[max(0, len(got.Output)-20):])
			}
			if got.Truncated != test.truncated {
				t.Errorf("truncated = %v", got.Truncated)
			}
		})
	}
}

// fault 73
func TestLookPath(t *testing.T) {
	dir := t.TempDir()
	plain := filepath.Join(dir, "plain")
	if err := os.WriteFile(plain, []byte("#!/bin/sh\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name string
		argv []string
		err  string
		hint string
	}{
		{"an absolute path is found", []string{"/bin/sh"}, "", ""},
		{"a name is looked up in PATH", []string{"sh"}, "", ""},
		{"an empty command is refused", nil, "it is empty", ""},
		{"a missing file is named", []string{dir + "/none"}, dir + "/none: it is missing", ""},
		{"a missing program is named", []string{"no-such-program"}, "no-such-program: not found in PATH", "absolute path"},
		{"a file without the mode is refused", []string{plain}, plain + ": not executable", "chmod +x"},
		{"a directory is refused", []string{dir}, dir, ""},
		{"a relative path is refused", []string{"./plain"}, "a relative path", "absolute path"},
		{"so is one without a dot", []string{"bin/sh"}, "a relative path", "absolute path"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := command.LookPath(test.argv)
			checkError(t, err, test.err)
			if !strings.Contains(hint.Of(err), test.hint) {
				t.Errorf("hint %q", hint.Of(err))
			}
			if test.err != "" {
				checkError(t, command.Run(t.Context(), command.Command{Argv: test.argv}).Err, test.err)
			}
		})
	}
}

func TestBaseEnvHasDefaults(t *testing.T) {
	for _, name := range []string{"PATH", "HOME", "LANG"} {
		t.Setenv(name, "")
	}
	got := command.BaseEnv()
	want := []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/", "LANG=C.UTF-8"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

func checkError(t *testing.T, err error, part string) {
	t.Helper()
	switch {
	case part == "" && err != nil:
		t.Error(err)
	case part != "" && (err == nil || !strings.Contains(err.Error(), part)):
		t.Errorf("error %v, want %q", err, part)
	}
}

func readPID(t *testing.T, path string) int {
	t.Helper()
	for range 1000 {
		data, _ := os.ReadFile(path)
		if pid, err := strconv.Atoi(strings.TrimSpace(string(data))); err == nil {
			return pid
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatal("the command did not write its process id")
	return 0
}

// waitForNoGroup fails when a process of the group still runs after 5 s. A
// child whose parent died stays a zombie until init reaps it.
func waitForNoGroup(t *testing.T, pidFile string) {
	t.Helper()
	group := readPID(t, pidFile)
	for range 1000 {
		if !running(group) {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Errorf("a process of group %d is left", group)
}

func running(group int) bool {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	return slices.ContainsFunc(stats, func(path string) bool {
		data, err := os.ReadFile(path)
		if err != nil {
			return false
		}
		_, after, _ := strings.Cut(string(data), ") ")
		fields := strings.Fields(after) // state, parent, group, …
		return fields[0] != "Z" && fields[2] == strconv.Itoa(group)
	})
}

// fault 53
func TestRunSaysWhenThereAreNoDescriptors(t *testing.T) {
	bundletest.InChild(t, func() {
		if err := bundletest.Refuse(syscall.SYS_PIPE2, syscall.EMFILE); err != nil {
			t.Fatal(err)
		}
		got := shell(t.Context(), "echo", nil)
		checkError(t, got.Err, "start /bin/sh: pipe2: too many open files")
		if got.ExitCode != -1 {
			t.Errorf("exit code %d", got.ExitCode)
		}
	})
}
