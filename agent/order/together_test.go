package order

import (
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"dvagent/internal/journal"
)

// What many note while one writes is written by one append, and nobody who only looks
// waits for the disk.
func TestWhatManyOweAtOnceIsWrittenTogether(t *testing.T) {
	const many = 50
	path := filepath.Join(t.TempDir(), "records")
	l, err := LoadOwed(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Note(Adding, "first", Record{Name: "first"}); err != nil {
		t.Fatal(err)
	}
	l.writing.Lock() // somebody writes
	var noting sync.WaitGroup
	failed := make(chan error, many)
	for i := range many {
		noting.Go(func() {
			value := ""
			if i == 0 {
				value = strings.Repeat("x", 1<<20) // no line can be so long
			}
			if err := l.Note(Adding, fmt.Sprint("c", i), Record{Name: "c", Value: value}); err != nil {
				failed <- err
			}
		})
	}
	waiting := func() int {
		l.mu.Lock()
		defer l.mu.Unlock()
		return len(l.waiting)
	}
	for waiting() < many {
		runtime.Gosched()
	}
	if !l.Has("first", Record{Name: "first"}) || l.Has("c1", Record{Name: "c"}) {
		t.Error("what is not written counts already, or what is written does not")
	}
	l.writeAll()
	if waiting() != 0 || len(l.All()) != many {
		t.Errorf("%d wait yet, %d are owed", waiting(), len(l.All()))
	}
	l.writing.Unlock()
	noting.Wait()
	if err := <-failed; !errors.Is(err, journal.ErrTooLong) || len(failed) > 0 {
		t.Errorf("%v and %d more failed", err, len(failed))
	}
	if l.log.Lines() != many {
		t.Errorf("%d lines", l.log.Lines())
	}
	again, err := LoadOwed(path)
	if err != nil || len(again.All()) != many {
		t.Errorf("%d are read again: %v", len(again.All()), err)
	}
}

// Who only looks at the instances does not wait for who writes.
func TestWhoLooksAtTheInstancesWaitsForNoDisk(t *testing.T) {
	l, err := LoadInstances(filepath.Join(t.TempDir(), "instances"))
	if err != nil {
		t.Fatal(err)
	}
	if taken, err := l.Claim("main", "www", Claim{Instance: "i"}); !taken || err != nil {
		t.Fatal(taken, err)
	}
	l.writing.Lock() // else the test ends in a deadlock
	defer l.writing.Unlock()
	i := Instance{"main", "i"}
	if claim, _ := l.ClaimOf("main", "www"); l.Holder(i) != "www" || claim.Instance != "i" || l.NoteEnd(i, claim.Until) != nil {
		t.Errorf("%q has it, by %+v", l.Holder(i), claim)
	}
}
