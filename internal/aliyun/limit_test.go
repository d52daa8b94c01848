package aliyun

import (
	"context"
	"math"
	"testing"
	"testing/synctest"
	"time"
)

func TestNoMoreRequestsPassInAnySecondThanAllowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const perSecond = 10
		l, begun := newLimiter(perSecond), time.Now()
		var passed []time.Time
		for i := range 45 {
			if i == 25 {
				time.Sleep(1700 * time.Millisecond) // what was not used is not saved up
			}
			if !l.wait(t.Context(), false) {
				t.Fatal("it gave up")
			}
			passed = append(passed, time.Now())
		}
		for i := perSecond; i < len(passed); i++ {
			if passed[i].Sub(passed[i-perSecond]) < time.Second {
				t.Errorf("requests %d to %d came within %s", i-perSecond, i, passed[i].Sub(passed[i-perSecond]))
			}
		}
		if took := time.Since(begun); took > 5*time.Second {
			t.Errorf("45 took %s", took)
		}
	})
}

func TestWhatIsUrgentPassesFirstAndHoldsUpTheOthersForAWhileOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(1)
		l.wait(t.Context(), false)
		order := make(chan byte, 20)
		for i := range 20 {
			go func() {
				l.wait(t.Context(), i%2 == 1)
				order <- "ou"[i%2]
			}()
			synctest.Wait()
		}
		var got []byte
		for range 20 {
			got = append(got, <-order)
		}
		if want := "uuuuuuuouuuooooooooo"; string(got) != want {
			t.Errorf("they passed as %s", got)
		}
	})
}

func TestWhoGivesUpTakesNobodysTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, begun := newLimiter(1), time.Now()
		l.wait(t.Context(), false)
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if l.wait(ctx, false) || time.Since(begun) != 100*time.Millisecond {
			t.Errorf("it passed, or gave up after %s", time.Since(begun))
		}
		if !l.wait(t.Context(), false) || time.Since(begun) != time.Second {
			t.Errorf("the next one passed after %s", time.Since(begun))
		}
	})
}

func TestAnyLimitMayBeSet(t *testing.T) {
	if !newLimiter(math.MaxInt).wait(t.Context(), false) {
		t.Error("it gave up")
	}
}
