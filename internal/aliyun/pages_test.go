package aliyun

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// certificatePages answers DescribeUserCertificateList from a number of rows.
type certificatePages struct {
	name        string
	rows, total int
	cap         int  // rows a page at most, whatever is asked; 0 for none
	all         bool // the page and its size are ignored
	first       bool // page one comes again and again
	calls       int  // that the client should need
}

func (p certificatePages) reply(_ int, r request) (int, string) {
	page, _ := strconv.Atoi(r.get("CurrentPage"))
	size, _ := strconv.Atoi(r.get("ShowSize"))
	if p.cap > 0 {
		size = min(size, p.cap)
	}
	if p.first {
		page = 1
	}
	from, to := min((page-1)*size, p.rows), min(page*size, p.rows)
	if p.all {
		from, to = 0, p.rows
	}
	var rows []string
	for id := from + 1; id <= to; id++ {
		rows = append(rows, fmt.Sprintf(`{"id":%d,"name":"n%d"}`, id, id))
	}
	return 200, fmt.Sprintf(`{"TotalCount":%d,"CertificateList":[%s]}`, p.total, strings.Join(rows, ","))
}

func TestPages(t *testing.T) { // fault 21
	for _, test := range []certificatePages{
		{name: "no row costs one call", rows: 0, total: 0, calls: 1},
		{name: "one short page costs one call", rows: 7, total: 7, calls: 1},
		{name: "a row on page two is found", rows: 51, total: 51, calls: 2},
		{name: "a full page is not believed to be the last", rows: 50, total: 50, calls: 2},
		{name: "a total that counts the page alone is not believed", rows: 51, total: 50, calls: 3},
		{name: "a total that is too low", rows: 60, total: 1, calls: 3},
		{name: "a total that is too high", rows: 60, total: 999, calls: 3 + pagesAhead - 1},
		{name: "no total", rows: 60, total: 0, calls: 3},
		{name: "the page size is ignored", rows: 120, total: 120, all: true, calls: 1},
		{name: "the page size is capped", rows: 45, total: 45, cap: 20, calls: 3},
		{name: "page one comes again", rows: 120, total: 120, first: true, calls: 3},
	} {
		t.Run(test.name, func(t *testing.T) {
			cloud := newCloud(t, test.reply)
			got, err := newTestClient(t, cloud.url).DescribeUserCertificateList(t.Context())
			want := test.rows
			if test.first {
				want = 50
			}
			if err != nil || len(got) != want || len(cloud.seen()) != test.calls {
				t.Errorf("%d rows in %d calls, %v; want %d in %d", len(got), len(cloud.seen()), err, want, test.calls)
			}
		})
	}
}

func TestInstancesArePagedByStartIndex(t *testing.T) { // fault 21
	for _, test := range []struct {
		name              string
		rows, size, total int
		fixed             bool // StartIndex is ignored
		want, calls       int
	}{
		{"five of five cost one call", 5, 20, 5, false, 5, 1},
		{"ten of ten might be a page", 10, 10, 10, false, 10, 2},
		{"the second page is found", 25, 20, 25, false, 25, 2},
		{"the second page is found though the total counts one page", 25, 20, 20, false, 25, 3},
		{"a page of two", 5, 2, 5, false, 5, 3},
		{"StartIndex is fixed", 25, 20, 25, true, 20, 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			cloud := newCloud(t, func(_ int, r request) (int, string) {
				start, _ := strconv.Atoi(r.get("StartIndex"))
				if test.fixed {
					start = 0
				}
				var rows []string
				for id := start + 1; id <= min(start+test.size, test.rows); id++ {
					rows = append(rows, fmt.Sprintf(`{"Id":%d,"InstanceId":"cas-%d"}`, id, id))
				}
				return 200, fmt.Sprintf(`{"TotalCount":%d,"OrderList":[%s]}`, test.total, strings.Join(rows, ","))
			})
			got, err := newTestClient(t, cloud.url).DescribeOrderInstanceList(t.Context())
			if err != nil || len(got) != test.want || len(cloud.seen()) != test.calls {
				t.Errorf("%d rows in %d calls, %v; want %d in %d", len(got), len(cloud.seen()), err, test.want, test.calls)
			}
		})
	}
}

