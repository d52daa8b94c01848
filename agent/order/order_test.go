package order

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

var (
	challenge = &Challenge{Type: "DNS", Name: "_dnsauth.example.com", Value: "one"}
	record    = Record{Account: "main", Zone: "example.com", RR: "_dnsauth", Name: "_dnsauth.example.com", Value: "one"}
	withID    = func() *Record { r := record; r.RecordID = "17"; return &r }()
)

// story is what an order that goes well records, with the step that each fact
// leads to.
var story = []struct {
	fact Fact
	next Step
}{
	{Fact{Kind: Opened, Domains: []string{"example.com"}}, Allocate},
	{Fact{Kind: Claimed, Instance: "cas-1"}, Submit},
	{Fact{Kind: Submitting}, Submit},
	{Fact{Kind: Submitted}, Present},
	{Fact{Kind: Seen, Status: "checking"}, Present},
	{Fact{Kind: Challenged, Challenge: challenge}, Present},
	{Fact{Kind: Adding, Record: &record}, Present},
	{Fact{Kind: Added, Record: withID}, Propagate},
	{Fact{Kind: Waiting, Reason: "ns2"}, Propagate},
	{Fact{Kind: Visible}, Issue},
	{Fact{Kind: Seen, Status: StatusIssued}, Collect},
	{Fact{Kind: Collected, Version: "20261123-0123456789ab"}, CleanUp},
	{Fact{Kind: Removed, Record: withID}, CleanUp},
	{Fact{Kind: Ended, Outcome: Issued}, Done},
}

func at(i int) time.Time { return time.Date(2026, 11, 23, 12, 0, i, 0, time.UTC) }

// tell records the first n facts of the story.
func tell(t *testing.T, n int) *Order {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "www")
	var o *Order
	for i, chapter := range story[:n] {
		fact := chapter.fact
		fact.At = at(i)
		var err error
		if i == 0 {
			o, err = Open(dir, fact)
		} else {
			err = o.Record(fact)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return o
}

func reload(t *testing.T, o *Order) *Order {
	t.Helper()
	again, err := Load(filepath.Dir(o.path))
	if err != nil {
		t.Fatal(err)
	}
	return again
}

func TestEachFactLeadsToTheNextStepAlsoAfterARestart(t *testing.T) {
	for n := 1; n <= len(story); n++ {
		o := tell(t, n)
		if want := story[n-1].next; o.Step() != want || reload(t, o).Step() != want {
			t.Errorf("after %q: step %q, after a restart %q, want %q", story[n-1].fact.Kind, o.Step(), reload(t, o).Step(), want)
		}
	}
}

func TestAnOrderThatEndedIsOpenNoMore(t *testing.T) {
	o := tell(t, len(story))
	if err := o.Archive(); err != nil {
		t.Fatal(err)
	}
	if again := reload(t, o); again != nil {
		t.Errorf("still open: %+v", again)
	}
	if err := o.Archive(); err != nil {
		t.Errorf("a second time: %v", err)
	}
}

func TestTurnsOfAnOrder(t *testing.T) {
	second := &Challenge{Type: "DNS", Name: "_dnsauth.example.com", Value: "two"}
	for _, tt := range []struct {
		name  string
		after int // facts of the story
		facts []Fact
		step  Step
		owed  int
	}{
		{"a refused instance is given back", 3, []Fact{{Kind: Refused, Instance: "cas-1"}}, Allocate, 0},
		{"a submission that never arrived is sent again", 3, []Fact{{Kind: Unapplied}}, Submit, 0},
		{"a record whose add was not answered is owed", 7, nil, Present, 1},
		{"someone else's record is not owed", 6, []Fact{{Kind: Kept, Record: withID}}, Propagate, 0},
		{"a second challenge is published beside the first", 10, []Fact{{Kind: Challenged, Challenge: second}}, Present, 1},
		{"after check_fail the same instance is submitted again", 10, []Fact{{Kind: Seen, Status: StatusFailed}}, Submit, 1},
		{"a resubmission waits for a new challenge", 10, []Fact{{Kind: Seen, Status: StatusFailed}, {Kind: Submitting}, {Kind: Submitted}}, Present, 1},
		{"a failure does not change the step", 8, []Fact{{Kind: Failed, Error: "x"}}, Propagate, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := tell(t, tt.after)
			for i, fact := range tt.facts {
				fact.At = at(100 + i)
				if err := o.Record(fact); err != nil {
					t.Fatal(err)
				}
			}
			for _, o := range []*Order{o, reload(t, o)} {
				if o.Step() != tt.step || len(o.Owed()) != tt.owed {
					t.Errorf("step %q, %d owed", o.Step(), len(o.Owed()))
				}
			}
		})
	}
}

func TestFailuresCountUntilSomethingSucceeds(t *testing.T) {
	o := tell(t, 2)
	for i := range 2 {
		if err := o.Record(Fact{At: at(10 * (i + 1)), Kind: Failed, Error: "unreachable", Until: at(90)}); err != nil {
			t.Fatal(err)
		}
	}
	if o.FailuresSince(time.Time{}) != 2 || o.FailuresSince(at(15)) != 1 || o.Error == "" || o.Until.IsZero() {
		t.Errorf("%+v", o)
	}
	if err := o.Record(Fact{Kind: Submitted}); err != nil {
		t.Fatal(err)
	}
	if o.FailuresSince(time.Time{}) != 0 || o.Error != "" || !o.Until.IsZero() {
		t.Errorf("after success: %+v", o)
	}
}

// fault 55
func TestADamagedJournalStillIsAnOrder(t *testing.T) {
	o := tell(t, 1)
	if err := os.WriteFile(o.path, make([]byte, 100), 0o600); err != nil {
		t.Fatal(err)
	}
	if again := reload(t, o); again == nil || again.Damaged != 1 || again.Step() != Allocate {
		t.Errorf("%+v", again)
	}
}
