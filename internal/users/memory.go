package users

import (
	"context"
	"sync"
	"time"
)

// known is what getent said, since each look at a target's files asks.
var known sync.Map // *answer by entry

const (
	believed = 10 * time.Minute
	again    = time.Minute // after a failure
)

// answer is the last one, and the last one that told a number.
type answer struct {
	mu     sync.Mutex // held while getent runs: nobody else asks the same
	next   time.Time
	found  bool
	number int
	err    error
}

// remembered asks again after a while. A number that was found holds on while a
// directory does not answer.
func remembered(ctx context.Context, e entry) (int, error) {
	stored, _ := known.LoadOrStore(e, &answer{})
	a := stored.(*answer)
	a.mu.Lock()
	defer a.mu.Unlock()
	if now := time.Now(); now.After(a.next) {
		number, err := e.ask(ctx)
		if ctx.Err() != nil {
			return number, err
		}
		a.next, a.err = now.Add(again), err
		if err == nil {
			a.number, a.found, a.next = number, true, now.Add(believed)
		}
	}
	if a.found {
		return a.number, nil
	}
	return 0, a.err
}
