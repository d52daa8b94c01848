package agent

import (
	"sync/atomic"
	"time"
)

const (
	movingPause = time.Second
	movingGrace = time.Minute // to stop a command that ran into its limit, and all that it started
)

// moving says for as long as a command may run that all moves as it should: one
// that is slow is no hang. It ends with stop, or when the command's own limit
// and a grace are over.
func (a *Agent) moving(limit time.Duration) (stop func()) {
	stopped := make(chan struct{})
	go func() {
		pulse := time.NewTicker(movingPause)
		defer pulse.Stop()
		end := time.After(limit + movingGrace)
		for {
			select {
			case <-stopped:
				return
			case <-end:
				return
			case <-pulse.C:
				a.moved()
			}
		}
	}()
	return func() {
		close(stopped)
		a.moved()
	}
}

// movement knows when the scheduler last moved, whatever is done to the wall
// clock. While the machine sleeps no time goes by.
type movement struct {
	begun time.Time    // with its monotonic reading
	last  atomic.Int64 // nanoseconds since begun
}

func (m *movement) note() { m.last.Store(int64(time.Since(m.begun))) }

// idle is how long nothing has moved.
func (m *movement) idle() time.Duration {
	return time.Since(m.begun) - time.Duration(m.last.Load())
}
