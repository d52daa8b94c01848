package chance

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestATimeIsBelowItsBound(t *testing.T) {
	for _, d := range []time.Duration{-time.Second, 0, 1, time.Minute} {
		for range 100 {
			if got := Below(d); got < 0 || got > 0 && got >= d {
				t.Errorf("Below(%s) is %s", d, got)
			}
		}
	}
}

func TestARepeatedMomentDrawsTheSame(t *testing.T) {
	defer repeated.Store(false)
	Repeat()
	draw := func() (drawn [20]time.Duration) {
		synctest.Test(t, func(*testing.T) {
			for i := range drawn {
				drawn[i] = Below(time.Hour)
				time.Sleep(time.Second)
			}
		})
		return drawn
	}
	first := draw()
	if second := draw(); first != second {
		t.Errorf("%v, and then %v", first, second)
	}
	if first[0] == first[1] && first[1] == first[2] {
		t.Errorf("it does not change: %v", first)
	}
}
