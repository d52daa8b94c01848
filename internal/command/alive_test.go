package command_test

import (
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"dvagent/internal/command"
)

func TestSlowWorkIsAliveUntilItsLimitAndAMinuteAreOver(t *testing.T) {
	const limit = 30 * time.Minute
	for _, test := range []struct {
		name string
		stop time.Duration // 0: it hangs
		last time.Duration // when it was last alive
	}{
		{"it ends in time", 25 * time.Minute, 25 * time.Minute},
		{"it hangs beyond its limit", 0, limit + time.Minute},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var mu sync.Mutex
				var last, longest time.Duration
				begun := time.Now()
				ctx := command.WithAlive(t.Context(), func() {
					mu.Lock()
					defer mu.Unlock()
					longest = max(longest, time.Since(begun)-last)
					last = time.Since(begun)
				})
				stop := command.Alive(ctx, limit)
				if test.stop > 0 {
					time.Sleep(test.stop)
					stop()
				}
				time.Sleep(2 * limit)
				mu.Lock()
				defer mu.Unlock()
				if longest > time.Second || last < test.last-time.Second || last > test.last {
					t.Errorf("it was last alive after %s, and silent for %s", last, longest)
				}
			})
		})
	}
}

func TestRunIsAliveWhileItsCommandRuns(t *testing.T) {
	seen := t.TempDir() + "/seen"
	ctx := command.WithAlive(t.Context(), func() {
		if err := os.WriteFile(seen, nil, 0o600); err != nil {
			t.Error(err)
		}
	})
	got := shell(ctx, "until [ -e $SEEN ]; do sleep 0.02; done", func(c *command.Command) {
		c.Env = append(c.Env, "SEEN="+seen)
	})
	checkError(t, got.Err, "")
}

func TestRunIsAliveWhenItsCommandHasEnded(t *testing.T) {
	for _, test := range []struct{ name, script string }{
		{"a command that ends at once", "exit 0"},
		{"a command that fails", "exit 3"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var calls atomic.Int32
			ctx := command.WithAlive(t.Context(), func() { calls.Add(1) })
			if shell(ctx, test.script, nil); calls.Load() == 0 {
				t.Error("it was never alive")
			}
		})
	}
}
