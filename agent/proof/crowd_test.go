package proof

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"dvagent/internal/aliyun"
)

// zoneRecords answers after a second as AliDNS does, and counts both ways to ask.
type zoneRecords struct {
	records []aliyun.Record
	err     error // of a list of many

	mu           sync.Mutex
	single, many int
}

func (z *zoneRecords) DescribeSubDomainRecords(_ context.Context, zone, name, _ string) (at []aliyun.Record, _ error) {
	time.Sleep(time.Second)
	z.mu.Lock()
	defer z.mu.Unlock()
	z.single++
	for _, r := range z.records {
		if r.RR+"."+zone == name {
			at = append(at, r)
		}
	}
	return at, nil
}

func (z *zoneRecords) DescribeDomainRecords(context.Context, string, string, string) ([]aliyun.Record, error) {
	time.Sleep(time.Second)
	z.mu.Lock()
	defer z.mu.Unlock()
	z.many++
	return z.records, z.err
}

func TestManyNamesOfAZoneAreListedTogether(t *testing.T) {
	stands := func(n int) (all []aliyun.Record) {
		for i := range n {
			all = append(all, aliyun.Record{RecordID: fmt.Sprint(i), Zone: "example.com", RR: fmt.Sprintf("_dnsauth.host%d", i), Value: fmt.Sprint(i)})
		}
		return all
	}
	for _, tt := range []struct {
		name         string
		label        string
		names        int
		stand        []aliyun.Record
		err          error
		single, many int
	}{
		{"two names, singly", "_dnsauth", 2, stands(2), nil, 2, 0},
		{"a hundred names, but for the first two", "_dnsauth", 100, stands(100), nil, 2, 1},
		{"where that is not allowed, each alone", "_dnsauth", 20, stands(20), errors.New("Forbidden.RAM"), 20, 1},
		{"names that begin with a host's label, each alone", "www", 20, nil, nil, 20, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			l, source := newListings(), &zoneRecords{records: tt.stand, err: tt.err}
			look := func(i int) {
				seen, err := l.read(t.Context(), spot{"main", "example.com", fmt.Sprintf("%s.host%d.example.com", tt.label, i)}, source)
				switch want := fmt.Sprint(i); {
				case err != nil:
					t.Error(tt.name, err)
				case i < len(tt.stand) && (len(seen.records) != 1 || seen.records[0].Value != want), i >= len(tt.stand) && len(seen.records) > 0:
					t.Errorf("%s: at host%d stand %+v", tt.name, i, seen.records)
				}
			}
			var looking sync.WaitGroup
			for i := range tt.names {
				looking.Go(func() { look(i) })
			}
			looking.Wait()
			if source.single != tt.single || source.many != tt.many {
				t.Errorf("%s: %d singly, %d together", tt.name, source.single, source.many)
			}
		})
	}
}

func TestAZoneIsListedAnewAfterAMomentWhereThatIsWorthItsPages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, source := newListings(), &zoneRecords{records: make([]aliyun.Record, 5*rowsOfPage)}
		look := func(names int) {
			var looking sync.WaitGroup
			for i := range names {
				looking.Go(func() {
					_, _ = l.read(t.Context(), spot{"main", "example.com", fmt.Sprintf("_dnsauth.host%d.example.com", i)}, source)
				})
			}
			looking.Wait()
		}
		look(3)
		time.Sleep(listingShared)
		look(10) // six pages are worth reading for more than twelve
		if source.single != 12 || source.many != 1 {
			t.Errorf("%d singly, %d together", source.single, source.many)
		}
		time.Sleep(listingShared)
		look(20)
		if source.single != 24 || source.many != 2 {
			t.Errorf("%d singly, %d together", source.single, source.many)
		}
	})
}
