package command_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"dvagent/internal/command"
)

// escape prefixes a program that leaves the session, the group and the parent.
const escape = "setsid sh -c '\"$@\" & exit' sh "

// fault 66, fault 67, fault 69
func TestACommandThatIsStoppedLeavesNothing(t *testing.T) {
	t.Cleanup(func() { // all have ended by then
		if n := zombies(); n > 0 {
			t.Errorf("%d zombies are left", n)
		}
	})
	const deaf = `sh -c 'trap "" TERM; while :; do sleep 600; done'`
	for _, test := range []struct {
		name, script string
		least        int // processes that have to be there at first, with the supervisor
	}{
		{"a command that sleeps", "sleep 600", 2},
		{"a command that ignores TERM", "exec " + deaf, 3},
		{"a child that ignores TERM when its parent does not", deaf + " & wait", 4},
		{"a command that ends with 0 at TERM", "trap 'exit 0' TERM; while :; do sleep 0.05; done", 2},
		{"a child in a session of its own", "setsid " + deaf + " & wait", 4},
		{"a child whose parents are gone", escape + "sleep 600; sleep 600", 3},
		{"one that ignores TERM too", escape + deaf + "; sleep 600", 4},
		{"a child that holds itself stopped", escape + `sh -c 'kill -STOP $$'; sleep 600`, 3},
		{"a child that ends and is not waited for", "sleep 0 & exec sleep 600", 2},
		{"a flood of processes", "for i in $(seq 100); do setsid sh -c 'sleep 600 & sleep 600' & done; wait", 300},
		{"a child that leaves a successor at TERM", `echo 'trap "setsid sh $0 & exit" TERM; while :; do sleep 0.01; done' >$DIR/child; setsid sh $DIR/child & wait`, 4},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			mark := markOf(t)
			ctx, cancel := context.WithCancelCause(t.Context())
			late := errors.New("the test has seen enough")
			go func() {
				await(func() bool { return len(marked(mark)) >= test.least })
				cancel(late)
			}()
			got := shell(ctx, test.script, func(c *command.Command) {
				c.Env = append(c.Env, mark, "DIR="+t.TempDir())
				c.Timeout, c.Grace = time.Minute, 200*time.Millisecond
			})
			if !errors.Is(got.Err, late) || got.ExitCode != -1 || got.Duration > 20*time.Second {
				t.Errorf("exit code %d, error %v after %s", got.ExitCode, got.Err, got.Duration)
			}
			if left := marked(mark); len(left) > 0 {
				t.Errorf("%d processes are left, among them %v", len(left), left[0])
			}
		})
	}
}

// fault 69
func TestEachDescendantIsAskedToEndFirst(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		await(func() bool {
			_, parent := os.Stat(dir + "/set")
			_, child := os.Stat(dir + "/ready")
			return parent == nil && child == nil
		})
		cancel()
	}()
	shell(ctx, `cd $DIR
		setsid sh -c 'trap "touch asked; exit" TERM; touch ready; while :; do sleep 0.01; done' &
		trap "" TERM; touch set; while :; do sleep 600; done`, func(c *command.Command) {
		c.Env, c.Grace = append(c.Env, "DIR="+dir), 2*time.Second
	})
	if _, err := os.Stat(dir + "/asked"); err != nil {
		t.Error("a child in a session of its own got no TERM")
	}
}

// fault 66
func TestACommandHasATimeLimit(t *testing.T) {
	mark := markOf(t)
	got := shell(t.Context(), "sleep 600", func(c *command.Command) {
		c.Env, c.Timeout = append(c.Env, mark), 300*time.Millisecond
	})
	checkError(t, got.Err, "/bin/sh ran longer than 300ms and was stopped")
	if left := marked(mark); len(left) > 0 || got.Duration > 10*time.Second {
		t.Errorf("%d processes are left after %s", len(left), got.Duration)
	}
}

// fault 66, fault 69
func TestACommandCannotHoldItsSupervisor(t *testing.T) {
	for _, test := range []struct{ name, script string }{
		{"it stops the supervisor", "kill -STOP $PPID; sleep 600"},
		{"it stops the supervisor and ends", "kill -STOP $PPID"},
		{"it stops the supervisor and leaves its session", "kill -STOP $PPID; " + escape + "sleep 600; setsid sleep 600"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			mark := markOf(t)
			got := shell(t.Context(), test.script, func(c *command.Command) {
				c.Env = append(c.Env, mark)
				c.Timeout, c.Grace = 500*time.Millisecond, 100*time.Millisecond
			})
			checkError(t, got.Err, "/bin/sh ran longer than 500ms and was stopped")
			if !await(func() bool { return len(marked(mark)) == 0 }) || got.Duration > 15*time.Second {
				t.Errorf("%d processes are left after %s", killMarked(mark), got.Duration)
			}
		})
	}
}

