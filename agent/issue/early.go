package issue

import "context"

// early is what will likely be wanted in a moment. It may be begun beside what comes
// before, and is else done when it is first wanted.
type early[T any] struct {
	do func(context.Context) (T, error)

	giveUp   context.CancelFunc // nil: it was not begun
	ended    chan struct{}
	value    T
	err      error
	panicked any
}

func (e *early[T]) begin(ctx context.Context) {
	ctx, e.giveUp = context.WithCancel(ctx)
	e.ended = make(chan struct{})
	go func() {
		defer close(e.ended)
		defer func() { e.panicked = recover() }()
		e.value, e.err = e.do(ctx)
	}()
}

// get is what it came to. Until it was begun, one goroutine alone calls it.
func (e *early[T]) get(ctx context.Context) (T, error) {
	if e.giveUp == nil {
		e.begin(ctx)
	}
	<-e.ended
	if e.panicked != nil {
		panic(e.panicked)
	}
	return e.value, e.err
}

// drop gives up what was begun and is not wanted any more.
func (e *early[T]) drop() {
	if e.giveUp != nil {
		e.giveUp()
		<-e.ended
	}
}
