package state

import (
	"context"
	"time"

	"dvagent/internal/clock"
)

// Now is clock.Now.
func Now() time.Time { return clock.Now() }

// Sooner returns the earlier of two times, of which zero is none.
func Sooner(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// sleep waits for d, or until ctx is done, whose error it then returns.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// SleepUntil waits by the wall clock, which a machine that slept has moved.
func SleepUntil(ctx context.Context, until time.Time) error {
	for {
		left := until.Sub(Now())
		if left <= 0 {
			return nil
		}
		if err := sleep(ctx, min(left, time.Minute)); err != nil {
			return err
		}
	}
}

// cleanUpFor is how long a clean-up goes on after the run was told to end.
const cleanUpFor = 3 * time.Second

// Outliving is a context that ends a while after ctx does: a signal does not
// cut a clean-up off.
func Outliving(ctx context.Context) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(cleanUpFor, cancel) })
	return longer, func() { stop(); cancel() }
}
