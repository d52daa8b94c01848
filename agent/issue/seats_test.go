package issue

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"dvagent/agent/order"
)

// take takes a seat and gives it back once told to.
func take(ctx context.Context, s *Seats, name string, submitted bool) (seated <-chan struct{}, leave func()) {
	sits, over := make(chan struct{}), make(chan struct{})
	go func() {
		_, leave, _ := s.Take(ctx, name, submitted)
		close(sits)
		<-over
		leave()
	}()
	synctest.Wait()
	return sits, sync.OnceFunc(func() { close(over); synctest.Wait() })
}

func sits(seated <-chan struct{}) bool {
	select {
	case <-seated:
		return true
	default:
		return false
	}
}

// fault 153
func TestSubmittedOrdersAndThoseThatBeginDoNotWaitForEachOther(t *testing.T) {
	for _, submitted := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			s := NewSeats(2)
			for i := range 300 {
				_, leave := take(t.Context(), s, fmt.Sprint("one of many ", i), submitted)
				defer leave()
			}
			for i, want := range []bool{true, true, false} {
				one, leave := take(t.Context(), s, fmt.Sprint("another ", i), !submitted)
				defer leave()
				if sits(one) != want {
					t.Errorf("beside many of which submitted is %t, number %d of the others sits: %t", submitted, i, !want)
				}
			}
		})
	}
}

// fault 153: who comes back is one too many, of his own kind alone.
func TestWhoComesBackFromTheNetworkKeepsNoSubmittedOrderFromItsSeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewSeats(1)
		var backs []func()
		for i := range 10 { // each begins while those before are away
			ctx, leave, _ := s.Take(t.Context(), fmt.Sprint("fresh", i), false)
			defer leave()
			backs = append(backs, Away(ctx))
			time.Sleep(2 * awayAfter)
		}
		for _, back := range backs {
			back()
		}
		one, leave := take(t.Context(), s, "submitted", true)
		defer leave()
		if !sits(one) {
			t.Error("it waits until those that begin have left")
		}
	})
}

func TestAnOrderIsPlacedOnceItMayHaveBeenSubmitted(t *testing.T) {
	submitted := time.Now()
	for _, tt := range []struct {
		name string
		o    *order.Order
		want bool
	}{
		{"there is none", nil, false},
		{"it has no instance yet", &order.Order{}, false},
		{"it has claimed one", &order.Order{Instance: "cas-1"}, false},
		{"its submission was not answered", &order.Order{Instance: "cas-1", Submitting: true}, true},
		{"it was submitted", &order.Order{Instance: "cas-1", SubmittedAt: submitted}, true},
		{"the CA refused it", &order.Order{Instance: "cas-1", SubmittedAt: submitted, Status: order.StatusFailed}, true},
		{"its instance was given back", &order.Order{SubmittedAt: submitted}, false},
	} {
		if Placed(tt.o) != tt.want {
			t.Error(tt.name)
		}
	}
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
			_, leave, _ := s.Take(t.Context(), "third", false)
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
