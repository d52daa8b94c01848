// Package asroot lets root run a few commands for an agent that is not root: those
// that root has listed, word for word, in the unit that listens at Socket. Nothing
// but the choice among them comes from the agent. A command that is not listed, or
// for which nobody listens, the agent runs itself.
package asroot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"dvagent/internal/command"
)

// Socket is where root's systemd listens, for the agent's group alone.
const Socket = "/run/dvagent-root.sock"

const (
	maxBytes = 256 << 10        // of a request or an answer
	patience = 10 * time.Second // for a connection and for what is no command
)

// request asks for one command.
type request struct {
	Argv    []string      `json:"argv"`
	Timeout time.Duration `json:"timeout,omitempty"`
	Ask     bool          `json:"ask,omitempty"` // only whether it is listed
}

// answer is how it ended.
type answer struct {
	Listed    bool          `json:"listed"`
	ExitCode  int           `json:"exit_code"`
	Output    string        `json:"output,omitempty"`
	Truncated bool          `json:"truncated,omitempty"`
	Duration  time.Duration `json:"duration"`
	Error     string        `json:"error,omitempty"` // empty for exit status 0 alone
}

// Run runs the command, as root where root lists it.
func Run(ctx context.Context, c command.Command) command.Result {
	if result, done := runAt(ctx, Socket, c); done {
		return result
	}
	return command.Run(ctx, c)
}

// Listed says that root runs the command for this process.
func Listed(ctx context.Context, argv []string) bool {
	return listedAt(ctx, Socket, argv)
}

func listedAt(ctx context.Context, socket string, argv []string) bool {
	listed, _ := ask(ctx, socket, argv)
	return listed
}

// ask asks whether the command is listed. Where nobody listens, or not for this
// user, none is. An error is a question that got no answer.
func ask(ctx context.Context, socket string, argv []string) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	a, err := exchange(ctx, socket, request{Argv: argv, Ask: true})
	var refused *net.OpError
	if errors.As(err, &refused) && refused.Op == "dial" && !refused.Timeout() {
		return false, nil
	}
	return a.Listed, err
}

// runAt is false where this process has to run the command itself.
func runAt(ctx context.Context, socket string, c command.Command) (command.Result, bool) {
	if os.Geteuid() == 0 {
		return command.Result{}, false
	}
	listed, err := ask(ctx, socket, c.Argv)
	if err != nil { // run without root's rights it would fail, and a good deployment be undone
		return command.Result{ExitCode: -1, Err: command.NewFailure(c.Argv[0], -1, "", fmt.Errorf("ask root to run it: %w", err))}, true
	}
	if !listed {
		return command.Result{}, false
	}
	timeout := c.Timeout
	if timeout <= 0 {
		timeout = command.DefaultTimeout
	}
	defer command.Alive(ctx, timeout)()
	waiting, cancel := context.WithTimeout(ctx, timeout+patience)
	defer cancel()
	a, err := exchange(waiting, socket, request{Argv: c.Argv, Timeout: timeout})
	if err != nil {
		a = answer{ExitCode: -1, Error: err.Error()}
		if ctx.Err() != nil {
			a.Error = context.Cause(ctx).Error()
		}
	}
	result := command.Result{ExitCode: a.ExitCode, Output: a.Output, Truncated: a.Truncated, Duration: a.Duration}
	if a.Error != "" {
		result.Err = command.NewFailure(c.Argv[0], a.ExitCode, a.Output, errors.New(a.Error))
	}
	return result, true
}

// exchange puts one request. The command is stopped when ctx ends.
func exchange(ctx context.Context, socket string, r request) (a answer, err error) {
	conn, err := new(net.Dialer).DialContext(ctx, "unix", socket)
	if err != nil {
		return a, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	if err := json.NewEncoder(conn).Encode(r); err != nil {
		return a, err
	}
	err = json.NewDecoder(io.LimitReader(conn, maxBytes)).Decode(&a)
	return a, err
}

// Answer answers the one request that comes over conn. list are the commands that
// may be run, each one's words separated by blanks. A command is stopped when the
// other side goes away. ran is told of each.
func Answer(ctx context.Context, conn net.Conn, list []string, ran func(argv []string, result command.Result)) error {
	conn.SetReadDeadline(time.Now().Add(patience))
	var r request
	if err := json.NewDecoder(io.LimitReader(conn, maxBytes)).Decode(&r); err != nil {
		return err
	}
	argv, listed := listedAs(r.Argv, list)
	a := answer{Listed: listed}
	if listed && !r.Ask {
		conn.SetReadDeadline(time.Time{})
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		go func() {
			io.Copy(io.Discard, conn) // ends with the other side
			cancel()
		}()
		ran(argv, a.run(ctx, argv, r.Timeout))
	}
	conn.SetWriteDeadline(time.Now().Add(patience))
	return json.NewEncoder(conn).Encode(a)
}

func (a *answer) run(ctx context.Context, argv []string, timeout time.Duration) command.Result {
	result := command.Run(ctx, command.Command{Argv: argv, Env: command.BaseEnv(), Timeout: timeout})
	a.ExitCode, a.Output, a.Truncated, a.Duration = result.ExitCode, strings.ToValidUTF8(result.Output, "?"), result.Truncated, result.Duration
	var failure *command.Failure
	if errors.As(result.Err, &failure) {
		a.Error = failure.Cause()
	}
	return result
}

// listedAs is the command of the list that argv is: the same words, and a program
// that is found in the same place.
func listedAs(argv, list []string) ([]string, bool) {
	for _, entry := range list {
		words := strings.Fields(entry)
		if len(argv) == 0 || len(words) != len(argv) || !slices.Equal(words[1:], argv[1:]) {
			continue
		}
		if words[0] == argv[0] {
			return words, true
		}
		if program, err := command.LookPath(words); err == nil && program == argv[0] {
			return words, true
		}
	}
	return nil, false
}
