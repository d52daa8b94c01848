// Package command runs one program for the operator: an argument vector, never
// a shell, with a given environment, a time limit and bounded output. It
// decides nothing about what the result means, and logs nothing.
//
// Each command runs beneath a second process of the calling program, its
// supervisor; therefore main and TestMain begin with Supervise.
package command

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// Command is what to run. Argv[0] is an absolute path, or a name to be looked
// up in the PATH of Env.
type Command struct {
	Argv      []string
	Env       []string      // exactly this; nothing is inherited
	Timeout   time.Duration // default DefaultTimeout
	Grace     time.Duration // between TERM and KILL, default 5 s
	MaxOutput int           // bytes of output that are kept, default 64 KiB
}

// DefaultTimeout is what a command has time for that says nothing else.
const DefaultTimeout = time.Minute

// Result is how a command ended.
type Result struct {
	ExitCode  int    // -1 when it was not started, was killed or was stopped
	Output    string // the last MaxOutput bytes of standard output and error, as they came, without private keys
	Truncated bool   // there was more output
	Duration  time.Duration
	Err       error // a *Failure; nil for exit status 0 alone
}

const (
	defaultGrace     = 5 * time.Second
	defaultMaxOutput = 64 << 10

	// outputDelay is how long output is read after the command has ended, when a
	// process in the background keeps it open.
	outputDelay = 500 * time.Millisecond

	overdue    = time.Second // more than a supervisor needs to report that it gave up
	killRounds = 10          // since processes may fork between two rounds
)

// Run runs c in / and returns when it has ended, at the latest Grace and some
// seconds after Timeout or after ctx is done. Then all its descendants get TERM,
// whatever session they are in, and KILL after Grace; so they do when this
// process dies. Processes that a command leaves in the background live on if it
// ended by itself: a reload may start a server.
//
// Run calls the function of WithAlive, if ctx has one. It fails in a process
// that has not called Supervise.
func Run(ctx context.Context, c Command) Result {
	c = c.withDefaults()
	start := time.Now()
	out := &tail{limit: c.MaxOutput}
	stop := Alive(ctx, c.Timeout)
	run, given := ctx.Value(runnerKey{}).(Runner)
	if !given {
		run = func(ctx context.Context, c Command, out io.Writer) (int, error) { return c.run(ctx, out) }
	}
	code, err := run(ctx, c, out)
	stop()
	result := Result{ExitCode: code, Duration: time.Since(start)}
	result.Output, result.Truncated = out.text()
	result.Output = withoutPrivateKeys(result.Output)
	if err != nil {
		result.Err = &Failure{c.name(), code, readable(result.Output), err}
	}
	return result
}

// Runner runs a command in place of a process, writes its output, and returns its
// exit status and why that is not 0.
type Runner func(ctx context.Context, c Command, output io.Writer) (code int, err error)

type runnerKey struct{}

// WithRunner returns a context in which Run has run run all commands.
func WithRunner(ctx context.Context, run Runner) context.Context {
	return context.WithValue(ctx, runnerKey{}, run)
}

func (c Command) withDefaults() Command {
	if c.Timeout <= 0 {
		c.Timeout = DefaultTimeout
	}
	if c.Grace <= 0 {
		c.Grace = defaultGrace
	}
	if c.MaxOutput <= 0 {
		c.MaxOutput = defaultMaxOutput
	}
	return c
}

func (c Command) name() string {
	if len(c.Argv) == 0 {
		return ""
	}
	return c.Argv[0]
}

// run returns the exit code, and why it is not 0.
func (c Command) run(ctx context.Context, out io.Writer) (int, error) {
	path, err := lookPath(c.Argv, c.Env)
	if err != nil {
		return -1, err
	}
	if !supervises.Load() {
		return -1, fmt.Errorf("start %s: %w", c.name(), errNoSupervisor)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, c.Timeout, errTimeout)
	defer cancel()
	if ctx.Err() != nil {
		return c.outcome(ctx, report{Stopped: true})
	}
	r, err := c.supervised(ctx, path, out)
	if err != nil {
		return -1, fmt.Errorf("start %s: %w", c.name(), err)
	}
	return c.outcome(ctx, r)
}

// supervised runs the program at path beneath a supervisor, whose leash is cut
// when ctx ends.
func (c Command) supervised(ctx context.Context, path string, out io.Writer) (r report, err error) {
	cmd := exec.Command("/proc/self/exe")
	cmd.Args = append([]string{supervisorName, c.Grace.String(), path}, c.Argv...)
	cmd.Env = append([]string{}, c.Env...) // nil would inherit ours
	cmd.Dir = "/"
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a ^C is for the agent alone
	cmd.WaitDelay = outputDelay
	leash, err := cmd.StdinPipe()
	if err != nil {
		return r, err
	}
	defer leash.Close()
	reports, written, err := os.Pipe()
	if err != nil {
		return r, err
	}
	defer reports.Close()
	cmd.ExtraFiles = []*os.File{written}
	err = cmd.Start()
	written.Close()
	if err != nil {
		return r, err
	}
	ended := make(chan struct{})
	defer close(ended)
	defer context.AfterFunc(ctx, func() {
		leash.Close()
		c.endOverdue(cmd.Process, ended)
	})()
	err = cmd.Wait()
	if json.NewDecoder(reports).Decode(&r) == nil {
		return r, nil
	}
	if ctx.Err() != nil {
		return report{Stopped: true}, nil
	}
	return r, fmt.Errorf("its supervisor ended without a report: %w", cmp.Or(err, io.EOF))
}

// endOverdue kills a supervisor that should have ended by now but has not: its
// command may have stopped it with a signal. The supervisor's descendants are
// killed first, as without it they could not be told from other processes.
func (c Command) endOverdue(supervisor *os.Process, ended <-chan struct{}) {
	select {
	case <-ended:
		return
	case <-time.After(c.Grace + killTime + overdue):
	}
	for range killRounds {
		signalDescendants(supervisor.Pid, syscall.SIGKILL)
		time.Sleep(killAgain)
	}
	_ = supervisor.Kill() // it may have ended
}

var errTimeout = errors.New("time is up")

// outcome turns a report into the exit code and one line that names the command
// and how it ended.
func (c Command) outcome(ctx context.Context, r report) (int, error) {
	switch {
	case r.Errno != 0:
		return -1, fmt.Errorf("start %s: %w", c.name(), r.Errno)
	case r.Stopped && context.Cause(ctx) == errTimeout:
		return -1, fmt.Errorf("%s ran longer than %s and was stopped", c.name(), c.Timeout)
	case r.Stopped:
		return -1, fmt.Errorf("%s was stopped: %w", c.name(), context.Cause(ctx))
	case r.Status.Signaled():
		return -1, fmt.Errorf("%s failed: signal: %s", c.name(), r.Status.Signal())
	case r.Status != 0:
		return r.Status.ExitStatus(), fmt.Errorf("%s failed: exit status %d", c.name(), r.Status.ExitStatus())
	}
	return 0, nil
}
