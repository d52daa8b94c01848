package issue

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// sitDown has one after the other ask for a seat, and sit for a second each; it tells
// in which order they sat.
func sitDown(t *testing.T, s *Seats, again, fresh int) (order []string) {
	t.Helper()
	_, leave, _ := s.Take(t.Context(), "first", false) // so that all others line up
	var sitting sync.WaitGroup
	enter := func(name string, again bool) {
		sitting.Go(func() {
			_, leave, _ := s.Take(t.Context(), name, again)
			defer leave()
			order = append(order, name)
			time.Sleep(time.Second)
		})
		synctest.Wait()
	}
	for i := range fresh {
		enter(fmt.Sprint("fresh", i), false)
	}
	for i := range again {
		enter(fmt.Sprint("again", i), true)
	}
	leave()
	sitting.Wait()
	return order
}

// fault 153
func TestWhoComesAgainSitsDownBeforeAllThatAreFresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		order := sitDown(t, NewSeats(1), 3, 300)
		for i := range 3 { // a fresh one may be on its turn among them
			if at := slices.Index(order, fmt.Sprint("again", i)); at > i+1 {
				t.Errorf("number %d that came again sat down after %d others", i, at)
			}
		}
	})
}

func TestThoseThatComeAgainKeepNobodyFromBeginning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		order := sitDown(t, NewSeats(1), 80, 5)
		fresh := func(name string) bool { return strings.HasPrefix(name, "fresh") }
		for i := range 5 {
			if at := slices.Index(order, fmt.Sprint("fresh", i)); at >= (i+1)*(againInRow+1) {
				t.Errorf("number %d sat down after %d others", i, at)
			}
		}
		if slices.ContainsFunc(order[50:], fresh) {
			t.Error(order)
		}
	})
}

// fault 206
func TestWhoWaitsForTheNetworkLeavesTheSeatToAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewSeats(1)
		ctx, leave, _ := s.Take(t.Context(), "away", false)
		back := Away(ctx)
		begun := time.Now()
		_, leaveToo, ok := s.Take(t.Context(), "fresh", false)
		if waited := time.Since(begun); !ok || waited != awayAfter {
			t.Errorf("seated %t after %s", ok, waited)
		}
		back() // one too many
		leaveToo()
		third := make(chan struct{})
		go func() {
			_, leave, _ := s.Take(t.Context(), "third", true)
			close(third)
			leave()
		}()
		synctest.Wait()
		select {
		case <-third:
			t.Error("a second one sat down")
		default:
		}
		leave()
		<-third
	})
}

func TestWhoIsStoppedWaitsForNoSeat(t *testing.T) {
	s := NewSeats(1)
	_, leave, _ := s.Take(t.Context(), "first", false)
	defer leave()
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if _, leave, ok := s.Take(ctx, "second", false); !ok {
		t.Error("it was sent away")
	} else {
		leave()
	}
}
