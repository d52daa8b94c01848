package order

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

var (
	challenge = Challenge{Kind: TXT, Name: "_dnsauth.example.com", Value: "one"}
	record    = Record{Account: "main", Zone: "example.com", RR: "_dnsauth", Name: "_dnsauth.example.com", Value: "one"}
	withID    = func() Record { r := record; r.RecordID = "17"; return r }()
)

// chapter is what an order records at one time.
type chapter func(*Order) error

func challenged(challenges ...Challenge) chapter {
	return func(o *Order) error { return o.Challenged(challenges) }
}

func note(kind Kind, r Record) chapter { return func(o *Order) error { return o.Note(kind, r) } }

func see(status string) chapter { return func(o *Order) error { return o.See(status) } }

func submitted(o *Order) error { return o.Submitted("", "") }

func begun(o *Order) error { return o.BeginSubmission(nil) }

// story is what an order that goes well records after it was opened, with the
// step that each fact leads to.
var story = []struct {
	tell chapter
	next Step
}{
	{func(o *Order) error { return nil }, Allocate},
	{func(o *Order) error { return o.Claim(Claim{Instance: "cas-1", API: "later", Before: "7"}) }, Submit},
	{begun, Submit},
	{submitted, Present},
	{see("checking"), Present},
	{challenged(challenge), Present},
	{note(Adding, record), Present},
	{note(Added, withID), Propagate},
	{func(o *Order) error { return o.Wait("ns2") }, Propagate},
	{func(o *Order) error { return o.Visible(withID) }, Issue},
	{see(StatusIssued), Collect},
	{func(o *Order) error { return o.Collect("20261123-0123456789ab") }, CleanUp},
	{note(Removed, withID), CleanUp},
	{func(o *Order) error { return o.End(Issued, "") }, Done},
}

// tell records the first n facts of the story.
func tell(t *testing.T, n int) *Order {
	t.Helper()
	o, err := Open(filepath.Join(t.TempDir(), "www"), Application{Domains: []string{"example.com"}, Account: "main"})
	if err != nil {
		t.Fatal(err)
	}
	for _, chapter := range story[:n] {
		goOn(t, o, chapter.tell)
	}
	return o
}

func goOn(t *testing.T, o *Order, chapters ...chapter) {
	t.Helper()
	for _, tell := range chapters {
		if err := tell(o); err != nil {
			t.Fatal(err)
		}
	}
}

func reload(t *testing.T, o *Order) *Order {
	t.Helper()
	again, err := Load(o.dir)
	if err != nil {
		t.Fatal(err)
	}
	return again
}

