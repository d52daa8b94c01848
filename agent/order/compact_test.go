package order

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// failing has an order fail n times, each five minutes, and do something else in between.
func failing(t *testing.T, o *Order, n int, between chapter) {
	t.Helper()
	for i := range n {
		time.Sleep(5 * time.Minute)
		if between != nil {
			if err := between(o); err != nil {
				t.Fatal(err)
			}
		}
		if err := o.Fail(Failure{Text: "no answer", Cause: fmt.Sprint(i), Until: time.Now().Add(5 * time.Minute), Transient: true}); err != nil {
			t.Fatal(err)
		}
	}
}

// unapplied is a submission that never arrives.
func unapplied(o *Order) error {
	if err := o.BeginSubmission(nil); err != nil {
		return err
	}
	return o.Unapplied()
}

// An outage of a day and a half is 400 failures.
func TestTheJournalOfALongOutageHasABound(t *testing.T) {
	for _, tt := range []struct {
		name    string
		begun   int // facts of the story
		amid    chapter
		between chapter
	}{
		{"nothing could be claimed", 1, nil, nil},
		{"the order runs", 6, nil, nil},
		{"a record is asked for each time", 7, nil, note(Removing, withID)},
		{"a record is refused each time", 6, note(Adding, record), note(Adding, record)},
		{"a submission never arrives", 2, unapplied, unapplied},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := tell(t, tt.begun)
				before := *o
				began := time.Now()
				failing(t, o, 30, nil)
				failing(t, o, 400, tt.amid)
				failing(t, o, 3, tt.between)
				path := filepath.Join(o.dir, OpenFile)
				if info, err := os.Stat(path); err != nil || info.Size() > 48<<10 {
					t.Errorf("the journal has %d bytes, %v", info.Size(), err)
				}
				read, err := Load(o.dir)
				if err != nil {
					t.Fatal(err)
				}
				if read.FailuresSince(time.Time{}) < cyclesKept || read.FailuresSince(time.Now().Add(-11*time.Minute)) != 3 || !read.failures[0].Equal(began.Add(5*time.Minute)) {
					t.Errorf("%d failures in a row, since %s", read.FailuresSince(time.Time{}), read.failures[0])
				}
				if !reflect.DeepEqual(amounts(o), amounts(read)) || read.Step() != before.Step() {
					t.Errorf("the order was\n%+v\nand is\n%+v", amounts(o), amounts(read))
				}
			})
		})
	}
}

// amounts is an order by what it decides by, but for its failures.
func amounts(o *Order) Order {
	plain := *o
	plain.log, plain.looked, plain.failures, plain.Failure.At, plain.Failure.Until = nil, 0, nil, time.Time{}, time.Time{}
	plain.OpenedAt, plain.ClaimedAt, plain.SubmittingAt, plain.SubmittedAt, plain.ProvedAt = time.Time{}, time.Time{}, time.Time{}, time.Time{}, time.Time{}
	return plain
}

func TestFailuresOfEachRowKeepTheFirstAndTheLast(t *testing.T) {
	row := func(n int) []Fact { return slices.Repeat([]Fact{{Kind: Failed}}, n) }
	for _, tt := range []struct {
		name  string
		facts []Fact
		want  int
	}{
		{"few", row(cyclesKept + 1), cyclesKept + 1},
		{"many", row(500), cyclesKept + 1},
		{"two rows", slices.Concat(row(100), []Fact{{Kind: Waiting}}, row(100)), 2*(cyclesKept+1) + 1},
		{"tries in between", slices.Concat(row(50), []Fact{{Kind: Submitting}, {Kind: Unapplied}}, row(50)), 2*(cyclesKept+1) + 2},
		{"a try before each", slices.Repeat([]Fact{{Kind: Submitting}, {Kind: Unapplied}, {Kind: Failed}}, 100), 3 * (cyclesKept + 1)},
		{"a package that has nothing left", slices.Repeat([]Fact{{Kind: Claimed, Package: "p", Instance: "www"}, {Kind: Refused, Instance: "www"}, {Kind: Failed}}, 100), 3 * (cyclesKept + 1)},
		{"the same, as other hosts know it", slices.Repeat([]Fact{{Kind: Claimed, Package: "p", Instance: "www"}, {Kind: Refused, Instance: "www"}}, 100), 2 * (cyclesKept + 1)},
		{"waiting and failing in turn", slices.Repeat([]Fact{{Kind: Waiting, Reason: "issuance"}, {Kind: Failed}}, 100), 2 * (cyclesKept + 1)},
		{"waiting for one thing and another", slices.Repeat([]Fact{{Kind: Waiting, Reason: "a"}, {Kind: Waiting, Reason: "b"}}, 100), cyclesKept + 1},
		{"records that differ", records(100), 100},
		{"none", []Fact{{Kind: Opened}, {Kind: Claimed}}, 2},
	} {
		for i := range tt.facts {
			tt.facts[i].At = time.Unix(int64(i), 0)
		}
		kept := WithoutRepetition(tt.facts)
		ends := len(kept) > 0 && kept[0].same(tt.facts[0]) && kept[len(kept)-1].same(tt.facts[len(tt.facts)-1])
		if len(kept) != tt.want || !ends || !slices.IsSortedFunc(kept, func(a, b Fact) int { return a.At.Compare(b.At) }) {
			t.Errorf("%s: %d of %d are kept, want %d", tt.name, len(kept), len(tt.facts), tt.want)
		}
		if o, whole := Replay("www", kept), Replay("www", tt.facts); !reflect.DeepEqual(amounts(o), amounts(whole)) || !o.Failure.At.Equal(whole.Failure.At) {
			t.Errorf("%s: %+v, and before %+v", tt.name, o, whole)
		}
	}
}

// records are of n names.
func records(n int) (facts []Fact) {
	for i := range n {
		facts = append(facts, Fact{Kind: Adding, Record: &Record{RR: fmt.Sprint(i)}})
	}
	return facts
}

// A journal that has damaged lines has to tell of them.
func TestAJournalWithDamagedLinesIsNotMadeShorter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := tell(t, 6)
		path := filepath.Join(o.dir, OpenFile)
		file, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := file.WriteString("damaged\n"); err != nil {
			t.Fatal(err)
		}
		file.Close()
		if o, err = Load(o.dir); err != nil {
			t.Fatal(err)
		}
		failing(t, o, 300, nil)
		read, err := Load(o.dir)
		if err != nil || read.Damage().Lines != 1 || read.FailuresSince(time.Time{}) != 300 {
			t.Errorf("%v, %v", read.Damage(), err)
		}
	})
}
