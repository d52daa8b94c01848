// Package chance spreads what many hosts would do at the same moment. It is not
// for secrets.
package chance

import (
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"sync/atomic"
	"time"
)

var repeated atomic.Bool

// Repeat has this package answer the same at the same moment, for the rest of this
// process, so that a simulation can be repeated.
func Repeat() { repeated.Store(true) }

// Below is a time from zero up to d, which is zero where d is not more.
func Below(d time.Duration) time.Duration {
	switch {
	case d <= 0:
		return 0
	case repeated.Load():
		return time.Duration(hashed(fmt.Sprint(time.Now().UnixMilli(), d)) % uint64(d))
	}
	return rand.N(d)
}

// Share is from zero to one, and the same for the same name and text. In place of a text
// that is another one each time, such as what a key is known by, what can be
// repeated tells it by the moment.
func Share(name, text string, moment time.Time) float64 {
	if repeated.Load() {
		text = fmt.Sprint(moment.Unix())
	}
	text = name + " " + text
	return float64(hashed(text)) / math.MaxUint64
}

func hashed(text string) uint64 {
	hash := fnv.New64a()
	_, _ = hash.Write([]byte(text)) // it never fails
	return hash.Sum64()
}
