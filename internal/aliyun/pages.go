package aliyun

import "errors"

// A list ends long before these; a server that goes on is cut off.
const (
	maxPages = 1000
	maxRows  = 200_000
)

var errEndless = errors.New("the list does not end")

// pages collects the rows of every page, each identity once. fetch gets the
// number of the page, from 1, and of the rows before it. TotalCount is not
// believed alone: the list is over when a page brings nothing new, or when the
// total was reached by a page that does not look full, its length being no
// multiple of size.
func pages[T any, K comparable](action string, size int, identity func(T) K, fetch func(page, start int) (object, []T, error)) ([]T, error) {
	var all []T
	seen := map[K]bool{}
	start, bytes := 0, 0
	for page := 1; page <= maxPages && len(all) <= maxRows && bytes <= mostOfList; page++ {
		answer, rows, err := fetch(page, start)
		if err != nil {
			return nil, err
		}
		start, bytes = start+len(rows), bytes+answer.size()
		before := len(all)
		for _, row := range rows {
			if id := identity(row); !seen[id] {
				seen[id] = true
				all = append(all, row)
			}
		}
		full := len(rows)%size == 0
		if len(all) == before || !full && int64(len(all)) == answer.number("TotalCount") {
			return all, nil
		}
	}
	return nil, &Error{Operation: action, Kind: Malformed, Err: errEndless}
}
