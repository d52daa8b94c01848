// Package untouched remembers what was made of files for as long as nobody touches
// them, which their stats tell. It is for regular files of directories where nobody else
// can put anything. All of it is a cache: it holds the lines of no secret, and what is
// not remembered is read again.
package untouched

import (
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"dvagent/internal/openat"
)

// most bounds how many files are remembered at a time.
const most = 256

// Files remembers a value for each of some files. The zero Files remembers none. It is
// safe for concurrent use; the values are shared, and nobody may change one.
type Files[V any] struct {
	mu    sync.Mutex
	known map[string]remembered[V] // by path
}

type remembered[V any] struct {
	stat  openat.Stat
	value V
}

// Of is what read makes of the file at path, or made of it the last time if nobody has
// touched the file since. An error is not remembered.
func (f *Files[V]) Of(path string, read func() (V, error)) (V, error) {
	stat, err := openat.StatAt(path)
	if err != nil {
		return read() // which tells what is wrong
	}
	if value, known := f.As(path, stat); known {
		return value, nil
	}
	value, err := read()
	if err == nil {
		f.Keep(path, stat, value)
	}
	return value, err
}

// Keep remembers what was read of the file at path after this stat, unless the file was
// changed right before: its stat may not tell of the next change. It says whether it did.
func (f *Files[V]) Keep(path string, stat openat.Stat, value V) bool {
	tells := settled(stat)
	if tells {
		f.Put(path, stat, value)
	}
	return tells
}

// As is what is remembered of the file at path as it is by this stat.
func (f *Files[V]) As(path string, stat openat.Stat) (value V, known bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	r, known := f.known[path]
	if !known || r.stat != stat {
		return value, false
	}
	return r.value, true
}

// Put remembers what the file at path holds as it is by this stat. It is for who changed
// it last, and while nobody else may.
func (f *Files[V]) Put(path string, stat openat.Stat, value V) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.known == nil {
		f.known = map[string]remembered[V]{}
	}
	if _, known := f.known[path]; !known && len(f.known) >= most {
		f.drop()
	}
	f.known[path] = remembered[V]{stat, value}
}

// drop forgets any one file: of more than are remembered, some are then found also where
// all of them are read in turn. The mutex must be held.
func (f *Files[V]) drop() {
	for path := range f.known {
		delete(f.known, path)
		return
	}
}

// Wrote is Put for who has just put a file of that content at path.
func (f *Files[V]) Wrote(path string, value V) {
	if stat, err := openat.StatAt(path); err == nil {
		f.Put(path, stat, value)
	}
}

// tick is more than a kernel lets pass between two times that it stamps files with.
const tick = 50 * time.Millisecond

// settled says that the next change of a file will show in its stat: the last one was not
// just now, by the clock that stamps files. A stamp of whole milliseconds may come from a
// file system that counts no less than seconds.
func settled(stat openat.Stat) bool {
	var now unix.Timespec
	if unix.ClockGettime(unix.CLOCK_REALTIME_COARSE, &now) != nil {
		return false
	}
	last, granularity := max(stat.Modified, stat.Changed), tick
	if time.Duration(last)%time.Millisecond == 0 {
		granularity = openat.Granularity
	}
	return last < now.Nano()-int64(granularity)
}