// fault 69
func TestACommandThatIsStoppedLeavesOthersAlone(t *testing.T) {
	mark, started := markOf(t), filepath.Join(t.TempDir(), "started")
	other := make(chan command.Result)
	go func() {
		other <- shell(t.Context(), escape+"sleep 600; touch "+started+"; sleep 1; echo whole", func(c *command.Command) {
			c.Env = append(c.Env, mark)
		})
	}()
	if !await(func() bool { _, err := os.Stat(started); return err == nil }) {
		t.Fatal("the other command did not start")
	}
	shell(t.Context(), escape+"sleep 600; sleep 600", func(c *command.Command) { c.Timeout = 100 * time.Millisecond })
	if got := <-other; got.Err != nil || got.Output != "whole\n" {
		t.Errorf("output %q, error %v", got.Output, got.Err)
	}
	if n := killMarked(mark); n != 1 {
		t.Errorf("%d of its processes live on", n)
	}
}

// fault 68
func TestWhatACommandLeavesInTheBackgroundLivesOn(t *testing.T) {
	for _, test := range []struct {
		name, script string
		code         int
	}{
		{"a child that holds the output", "sleep 600 & echo started", 0},
		{"a daemon", escape + "sleep 600 >/dev/null; echo started", 0},
		{"a daemon of a command that fails then", escape + "sleep 600 >/dev/null; echo started; exit 3", 3},
	} {
		t.Run(test.name, func(t *testing.T) {
			mark := markOf(t)
			got := shell(t.Context(), test.script, func(c *command.Command) { c.Env = append(c.Env, mark) })
			if got.ExitCode != test.code || got.Output != "started\n" || got.Duration > 5*time.Second {
				t.Errorf("exit code %d, output %q after %s", got.ExitCode, got.Output, got.Duration)
			}
			if n := killMarked(mark); n != 1 {
				t.Errorf("%d processes live on", n)
			}
		})
	}
}

// fault 72
func TestACommandEndsWithItsAgent(t *testing.T) {
	const variable = "DVAGENT_TEST_AGENT"
	if mark := os.Getenv(variable); mark != "" {
		shell(t.Context(), escape+`sh -c 'trap "" TERM; sleep 600; sleep 600'; sleep 600`, func(c *command.Command) {
			c.Env, c.Grace = append(c.Env, mark), 200*time.Millisecond
		})
		return
	}
	mark := markOf(t)
	agent := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	agent.Env = append(os.Environ(), variable+"="+mark)
	if err := agent.Start(); err != nil {
		t.Fatal(err)
	}
	started := await(func() bool { return len(marked(mark)) >= 5 }) // with agent and supervisor
	_ = agent.Process.Kill()
	_ = agent.Wait()
	if !started {
		t.Fatal("the command did not start")
	}
	if !await(func() bool { return len(marked(mark)) == 0 }) {
		t.Errorf("processes %v outlive the agent", marked(mark))
	}
}

// markOf is a variable by which the processes of a test are known.
func markOf(t *testing.T) string {
	return "DVAGENT_TEST_MARK=" + t.Name() + strconv.Itoa(os.Getpid()) + "."
}

// marked finds the processes that have the variable and are no zombies.
func marked(mark string) []int {
	var pids []int
	paths, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, path := range paths {
		if environ, err := os.ReadFile(path); err == nil && bytes.Contains(environ, []byte(mark)) {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			pids = append(pids, pid)
		}
	}
	return pids
}

// killMarked ends the processes that a command left on purpose.
func killMarked(mark string) int {
	left := marked(mark)
	for _, pid := range left {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	return len(left)
}

// zombies counts those of our children that nobody waited for.
func zombies() int {
	n := 0
	paths, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range paths {
		data, _ := os.ReadFile(path)
		_, after, _ := strings.Cut(string(data), ") ")
		if fields := strings.Fields(after); len(fields) > 1 && fields[0] == "Z" && fields[1] == strconv.Itoa(os.Getpid()) {
			n++
		}
	}
	return n
}

func await(holds func() bool) bool {
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if holds() {
			return true
		}
	}
	return false
}
