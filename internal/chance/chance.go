// Package chance spreads what many hosts would do at the same moment. It is not
// for secrets.
package chance

import (
	"hash/fnv"
	"math/rand/v2"
	"sync/atomic"
	"time"
)

var repeated atomic.Bool

// Repeat has Below answer the same at the same moment, for the rest of this
// process, so that a simulation can be repeated.
func Repeat() { repeated.Store(true) }

// Below is a time from zero up to d, which is zero where d is not more.
func Below(d time.Duration) time.Duration {
	switch {
	case d <= 0:
		return 0
	case repeated.Load():
		return time.Duration(ofMoment(d) % uint64(d))
	}
	return rand.N(d)
}

func ofMoment(d time.Duration) uint64 {
	hash := fnv.New64a()
	now := uint64(time.Now().UnixMilli())
	for _, number := range []uint64{now, uint64(d)} {
		for range 8 {
			_, _ = hash.Write([]byte{byte(number)}) // it never fails
			number >>= 8
		}
	}
	return hash.Sum64()
}
