package state

import (
	"errors"
	"testing"
	"time"
)

func TestTwoOutcomesOfACertificateAreOneWhicheverComesFirst(t *testing.T) {
	soon, late := time.Unix(1, 0), time.Unix(2, 0)
	for _, tt := range []struct {
		name      string
		one, two  Outcome
		want      Class
		retry     bool
		next      time.Time
		completed bool
	}{
		{"the worse class speaks", Outcome{}, Outcome{Class: Failure, Err: errors.New("x")}, Failure, false, time.Time{}, false},
		{"the sooner look counts", Outcome{Next: late}, Outcome{Next: soon}, Served, false, soon, false},
		{"no look is later than any", Outcome{Next: late}, Outcome{}, Served, false, late, false},
		{"a pending record is looked at again, whatever else is owed",
			Outcome{Class: Pending, Retry: true, Next: soon}, Outcome{Class: NotServed, Next: late}, NotServed, true, soon, false},
		{"what is served needs no other look", Outcome{Retry: true}, Outcome{Class: NotServed}, NotServed, false, time.Time{}, false},
		{"of two failures one that may pass is enough", Outcome{Class: Failure, Retry: true}, Outcome{Class: Failure}, Failure, true, time.Time{}, false},
		{"what was ordered stays so", Outcome{Ordered: true}, Outcome{Class: Pending}, Pending, false, time.Time{}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, got := range []Outcome{tt.one.And(tt.two), tt.two.And(tt.one)} {
				if got.Class != tt.want || got.Retry != tt.retry || !got.Next.Equal(tt.next) || got.Ordered != tt.completed {
					t.Errorf("got %+v", got)
				}
			}
		})
	}
}