func TestListWithoutEndIsCutOff(t *testing.T) { // fault 21
	fetches := 0
	_, err := pages("List", 10, func(i int) int { return i }, func(page, start int) (object, []int, error) {
		fetches++
		return object{"TotalCount": "1000000000"}, []int{page}, nil
	})
	if e := asOurs(t, err); e.Kind != Malformed || fetches != maxPages {
		t.Errorf("%v after %d fetches", e, fetches)
	}
}

func TestPagesAreReadSideBySide(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size, answers = 50, time.Second
		for _, test := range []struct {
			name  string
			rows  int
			total int
			want  time.Duration
		}{
			{"one page", 20, 20, answers},
			{"two pages that are full, and that it is the end", 100, 100, 2 * answers},
			{"a few pages", 230, 230, 2 * answers},
			{"many pages", 500, 500, 4 * answers},
			{"pages of which the total does not tell", 120, 50, 4 * answers},
		} {
			begun := time.Now()
			var reading, most atomic.Int64
			got, err := pages("List", size, func(i int) int { return i }, func(_, start int) (object, []int, error) {
				now := reading.Add(1)
				defer reading.Add(-1)
				if now > most.Load() {
					most.Store(now)
				}
				time.Sleep(answers)
				var rows []int
				for i := start; i < min(start+size, test.rows); i++ {
					rows = append(rows, i)
				}
				return object{"TotalCount": strconv.Itoa(test.total)}, rows, nil
			})
			if took := time.Since(begun); err != nil || len(got) != test.rows || !slices.IsSorted(got) || took != test.want || most.Load() > pagesAhead {
				t.Errorf("%s: %d rows after %s, %d at once, %v", test.name, len(got), took, most.Load(), err)
			}
		}
	})
}

func TestPagesOfDifferentLengthsLeaveOutNoRow(t *testing.T) {
	for _, lengths := range [][]int{{10, 20, 10, 10, 5}, {10, 10, 20, 10, 5}, {20, 10, 10, 5}, {10, 5, 10, 10, 3}} {
		var all []int
		starts := []int{0}
		for _, length := range lengths {
			starts = append(starts, starts[len(starts)-1]+length)
		}
		for i := range starts[len(lengths)] {
			all = append(all, i)
		}
		got, err := pages("List", 10, func(i int) int { return i }, func(page, _ int) (object, []int, error) {
			var rows []int
			if page <= len(lengths) {
				rows = all[starts[page-1]:starts[page]]
			}
			return object{"TotalCount": strconv.Itoa(len(all))}, rows, nil
		})
		if err != nil || !slices.Equal(got, all) {
			t.Errorf("pages of %v: %v, %v", lengths, got, err)
		}
	}
}

func TestOnePageThatFailsMakesTheListFail(t *testing.T) {
	for failing := 1; failing <= 6; failing++ {
		why := fmt.Errorf("page %d", failing)
		got, err := pages("List", 10, func(i int) int { return i }, func(page, start int) (object, []int, error) {
			if page >= failing {
				return nil, nil, fmt.Errorf("page %d", page)
			}
			var rows []int
			for i := start; i < start+10; i++ {
				rows = append(rows, i)
			}
			return object{"TotalCount": "60"}, rows, nil
		})
		if got != nil || err == nil || err.Error() != why.Error() {
			t.Errorf("%d rows, %v; want %v", len(got), err, why)
		}
	}
}

func TestAPageThatPanicsDoesSoWhereItIsWanted(t *testing.T) {
	defer func() {
		if got := recover(); got != "page two" {
			t.Errorf("got %v", got)
		}
	}()
	_, _ = pages("List", 1, func(i int) int { return i }, func(page, _ int) (object, []int, error) {
		if page == 2 {
			panic("page two")
		}
		return object{"TotalCount": "3"}, []int{page}, nil
	})
}
