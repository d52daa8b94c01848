package deploy

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestTheSameCommandsRunRarerTheMoreOftenTheyRan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r Rounds
		var waited []time.Duration
		for range 6 {
			begun := time.Now()
			r.gather(t.Context(), "reload")
			waited = append(waited, time.Since(begun))
			r.ran("reload")
		}
		want := []time.Duration{0, firstRest, 2 * firstRest, 4 * firstRest, longestRest, longestRest}
		if !slices.Equal(waited, want) {
			t.Errorf("the rounds waited %s, not %s", waited, want)
		}
		begun := time.Now()
		r.gather(t.Context(), "another reload")
		stopped, stop := context.WithCancel(t.Context())
		stop()
		r.gather(stopped, "reload")
		if time.Since(begun) > 0 {
			t.Errorf("it waited %s for commands that rest, and are not its own or that nobody wants any more", time.Since(begun))
		}
	})
}

func TestARoundWaitsForThoseWhoAreComingAMomentOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r Rounds
		come := r.Expect()
		defer come()
		begun := time.Now()
		var others sync.WaitGroup
		defer others.Wait()
		others.Go(func() { // so that somebody has come just now, at any time
			for time.Since(begun) < 2*gatherFor {
				r.mu.Lock()
				r.joined = time.Now()
				r.mu.Unlock()
				time.Sleep(comingFor / 2)
			}
		})
		synctest.Wait()
		r.gather(t.Context(), "reload")
		if waited := time.Since(begun); waited != gatherFor {
			t.Errorf("it waited %s", waited)
		}
	})
}
