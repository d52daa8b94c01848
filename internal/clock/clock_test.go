package clock_test

import (
	"testing"
	"testing/synctest"
	"time"

	"dvagent/internal/clock"
)

func TestAClockThatIsSetMovesTheTimeAndNoTimer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		defer clock.Set(0)
		began, timer := clock.Now(), time.NewTimer(time.Hour)
		for _, by := range []time.Duration{90 * 24 * time.Hour, -90 * 24 * time.Hour, 0} {
			clock.Set(by)
			if got := clock.Now().Sub(began); got != by {
				t.Errorf("set by %s, it moved by %s", by, got)
			}
		}
		<-timer.C
		if got := clock.Now().Sub(began); got != time.Hour {
			t.Errorf("a timer of an hour took %s", got)
		}
	})
}
