// Package together has one call answer all who want the same at the same time.
package together

import (
	"context"

	"golang.org/x/sync/singleflight"
)

// Calls are those that are under way, by key. The zero Calls has none. It is safe for
// concurrent use.
type Calls[T any] struct{ group singleflight.Group }

// answer is what a call came to.
type answer[T any] struct {
	value    T
	err      error
	givenUp  bool // with the context of who called
	panicked any
}

// Do calls do once for all who want what the key stands for now. They share the answer,
// which nobody may change, and the error; a panic is that of each of them, where it is
// contained. Who waits gives up with his own context. What was given up with the context of
// who called, another one calls for himself.
func (c *Calls[T]) Do(ctx context.Context, key string, do func() (T, error)) (T, error) {
	for {
		coming := c.group.DoChan(key, func() (came any, _ error) {
			var got answer[T]
			defer func() {
				got.panicked, got.givenUp = recover(), ctx.Err() != nil
				came = got
			}()
			got.value, got.err = do()
			return nil, nil
		})
		select {
		case <-ctx.Done():
			return *new(T), ctx.Err()
		case came := <-coming:
			got := came.Val.(answer[T])
			switch {
			case got.panicked != nil:
				panic(got.panicked)
			case got.err != nil && got.givenUp && ctx.Err() == nil:
				continue
			}
			return got.value, got.err
		}
	}
}
