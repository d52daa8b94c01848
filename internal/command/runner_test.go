package command_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dvagent/internal/command"
)

func TestARunnerRunsInPlaceOfAProcess(t *testing.T) {
	refused := errors.New("it does not want to")
	for _, test := range []struct {
		name, output string
		code         int
		err          error
		wantOutput   string
		wantErr      string
	}{
		{"its success is the command's", "done", 0, nil, "done", ""},
		{"its failure is the command's, with what it wrote", "line 3: no such thing", 2, refused, "line 3: no such thing", "it does not want to"},
		{"a private key that it writes is kept back", "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n", 0, nil, "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			touched := filepath.Join(t.TempDir(), "touched")
			var given command.Command
			ctx := command.WithRunner(t.Context(), func(_ context.Context, c command.Command, out io.Writer) (int, error) {
				given = c
				fmt.Fprint(out, test.output)
				return test.code, test.err
			})
			got := command.Run(ctx, command.Command{Argv: []string{"/usr/bin/touch", touched}, Env: []string{"A=b"}})
			if _, err := os.Stat(touched); err == nil {
				t.Error("the process ran, too")
			}
			if given.Argv[1] != touched || given.Env[0] != "A=b" || given.Timeout != command.DefaultTimeout {
				t.Errorf("it was given %+v", given)
			}
			if got.ExitCode != test.code || test.wantOutput != "" && got.Output != test.wantOutput || strings.Contains(got.Output, "c2VjcmV0") {
				t.Errorf("exit status %d, output %q", got.ExitCode, got.Output)
			}
			if (got.Err == nil) != (test.wantErr == "") || got.Err != nil && !strings.Contains(got.Err.Error(), test.wantErr) {
				t.Errorf("error %v", got.Err)
			}
		})
	}
}

func TestWhoWaitsForARunnerIsKeptAlive(t *testing.T) {
	calls := make(chan time.Duration, 8)
	ctx := command.WithAlive(t.Context(), func() { calls <- 0 })
	ctx = command.WithRunner(ctx, func(context.Context, command.Command, io.Writer) (int, error) { return 0, nil })
	if got := command.Run(ctx, command.Command{Argv: []string{"/bin/true"}}); got.Err != nil {
		t.Error(got.Err)
	}
	if len(calls) == 0 {
		t.Error("nobody was told that the command goes on")
	}
}
