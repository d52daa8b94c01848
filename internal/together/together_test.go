package together

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestOneCallAnswersAllWhoWantTheSame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls Calls[int]
		called := 0
		var all sync.WaitGroup
		for range 5 {
			all.Go(func() {
				got, err := calls.Do(t.Context(), "a", func() (int, error) {
					called++
					time.Sleep(time.Second)
					return 7, nil
				})
				if got != 7 || err != nil {
					t.Errorf("%d, %v", got, err)
				}
			})
		}
		all.Wait()
		if called != 1 {
			t.Errorf("%d calls", called)
		}
	})
}

func TestWhatIsGivenUpByWhoCalledIsCalledByAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls Calls[int]
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		do := func(ctx context.Context) (int, error) {
			return calls.Do(ctx, "a", func() (int, error) {
				select {
				case <-ctx.Done():
					return 0, ctx.Err()
				case <-time.After(time.Minute):
					return 7, nil
				}
			})
		}
		var all sync.WaitGroup
		all.Go(func() {
			if _, err := do(short); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("who gave up: %v", err)
			}
		})
		synctest.Wait()
		if got, err := do(t.Context()); got != 7 || err != nil {
			t.Errorf("another one: %d, %v", got, err)
		}
		all.Wait()
	})
}

func TestAPanicIsThatOfEachWhoWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls Calls[int]
		var all sync.WaitGroup
		for range 2 {
			all.Go(func() {
				defer func() {
					if came := recover(); came != "broken" {
						t.Errorf("it ended with %v", came)
					}
				}()
				_, _ = calls.Do(t.Context(), "a", func() (int, error) {
					time.Sleep(time.Second)
					panic("broken")
				})
			})
		}
		all.Wait()
	})
}

func TestAnErrorOfTheCallIsThatOfAll(t *testing.T) {
	var calls Calls[int]
	broken := errors.New("broken")
	if _, err := calls.Do(t.Context(), "a", func() (int, error) { return 0, broken }); !errors.Is(err, broken) {
		t.Error(err)
	}
}
