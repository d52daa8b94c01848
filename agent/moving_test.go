package agent

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"dvagent/internal/sandbox"
)

func TestASlowCommandMovesUntilItsLimitAndAGraceAreOver(t *testing.T) {
	const limit = 30 * time.Minute
	for _, tt := range []struct {
		name string
		stop time.Duration // 0: it hangs
		last time.Duration // when it moved last
	}{
		{"it ends in time", 25 * time.Minute, 25 * time.Minute},
		{"it hangs beyond its limit", 0, limit + movingGrace},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var mu sync.Mutex
				var last, longest time.Duration
				begun := time.Now()
				a := &Agent{moved: func() {
					mu.Lock()
					defer mu.Unlock()
					longest = max(longest, time.Since(begun)-last)
					last = time.Since(begun)
				}}
				stop := a.moving(limit)
				if tt.stop > 0 {
					time.Sleep(tt.stop)
					stop()
				}
				time.Sleep(2 * limit)
				mu.Lock()
				defer mu.Unlock()
				if longest > movingPause || last < tt.last-movingPause || last > tt.last {
					t.Errorf("it moved last after %s, and rested for %s", last, longest)
				}
			})
		})
	}
}

func TestAPassThatMovesIsNoStandstillHoweverLongItTakes(t *testing.T) {
	w := newWorld(t, sandbox.Options{})
	a := w.agent()
	synctest.Test(t, func(t *testing.T) {
		s := NewService(a, nil, time.Second, "test")
		defer s.glances.drop()
		still := func() bool { return w.glance(s).StandsStill(time.Now()) > 0 }
		for range 3 { // a long pass
			time.Sleep(standstill - time.Second)
			s.agent.moved()
			if still() {
				t.Error("what moves stands still")
			}
		}
		time.Sleep(standstill + time.Second)
		if !still() {
			t.Error("a standstill is not seen")
		}
	})
}
