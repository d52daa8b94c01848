package command_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"dvagent/internal/bundle/bundletest"
	"dvagent/internal/command"
	"dvagent/internal/hint"
)

// unsupervised is set in a process whose main is to forget Supervise.
const unsupervised = "DVAGENT_TEST_UNSUPERVISED"

func TestMain(m *testing.M) {
	if os.Getenv(unsupervised) == "" {
		command.Supervise()
	}
	m.Run()
}

func TestRunRefusesInAProgramThatForgotSupervise(t *testing.T) {
	t.Setenv(unsupervised, "1")
	bundletest.InChild(t, func() {
		started := filepath.Join(t.TempDir(), "started")
		got := shell(t.Context(), "touch "+started, nil)
		checkError(t, got.Err, "start /bin/sh: this program does not begin with command.Supervise")
		if _, err := os.Stat(started); err == nil || got.ExitCode != -1 {
			t.Errorf("exit code %d, started: %v", got.ExitCode, err == nil)
		}
	})
}

func TestRunSaysWhenItsSupervisorDoesNotReport(t *testing.T) {
	got := shell(t.Context(), "kill -9 $PPID", nil)
	checkError(t, got.Err, "start /bin/sh: its supervisor ended without a report: signal: killed")
}

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
		{"it leads a session of its own", "read -r _ _ _ _ _ session _ </proc/$$/stat; [ $session = $$ ] && echo leads", 0, "leads\n", ""},
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

// fault 162
func TestCommandsHaveAPathOfTheirOwn(t *testing.T) {
	const whole = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
	for _, test := range []struct{ name, inherited, want string }{
		{"none at all is a service's", "", whole},
		{"cron's gets sbin", "/usr/bin:/bin", "/usr/bin:/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/sbin"},
		{"a whole one stays", whole, whole},
		{"directories of one's own come first", "/opt/site/bin:" + whole, "/opt/site/bin:" + whole},
		{"what is relative or empty is left out", ".:/usr/bin::bin", "/usr/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/sbin:/bin"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Setenv("PATH", test.inherited)
			t.Setenv("HOME", "")
			t.Setenv("LANG", "")
			env := command.BaseEnv()
			if want := []string{"PATH=" + test.want, "HOME=/", "LANG=C.UTF-8"}; !slices.Equal(env, want) {
				t.Errorf("got %q", env)
			}
			said := command.Run(t.Context(), command.Command{Argv: []string{"sh", "-c", `printf %s "$PATH"`}, Env: env})
			if said.Output != test.want || said.Err != nil {
				t.Errorf("a command has the PATH %q, %v", said.Output, said.Err)
			}
		})
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
