package command_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"dvagent/internal/command"
)

// queue is who has taken shifts, and what has come of it.
type queue struct {
	*testing.T
	shifts command.Shifts
	mu     sync.Mutex // the end of a test stops all who wait, at once
	order  []string   // in which they came
	taken  map[string]*command.Shift
}

// takes lets somebody take a shift for commands, separated by commas.
func (q *queue) takes(ctx context.Context, who, commands string, take func(context.Context, ...[]string) (*command.Shift, error)) {
	var argvs [][]string
	for argv := range strings.SplitSeq(commands, ", ") {
		argvs = append(argvs, strings.Fields(argv))
	}
	go func() {
		shift, err := take(ctx, argvs...)
		q.mu.Lock()
		defer q.mu.Unlock()
		if err != nil {
			q.order = append(q.order, who+" "+err.Error())
			return
		}
		q.order = append(q.order, who)
		q.taken[who] = shift
	}()
	synctest.Wait()
}

func (q *queue) ends(who string) {
	q.taken[who].Over()
	synctest.Wait()
}

func (q *queue) wants(order ...string) {
	q.Helper()
	if fmt.Sprint(q.order) != fmt.Sprint(order) {
		q.Errorf("their shifts came as %q, want %q", q.order, order)
	}
}

// fault 150
func TestShifts(t *testing.T) {
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink("/bin/sh", link); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		try  func(ctx context.Context, q *queue)
	}{
		{"commands of one program come one after the other, in their order", func(ctx context.Context, q *queue) {
			q.takes(ctx, "a", "cat x", q.shifts.Take)
			q.takes(ctx, "b", "cat y", q.shifts.Take)
			q.takes(ctx, "c", "cat x", q.shifts.Take)
			q.wants("a")
			q.ends("a")
			q.wants("a", "b")
			q.ends("b")
			q.wants("a", "b", "c")
		}},
		{"those of other programs do not wait", func(ctx context.Context, q *queue) {
			q.takes(ctx, "a", "cat x", q.shifts.Take)
			q.takes(ctx, "b", "ls", q.shifts.Take)
			q.wants("a", "b")
		}},
		{"a program is known by its file", func(ctx context.Context, q *queue) {
			q.takes(ctx, "a", "sh -c x", q.shifts.Take)
			q.takes(ctx, "b", "/bin/sh -c y", q.shifts.Take)
			q.takes(ctx, "c", link+" -c z", q.shifts.Take)
			q.wants("a")
		}},
		{"a program that is not there is known by its name", func(ctx context.Context, q *queue) {
			q.takes(ctx, "a", "no-such-program x", q.shifts.Take)
			q.takes(ctx, "b", "no-such-program y", q.shifts.Take)
			q.wants("a")
		}},
		{"who wants two waits for both, and is not passed", func(ctx context.Context, q *queue) {
			q.takes(ctx, "a", "cat", q.shifts.Take)
			q.takes(ctx, "b", "ls, cat", q.shifts.Take)
			q.takes(ctx, "c", "ls", q.shifts.Take)
			q.wants("a")
			q.ends("a")
			q.wants("a", "b")
			q.ends("b")
			q.wants("a", "b", "c")
		}},
		{"two who want the same two in another order do not wait for each other", func(ctx context.Context, q *queue) {
			q.takes(ctx, "a", "cat, ls", q.shifts.Take)
			q.takes(ctx, "b", "ls, cat", q.shifts.Take)
			q.ends("a")
			q.wants("a", "b")
		}},
		{"what is broken comes next", func(ctx context.Context, q *queue) {
			q.takes(ctx, "a", "cat", q.shifts.Take)
			q.takes(ctx, "b", "cat", q.shifts.Take)
			q.takes(ctx, "c", "cat", q.shifts.TakeNext)
			q.ends("a")
			q.wants("a", "c")
		}},
		{"who is stopped leaves, and a shift ends once", func(ctx context.Context, q *queue) {
			stopped, stop := context.WithCancel(ctx)
			q.takes(ctx, "a", "cat", q.shifts.Take)
			q.takes(stopped, "b", "cat", q.shifts.Take)
			q.takes(ctx, "c", "cat", q.shifts.Take)
			stop()
			synctest.Wait()
			q.wants("a", "b context canceled")
			q.ends("a")
			q.ends("a")
			q.wants("a", "b context canceled", "c")
			q.takes(ctx, "d", "cat", q.shifts.Take)
			q.ends("a")
			q.wants("a", "b context canceled", "c")
		}},
		{"no command, no shift", func(ctx context.Context, q *queue) {
			q.takes(ctx, "a", "", q.shifts.Take)
			q.takes(ctx, "b", "", q.shifts.Take)
			q.wants("a", "b")
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, stop := context.WithCancel(t.Context())
				defer stop()
				tt.try(ctx, &queue{T: t, taken: map[string]*command.Shift{}})
			})
		})
	}
}

// fault 153
func TestACommandThatHangsIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	var shifts command.Shifts
	seen := filepath.Join(t.TempDir(), "seen")
	first, err := shifts.Take(t.Context(), []string{"sh"})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan command.Result, 1)
	go func() {
		ended <- first.Run(t.Context(), command.Command{Argv: []string{"sh", "-c", "until test -e " + seen + "; do sleep 0.1; done"}, Env: command.BaseEnv()})
	}()
	second, err := shifts.Take(t.Context(), []string{"sh"})
	if err != nil {
		t.Fatal(err)
	}
	if result := second.Run(t.Context(), command.Command{Argv: []string{"sh", "-c", ": >" + seen}, Env: command.BaseEnv()}); result.Err != nil {
		t.Error(result.Err)
	}
	if result := <-ended; result.Err != nil {
		t.Error(result.Err)
	}
	first.Over()
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if _, err := shifts.Take(ctx, []string{"sh"}); err == nil {
		t.Error("the first one's end has ended the second one's shift")
	}
}
