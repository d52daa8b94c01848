// Package clock is this host's wall clock, which goes on while the machine sleeps
// and can be set. Waits, and how long something took, are measured elsewhere: by
// Go's monotonic clock.
package clock

import (
	"sync/atomic"
	"time"
)

var wrong atomic.Int64

// Now is the time without Go's monotonic reading, which stands still while a
// machine sleeps and knows nothing of a clock that was set.
func Now() time.Time { return time.Now().Add(time.Duration(wrong.Load())).Round(0) }

// Set has the clock be wrong by so much in this process, as it is on a host whose
// clock somebody set, so that a simulation can do that.
func Set(by time.Duration) { wrong.Store(int64(by)) }
