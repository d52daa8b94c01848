// Command dvagent orders DV certificates that were bought on Alibaba Cloud,
// proves their domains, installs them and sees them served. This package is
// flags, printing and exit codes; the work is done by the packages it calls.
package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"dvagent/internal/command"
)

func main() {
	command.Supervise()
	if err := sealMemory(); err != nil {
		fmt.Fprintln(os.Stderr, "dvagent:", err)
		os.Exit(exitFailed)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is the program without its process: it returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	out := &output{to: stdout}
	c := &cli{stdout: out, stderr: stderr}
	root := c.command()
	root.SetArgs(args)
	root.SetOut(out)
	root.SetErr(stderr)
	refuseUnknownShells(root, args)
	err := root.ExecuteContext(ctx)
	if lost := out.lost(); lost != nil { // whatever was asked for
		c.started = true
		err = cmp.Or(err, lost)
	}
	return c.exitCode(err)
}
