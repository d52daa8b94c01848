// Package command runs one program for the operator: an argument vector, never
// a shell, with a given environment, a time limit and bounded output. It
// decides nothing about what the result means, and logs nothing.
package command

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"time"
)

// Command is what to run. Argv[0] is an absolute path, or a name to be looked
// up in the PATH of Env.
type Command struct {
	Argv      []string
	Env       []string      // exactly this; nothing is inherited
	Timeout   time.Duration // default 1 minute
	Grace     time.Duration // between TERM and KILL, default 5 s
	Dir       string        // default "/"
	MaxOutput int           // bytes of output that are kept, default 64 KiB
}

// Result is how a command ended.
type Result struct {
	ExitCode  int    // -1 when it was not started or was killed
	Output    string // the last MaxOutput bytes of standard output and error, as they came
	Truncated bool   // there was more output
	Duration  time.Duration
	Err       error // nil for exit status 0 alone; one line, without the output
}

const (
	defaultTimeout   = time.Minute
	defaultGrace     = 5 * time.Second
	defaultMaxOutput = 64 << 10
	pollInterval     = 10 * time.Millisecond

	// outputDelay is how long output is read after the command's end, when a
	// process in the background holds it open.
	outputDelay = 500 * time.Millisecond
)

// Run runs c to its end, which comes at the latest Grace and a second after
// Timeout or after ctx is done. Its process group gets TERM then, and KILL
// after Grace. A process that a successful command leaves in the background
// lives on: a reload may start a server.
func Run(ctx context.Context, c Command) Result {
	c = c.withDefaults()
	start := time.Now()
	out := &tail{limit: c.MaxOutput}
	err := c.run(ctx, out)
	result := Result{ExitCode: exitCode(err), Duration: time.Since(start), Err: err}
	result.Output, result.Truncated = out.text()
	return result
}

func (c Command) withDefaults() Command {
	if c.Timeout <= 0 {
		c.Timeout = defaultTimeout
	}
	if c.Grace <= 0 {
		c.Grace = defaultGrace
	}
	if c.Dir == "" {
		c.Dir = "/"
	}
	if c.MaxOutput <= 0 {
		c.MaxOutput = defaultMaxOutput
	}
	return c
}

func (c Command) run(ctx context.Context, out *tail) error {
	path, err := lookPath(c.Argv, c.Env)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, c.Timeout, errTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, path)
	cmd.Args = c.Argv
	cmd.Env = append([]string{}, c.Env...) // nil would inherit ours
	cmd.Dir = c.Dir
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = ownGroup()
	cmd.Cancel = func() error { return endGroup(cmd.Process.Pid, c.Grace) }
	cmd.WaitDelay = outputDelay
	err = cmd.Run()
	return c.describe(ctx, err)
}

var errTimeout = errors.New("time is up")

// describe turns what os/exec returns into one line that names the command
// and how it ended.
func (c Command) describe(ctx context.Context, err error) error {
	name := c.Argv[0]
	var exit *exec.ExitError
	switch {
	case err == nil || errors.Is(err, exec.ErrWaitDelay):
		return nil
	case context.Cause(ctx) == errTimeout:
		return fmt.Errorf("%s ran longer than %s and was stopped", name, c.Timeout)
	case ctx.Err() != nil:
		return fmt.Errorf("%s was stopped: %w", name, context.Cause(ctx))
	case errors.As(err, &exit):
		return fmt.Errorf("%s failed: %w", name, exit)
	}
	return fmt.Errorf("start %s: %w", name, err)
}

func exitCode(err error) int {
	if err == nil {
		return 0
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode()
	}
	return -1
}
