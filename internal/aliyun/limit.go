package aliyun

import (
	"context"
	"slices"
	"sync"
	"time"
)

// limiter lets so many requests pass in any one second. Unlike a bucket that is full
// at first, it never lets more pass. What is urgent passes before what is not, but
// for every eighth request.
type limiter struct {
	perSecond int

	mu      sync.Mutex
	passed  []time.Time        // when those of the last second passed
	waiting [2][]chan struct{} // those that are not urgent, and those that are
	urgent  int                // how many of them passed in a row
	armed   bool               // a timer runs for the next one
}

// urgentInRow of those that are urgent pass before one that is not.
const urgentInRow = 7

func newLimiter(perSecond int) *limiter { return &limiter{perSecond: perSecond} }

// wait returns when a request may pass, or false when ctx ended first.
func (l *limiter) wait(ctx context.Context, urgent bool) bool {
	which := 0
	if urgent {
		which = 1
	}
	turn := make(chan struct{}, 1)
	l.mu.Lock()
	l.waiting[which] = append(l.waiting[which], turn)
	l.pass()
	l.mu.Unlock()
	select {
	case <-turn:
		return ctx.Err() == nil
	case <-ctx.Done():
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting[which] = slices.DeleteFunc(l.waiting[which], func(w chan struct{}) bool { return w == turn })
	return false
}

// pass lets pass who may, and comes again when the next one may.
func (l *limiter) pass() {
	for len(l.waiting[0])+len(l.waiting[1]) > 0 {
		now := time.Now()
		for len(l.passed) > 0 && now.Sub(l.passed[0]) >= time.Second {
			l.passed = l.passed[1:]
		}
		if len(l.passed) >= l.perSecond {
			l.arm(time.Second - now.Sub(l.passed[0]))
			return
		}
		l.passed = append(l.passed, now)
		l.choose() <- struct{}{}
	}
}

func (l *limiter) arm(left time.Duration) {
	if l.armed {
		return
	}
	l.armed = true
	time.AfterFunc(left, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.armed = false
		l.pass()
	})
}

// choose takes out who passes next.
func (l *limiter) choose() chan struct{} {
	which := 1
	if len(l.waiting[1]) == 0 || len(l.waiting[0]) > 0 && l.urgent >= urgentInRow {
		which = 0
	}
	l.urgent = (l.urgent + 1) * which
	first := l.waiting[which][0]
	l.waiting[which] = l.waiting[which][1:]
	return first
}