func TestEachFactLeadsToTheNextStepAlsoAfterARestart(t *testing.T) {
	for n := 1; n <= len(story); n++ {
		o := tell(t, n)
		if want := story[n-1].next; o.Step() != want || reload(t, o).Step() != want {
			t.Errorf("after %d facts: step %q, after a restart %q, want %q", n, o.Step(), reload(t, o).Step(), want)
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
	second := Challenge{Kind: TXT, Name: "_dnsauth.example.com", Value: "two"}
	alias := Challenge{Kind: CNAME, Domain: "www.example.com", Name: "_x.www.example.com", Value: "ca.example.net"}
	aliased := Record{Account: "main", Kind: CNAME, Zone: "example.com", RR: "_x.www", Name: alias.Name, Value: alias.Value, RecordID: "18"}
	named := challenge
	named.Domain = "example.com"
	cname := withID
	cname.Kind = CNAME
	failed := see(StatusFailed)
	for _, tt := range []struct {
		name  string
		after int // facts of the story
		facts []chapter
		step  Step
		owed  int
	}{
		{"a refused instance is given back", 3, []chapter{func(o *Order) error { return o.Refuse("", "") }}, Allocate, 0},
		{"a submission that never arrived is sent again", 3, []chapter{(*Order).Unapplied}, Submit, 0},
		{"a record whose add was not answered is owed", 7, nil, Present, 1},
		{"someone else's record is not owed", 6, []chapter{note(Kept, withID)}, Propagate, 0},
		{"a second challenge is published beside the first", 10, []chapter{challenged(second)}, Present, 1},
		{"a second challenge does not undo that the first was seen", 10, []chapter{
			challenged(challenge, alias), note(Added, aliased),
			func(o *Order) error { return o.Visible(aliased) },
		}, Issue, 2},
		{"each of two challenges wants a record", 10, []chapter{challenged(challenge, alias)}, Present, 1},
		{"each of two records is to be seen", 10, []chapter{challenged(challenge, alias), note(Added, aliased)}, Propagate, 2},
		{"what was seen counts on when the challenge names its domain", 10, []chapter{challenged(named)}, Issue, 1},
		{"a challenge that comes back is looked for anew", 10, []chapter{challenged(second), challenged(challenge)}, Propagate, 1},
		{"a record of another kind proves nothing", 6, []chapter{note(Added, cname)}, Present, 1},
		{"after check_fail the same instance is submitted again", 10, []chapter{failed}, Submit, 1},
		{"a resubmission waits for a new challenge", 10, []chapter{failed, begun, submitted}, Present, 1},
		{"a resubmission with the old challenge looks for it anew", 10, []chapter{
			failed, begun, submitted, challenged(challenge),
		}, Propagate, 1},
		{"a failure does not change the step", 8, []chapter{func(o *Order) error { return o.Fail(Failure{Text: "x"}) }}, Propagate, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := tell(t, tt.after)
			goOn(t, o, tt.facts...)
			for _, o := range []*Order{o, reload(t, o)} {
				if o.Step() != tt.step || len(o.Owed()) != tt.owed {
					t.Errorf("step %q, %d owed", o.Step(), len(o.Owed()))
				}
			}
		})
	}
}

func TestWhatIsToldComesBackAfterARestart(t *testing.T) {
	o := tell(t, 2)
	goOn(t, o, func(o *Order) error { return o.Submitted("request", "order-7") })
	again := reload(t, o)
	if again.API != "later" || again.Before != "7" || again.ServerOrder != "order-7" || again.Instance != "cas-1" || !slices.Equal(again.Domains, []string{"example.com"}) {
		t.Errorf("%+v", again)
	}
	goOn(t, again, func(o *Order) error { return o.Refuse("NoQuota", "used up") })
	if again.RefusalCode != "NoQuota" || again.Instance != "" {
		t.Errorf("after a refusal: %+v", again)
	}
	open, last, err := History(o.dir)
	if refusal := open[len(open)-1]; err != nil || last != nil || refusal.Instance != "cas-1" || refusal.Error != "used up" {
		t.Errorf("%+v, %+v, %v", open, last, err)
	}
}

func TestFailuresCountUntilSomethingSucceeds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, start := tell(t, 2), time.Now()
		failure := Failure{Text: "unreachable", Hint: "wait", Cause: CauseNoInstance, Until: start.Add(time.Hour), Stopped: true, Transient: true}
		for range 2 {
			time.Sleep(10 * time.Second)
			goOn(t, o, func(o *Order) error { return o.Fail(failure) })
		}
		goOn(t, o, begun, (*Order).Unapplied, note(Adding, record), note(Removing, record), note(Removed, record)) // a try ends no failure, nor does what takes it back
		failure.At = start.Add(20 * time.Second)
		for _, o := range []*Order{o, reload(t, o)} {
			got := o.Failure
			same := got.At.Equal(failure.At) && got.Until.Equal(failure.Until)
			got.At, got.Until = failure.At, failure.Until
			if !same || got != failure || o.FailuresSince(time.Time{}) != 2 || o.FailuresSince(start.Add(15*time.Second)) != 1 {
				t.Errorf("%+v", o)
			}
		}
		waiting := reload(t, o)
		goOn(t, waiting, func(o *Order) error { return o.Wait("the account") })
		if waiting.FailuresSince(time.Time{}) != 0 || waiting.Failure != (Failure{}) {
			t.Errorf("when it waits: %+v", waiting)
		}
		goOn(t, o, submitted)
		if o.FailuresSince(time.Time{}) != 0 || o.Failure != (Failure{}) {
			t.Errorf("after success: %+v", o)
		}
	})
}

func TestAPackageThatStaysEmptyIsAskedMoreAndMoreSeldom(t *testing.T) {
	o := tell(t, 1)
	for n := 1; n <= 3; n++ {
		goOn(t, o, func(o *Order) error {
			return o.Claim(Claim{Instance: "package p www", Package: "p", API: "2020-04-07"})
		},
			begun, (*Order).Unapplied, func(o *Order) error { return o.Refuse("InsufficientQuota", "it is empty") },
			func(o *Order) error { return o.Fail(Failure{Text: "it is empty", Cause: CauseNoInstance}) })
		if known := reload(t, o).FailuresSince(time.Time{}); o.FailuresSince(time.Time{}) != n || known != n {
			t.Errorf("%d failures in a row, and %d after a restart; want %d", o.FailuresSince(time.Time{}), known, n)
		}
	}
	goOn(t, o, func(o *Order) error { return o.Claim(Claim{Instance: "cas-1"}) })
	if o.FailuresSince(time.Time{}) != 0 {
		t.Errorf("%d failures after an instance was claimed", o.FailuresSince(time.Time{}))
	}
}

// fault 55
func TestADamagedJournalStillIsAnOrder(t *testing.T) {
	o := tell(t, 1)
	if err := os.WriteFile(filepath.Join(o.dir, OpenFile), make([]byte, 100), 0o600); err != nil {
		t.Fatal(err)
	}
	again := reload(t, o)
	if again == nil || again.Damage().Lines != 1 || again.Step() != Allocate {
		t.Fatalf("%+v", again)
	}
	goOn(t, again, func(o *Order) error { return o.Reopen(Application{Domains: []string{"example.com"}}) })
	if again = reload(t, o); len(again.Domains) != 1 {
		t.Errorf("without its names: %+v", again)
	}
}
