package command

import (
	"context"
	"time"
)

const (
	alivePause = time.Second
	aliveGrace = time.Minute // to stop a command that ran into its limit, with all its descendants
)

type aliveKey struct{}

// WithAlive returns a context that makes Run and Alive call alive, from any
// goroutine, so that a watchdog can tell slow work from a hang.
func WithAlive(ctx context.Context, alive func()) context.Context {
	return context.WithValue(ctx, aliveKey{}, alive)
}

// Alive begins work that may take up to limit. It calls the function of
// WithAlive about once a second, until stop is called or limit and a minute are
// over, whether or not ctx is done; stop calls it once more. It does nothing
// when ctx has no such function.
func Alive(ctx context.Context, limit time.Duration) (stop func()) {
	alive, wanted := ctx.Value(aliveKey{}).(func())
	if !wanted {
		return func() {}
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit+aliveGrace)
	go func() {
		tick := time.NewTicker(alivePause)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				alive()
			}
		}
	}()
	return func() {
		cancel()
		alive()
	}
}
