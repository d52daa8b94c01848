package state

import (
	"sync/atomic"
	"time"
)

// heartbeat knows when the work last moved, whatever is done to the wall clock.
// While the machine sleeps no time goes by.
type heartbeat struct {
	begun time.Time    // with its monotonic reading
	last  atomic.Int64 // nanoseconds since begun
}

func (h *heartbeat) note() { h.last.Store(int64(time.Since(h.begun))) }

func (h *heartbeat) idle() time.Duration {
	return time.Since(h.begun) - time.Duration(h.last.Load())
}
