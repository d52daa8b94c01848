package aliyun

import (
	"errors"
	"sync"
)

// A list ends long before these; a server that goes on is cut off.
const (
	maxPages = 1000
	maxRows  = 200_000
)

// pagesAhead are read beside the one that comes next.
const pagesAhead = 4

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
	reader := pageReader[T]{fetch: fetch, ahead: map[place]chan page[T]{}}
	defer reader.wait()
	for number := 1; number <= maxPages && len(all) <= maxRows && bytes <= mostOfList; number++ {
		got := reader.read(number, start)
		if got.err != nil {
			return nil, got.err
		}
		rows, total := got.rows, got.answer.number("TotalCount")
		start, bytes = start+len(rows), bytes+got.answer.size()
		before := len(all)
		for _, row := range rows {
			if id := identity(row); !seen[id] {
				seen[id] = true
				all = append(all, row)
			}
		}
		full := len(rows)%size == 0
		if len(all) == before || !full && int64(len(all)) == total {
			return all, nil
		}
		if full {
			reader.begin(number+1, start, len(rows), total)
		}
	}
	return nil, &Error{Operation: action, Kind: Malformed, Err: errEndless}
}

// page is what fetch answers, or panics with.
type page[T any] struct {
	answer   object
	rows     []T
	err      error
	panicked any
}

// place is where a page is asked for: its number, from 1, and the rows before it.
type place struct{ number, start int }

// pageReader reads pages, some of them before it is asked to.
type pageReader[T any] struct {
	fetch func(page, start int) (object, []T, error)
	ahead map[place]chan page[T] // each brings one page
	begun sync.WaitGroup
}

func (r *pageReader[T]) read(number, start int) (p page[T]) {
	if coming := r.ahead[place{number, start}]; coming != nil {
		if p = <-coming; p.panicked != nil {
			panic(p.panicked)
		}
		return p
	}
	p.answer, p.rows, p.err = r.fetch(number, start)
	return p
}

// begin reads ahead from a page on, if the total says that it is needed: each page is
// taken to have as many rows as the one before.
func (r *pageReader[T]) begin(number, start, rows int, total int64) {
	for i := range pagesAhead {
		at := place{number + i, start + i*rows}
		if int64(at.start) > total { // at the total, an empty page says that it is one
			return
		}
		if r.ahead[at] != nil {
			continue
		}
		coming := make(chan page[T], 1)
		r.ahead[at] = coming
		r.begun.Go(func() {
			var p page[T]
			defer func() {
				p.panicked = recover()
				coming <- p
			}()
			p.answer, p.rows, p.err = r.fetch(at.number, at.start)
		})
	}
}

func (r *pageReader[T]) wait() { r.begun.Wait() }
