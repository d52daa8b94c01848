package agent

import (
	"sync/atomic"
	"time"
)

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
