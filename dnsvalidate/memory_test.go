package dnsvalidate

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestWhatWasFoundIsRememberedForItsLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, found := memory[int]{life: time.Minute}, 0
		find := func() (int, error) { found++; return found, nil }
		for _, step := range []struct {
			wait time.Duration
			want int
		}{{0, 1}, {59 * time.Second, 1}, {time.Second, 2}, {0, 2}} {
			time.Sleep(step.wait) // the bubble's clock
			if got, err := m.recall(t.Context(), "key", find); got != step.want || err != nil {
				t.Errorf("after %s: %d, %v", step.wait, got, err)
			}
		}
	})
}

func TestOneFindsAndTheOthersWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m memory[string]
		begun := 0
		find := func() (string, error) { begun++; time.Sleep(time.Second); return "found", nil }
		inParallel(10, func(int) {
			if got, err := m.recall(t.Context(), "key", find); got != "found" || err != nil {
				t.Error(got, err)
			}
		})
		if begun != 1 {
			t.Errorf("found %d times", begun)
		}
	})
}

func TestAnErrorIsSharedAndForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m memory[string]
		refused, begun := errors.New("refused"), 0
		find := func() (string, error) { begun++; time.Sleep(time.Second); return "", refused }
		inParallel(10, func(int) {
			if _, err := m.recall(t.Context(), "key", find); !errors.Is(err, refused) {
				t.Error(err)
			}
		})
		if begun != 1 {
			t.Errorf("tried %d times", begun)
		}
		if got, err := m.recall(t.Context(), "key", func() (string, error) { return "found", nil }); got != "found" || err != nil {
			t.Error(got, err)
		}
	})
}

func TestOnesEndIsNotTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m memory[string]
		first, cancel := context.WithCancel(t.Context())
		go m.recall(first, "key", func() (string, error) { <-first.Done(); return "", first.Err() })
		synctest.Wait()
		go func() { time.Sleep(time.Second); cancel() }()
		got, err := m.recall(t.Context(), "key", func() (string, error) { return "found", nil })
		if got != "found" || err != nil {
			t.Error(got, err)
		}
	})
}
