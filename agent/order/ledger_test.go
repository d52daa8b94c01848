package order

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"dvagent/internal/journal"
)

func at(i int) time.Time { return time.Date(2026, 11, 23, 12, 0, i, 0, time.UTC) }

func entry(kind InstanceUse, instance, certificate string) instanceEntry {
	return instanceEntry{At: at(0), Kind: kind, Account: "main", Instance: instance, Certificate: certificate}
}

// ledger writes entries, each with the time that it has, and reads them.
func ledger(t *testing.T, entries ...instanceEntry) *Instances {
	t.Helper()
	path := filepath.Join(t.TempDir(), "instances.journal")
	log, _, err := journal.Open[instanceEntry](path)
	if err != nil {
		t.Fatal(err)
	}
	if err := log.Rewrite(entries); err != nil {
		t.Fatal(err)
	}
	return reread(t, path)
}

func reread(t *testing.T, path string) *Instances {
	t.Helper()
	l, err := LoadInstances(path)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func until(e instanceEntry, end time.Time) instanceEntry {
	e.Until = end
	return e
}

// endOf is when the subscription ends that www has claimed.
func endOf(l *Instances) time.Time {
	claim, _ := l.ClaimOf("main", "www")
	return claim.Until
}

func TestTheLedgerOfInstances(t *testing.T) {
	claimed := entry(InstanceClaimed, "cas-1", "www")
	one, two := Instance{"main", "cas-1"}, Instance{"main", "cas-2"}
	for _, tt := range []struct {
		name    string
		entries []instanceEntry
		holds   func(*Instances) bool
	}{
		{"a claim excludes other certificates", []instanceEntry{claimed}, func(l *Instances) bool {
			taken, err := l.Claim("main", "shop", Claim{Instance: "cas-1"})
			return !taken && err == nil && l.Holder(one) == "www"
		}},
		{"a claim may be repeated by its holder", []instanceEntry{claimed}, func(l *Instances) bool {
			taken, err := l.Claim("main", "www", Claim{Instance: "cas-1", Adopted: true})
			claim, submitted := reread(t, l.Damage().File).ClaimOf("main", "www")
			return taken && err == nil && claim == Claim{Instance: "cas-1", Adopted: true} && !submitted
		}},
		{"another account's instance of the same name is another one", []instanceEntry{claimed}, func(l *Instances) bool {
			return l.Holder(Instance{"second", "cas-1"}) == ""
		}},
		{"a release frees the instance", []instanceEntry{claimed}, func(l *Instances) bool {
			return l.Note(InstanceReleased, one, "www") == nil && reread(t, l.Damage().File).Holder(one) == ""
		}},
		{"a refusal frees it for others alone", []instanceEntry{claimed, entry(InstanceRefused, "cas-1", "www")}, func(l *Instances) bool {
			return l.Holder(one) == "" && l.RefusedTo(one, "www") && !l.RefusedTo(one, "shop")
		}},
		{"an abandoned one is nobody's", []instanceEntry{claimed, entry(InstanceAbandoned, "cas-1", "www")}, func(l *Instances) bool {
			return l.Abandoned(one) && l.Holder(one) == ""
		}},
		{"an abandoned one that the server calls free is anybody's", []instanceEntry{
			claimed, entry(InstanceAbandoned, "cas-1", "www"), entry(InstanceFree, "cas-1", ""),
		}, func(l *Instances) bool { return !l.Abandoned(one) }},
		{"a foreign one is remembered", []instanceEntry{entry(InstanceForeign, "cas-2", "")}, func(l *Instances) bool {
			return l.Foreign(two) && !l.Foreign(one)
		}},
		{"a submission counts from when it is begun", nil, func(l *Instances) bool {
			began := time.Now()
			err := l.Note(InstanceSubmitted, one, "www")
			n, oldest := l.Submissions("www", began)
			return err == nil && n == 1 && !oldest.Before(began.Round(0)) && !oldest.After(time.Now())
		}},
		{"submissions are counted for a certificate and a day", []instanceEntry{
			entry(InstanceSubmitted, "cas-1", "www"), entry(InstanceSubmitted, "cas-2", "shop"),
		}, func(l *Instances) bool {
			n, oldest := l.Submissions("www", at(1))
			later, _ := l.Submissions("www", at(1).AddDate(0, 0, 1))
			earlier, _ := l.Submissions("www", at(0).AddDate(-10, 0, 0))
			return n == 1 && oldest.Equal(at(0)) && later == 0 && earlier == 0
		}},
		{"a submission that never arrived does not count", []instanceEntry{
			claimed, entry(InstanceSubmitted, "cas-1", "www"), entry(InstanceUnapplied, "cas-1", "www"),
		}, func(l *Instances) bool {
			n, _ := l.Submissions("www", at(1))
			claim, submitted := l.ClaimOf("main", "www")
			return n == 0 && claim.Instance == "cas-1" && !claim.Kept && !submitted
		}},
		{"a claim that is kept excludes others, and has nothing submitted", []instanceEntry{
			claimed, entry(InstanceSubmitted, "cas-1", "www"), entry(InstanceKept, "cas-1", "www"),
		}, func(l *Instances) bool {
			claim, submitted := l.ClaimOf("main", "www")
			return claim.Instance == "cas-1" && claim.Kept && !submitted && l.Holder(Instance{"main", "cas-1"}) == "www"
		}},
		{"a claim that is kept is claimed again for the next order", []instanceEntry{
			claimed, entry(InstanceSubmitted, "cas-1", "www"), entry(InstanceKept, "cas-1", "www"), claimed,
		}, func(l *Instances) bool {
			claim, submitted := l.ClaimOf("main", "www")
			return claim.Instance == "cas-1" && !claim.Kept && !submitted
		}},
		{"a claim knows when its subscription ends", nil, func(l *Instances) bool {
			taken, err := l.Claim("main", "www", Claim{Instance: "cas-1", Until: at(7)})
			return taken && err == nil && endOf(reread(t, l.Damage().File)).Equal(at(7))
		}},
		{"an older ledger does not know it", []instanceEntry{claimed}, func(l *Instances) bool { return endOf(l).IsZero() }},
		{"a list tells a claim that is kept", []instanceEntry{claimed, entry(InstanceKept, "cas-1", "www")}, func(l *Instances) bool {
			err := l.NoteEnd(one, at(8))
			claim, _ := reread(t, l.Damage().File).ClaimOf("main", "www")
			return err == nil && claim == Claim{Instance: "cas-1", Until: at(8), Kept: true}
		}},
		{"a subscription that was extended ends later", []instanceEntry{until(claimed, at(7))}, func(l *Instances) bool {
			return l.NoteEnd(one, at(8)) == nil && endOf(l).Equal(at(8))
		}},
		{"an end that is known is not written again", []instanceEntry{until(claimed, at(7))}, func(l *Instances) bool {
			return l.NoteEnd(one, at(7)) == nil && l.NoteEnd(one, time.Time{}) == nil && l.log.Lines() == 1 && endOf(l).Equal(at(7))
		}},
		{"the end of what nobody has claimed is not written", []instanceEntry{claimed}, func(l *Instances) bool {
			return l.NoteEnd(two, at(7)) == nil && l.NoteEnd(Instance{"second", "cas-1"}, at(7)) == nil && l.log.Lines() == 1
		}},
		{"an end is over with its claim", []instanceEntry{until(claimed, at(7)), entry(InstanceReleased, "cas-1", "www")}, func(l *Instances) bool {
			return endOf(l).IsZero()
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if !tt.holds(ledger(t, tt.entries...)) {
				t.Error("it does not hold")
			}
		})
	}
}

func TestALongLedgerKeepsWhatStillSaysSomething(t *testing.T) {
	entries := []instanceEntry{entry(InstanceAbandoned, "cas-given-up", "shop"), until(entry(InstanceClaimed, "cas-open", "www"), at(7)),
		entry(InstanceKept, "cas-open", "www"), until(entry(InstanceEnds, "cas-open", "www"), at(8))}
	for range 30 {
		entries = append(entries, entry(InstanceClaimed, "cas-1", "shop"), entry(InstanceReleased, "cas-1", "shop"))
	}
	l := ledger(t, entries...)
	if err := l.Compact(at(0)); err != nil {
		t.Fatal(err)
	}
	l = reread(t, l.Damage().File)
	if len(l.entries) != 4 || l.Holder(Instance{"main", "cas-open"}) != "www" || !endOf(l).Equal(at(8)) || !l.Abandoned(Instance{"main", "cas-given-up"}) {
		t.Errorf("%d entries", len(l.entries))
	}
}

func TestARecordIsOwedFromBeforeTheAddToAfterTheRemoval(t *testing.T) {
	path := filepath.Join(t.TempDir(), "records.journal")
	for _, tt := range []struct {
		kind   Kind
		record Record
		owed   string // the RecordId, "none" when nothing is owed
	}{
		{Adding, record, ""}, {Added, withID, "17"}, {Removing, withID, "17"}, {Removed, withID, "none"},
		{Adding, record, ""}, {Kept, withID, "none"},
	} {
		l := owed(t, path)
		if err := l.Note(tt.kind, "www", tt.record); err != nil {
			t.Fatal(err)
		}
		l = owed(t, path)
		got := "none"
		if all := l.All(); len(all) == 1 {
			got = all[0].Record.RecordID
		}
		has := l.Has("www", record)
		if got != tt.owed || has != (got != "none") || l.Has("shop", record) || l.Holds("shop", record) != has || l.Holds("www", record) {
			t.Errorf("after %s: owed %q, want %q", tt.kind, got, tt.owed)
		}
	}
}

func owed(t *testing.T, path string) *Owed {
	t.Helper()
	l, err := LoadOwed(path)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestALongLedgerOfRecordsKeepsWhatIsOwed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "records.journal")
	l := owed(t, path)
	for i := range 61 {
		r := record
		r.Value = fmt.Sprint(i / 2)
		if err := l.Note([]Kind{Added, Removed}[i%2], "www", r); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Compact(); err != nil {
		t.Fatal(err)
	}
	l = owed(t, path)
	if all := l.All(); l.log.Lines() != 1 || len(all) != 1 || all[0].Record.Value != "30" || all[0].Certificate != "www" {
		t.Errorf("%d lines, %+v", l.log.Lines(), all)
	}
}
