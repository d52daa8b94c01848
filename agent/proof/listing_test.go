package proof

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"dvagent/internal/aliyun"
)

// lister lists one record after a second, and counts how often.
type lister struct {
	calls  int
	err    error
	broken bool
}

func (l *lister) DescribeSubDomainRecords(ctx context.Context, _, _, _ string) ([]aliyun.Record, error) {
	if l.broken {
		panic("broken")
	}
	l.calls++
	select {
	case <-time.After(time.Second):
		return []aliyun.Record{{Value: "theirs"}}, l.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (l *lister) DescribeDomainRecords(context.Context, string, string, string) ([]aliyun.Record, error) {
	panic("nobody looks at many names")
}

var here = spot{"main", "example.com", "_dnsauth.example.com"}

func TestASpotIsListedOnceForAllThatLookAtItNow(t *testing.T) {
	for _, fails := range []error{nil, errors.New("forbidden")} {
		synctest.Test(t, func(t *testing.T) {
			l, source := newListings(), &lister{err: fails}
			var looking sync.WaitGroup
			for range 50 {
				looking.Go(func() {
					if got, err := l.read(t.Context(), here, source); !errors.Is(err, fails) || fails == nil && len(got.records) != 1 {
						t.Errorf("%+v, %v", got, err)
					}
				})
			}
			looking.Wait()
			if source.calls != 1 {
				t.Errorf("where it is answered with %v: %d calls", fails, source.calls)
			}
		})
	}
}

func TestAListingThatWasGivenUpIsReadByAnotherWhoWantsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, source := newListings(), &lister{}
		ctx, giveUp := context.WithCancel(t.Context())
		var looking sync.WaitGroup
		looking.Go(func() {
			if _, err := l.read(ctx, here, source); !errors.Is(err, context.Canceled) {
				t.Errorf("who has given up: %v", err)
			}
		})
		synctest.Wait()
		looking.Go(func() {
			if got, err := l.read(t.Context(), here, source); err != nil || len(got.records) != 1 {
				t.Errorf("who has not: %+v, %v", got, err)
			}
		})
		synctest.Wait()
		giveUp()
		looking.Wait()
		if source.calls != 2 {
			t.Errorf("%d calls", source.calls)
		}
	})
}

func TestAListingIsBelievedForAMomentByAllAndForAWhileByWhomItWasMadeFor(t *testing.T) {
	elsewhere := spot{"other", here.zone, here.name}
	for _, tt := range []struct {
		name     string
		who      listingKey
		after    time.Duration
		believed bool
	}{
		{"its own, after half a minute", listingKey{"www", here}, 30 * time.Second, true},
		{"its own, after a minute", listingKey{"www", here}, time.Minute, false},
		{"another one's, at once", listingKey{"shop", here}, 0, true},
		{"another one's, after ten seconds", listingKey{"shop", here}, listingShared, false},
		{"of another account", listingKey{"www", elsewhere}, 0, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			l := newListings()
			l.note(listingKey{"www", here}, listing{at: time.Now()})
			time.Sleep(tt.after)
			if _, known := l.take(tt.who); known != tt.believed {
				t.Errorf("%s: believed is %t", tt.name, known)
			}
		})
	}
}

// Who believes the listing of another one does not make it younger.
func TestAListingThatIsPassedOnStaysAsOldAsItIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, source := newListings(), &lister{}
		for i := range 4 {
			seen, err := l.read(t.Context(), here, source)
			if err != nil {
				t.Fatal(err)
			}
			l.note(listingKey{string(rune('a' + i)), here}, seen)
			time.Sleep(listingShared / 3)
		}
		if source.calls != 2 {
			t.Errorf("%d calls", source.calls)
		}
	})
}

func TestAPanicWhileListingIsThatOfWhoAsked(t *testing.T) {
	defer func() {
		if came := recover(); came != "broken" {
			t.Errorf("it ended with %v", came)
		}
	}()
	_, _ = newListings().read(t.Context(), here, &lister{broken: true})
}
