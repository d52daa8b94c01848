package order

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func entry(kind InstanceUse, instance, certificate string) InstanceEntry {
	return InstanceEntry{At: at(0), Kind: kind, Account: "main", Instance: instance, Certificate: certificate}
}

// ledger writes entries and reads them back.
func ledger(t *testing.T, entries ...InstanceEntry) *Instances {
	t.Helper()
	dir := t.TempDir()
	l, err := LoadInstances(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if err := l.Record(e); err != nil {
			t.Fatal(err)
		}
	}
	if l, err = LoadInstances(dir); err != nil {
		t.Fatal(err)
	}
	return l
}

func TestTheLedgerOfInstances(t *testing.T) {
	claimed := entry(InstanceClaimed, "cas-1", "www")
	for _, tt := range []struct {
		name    string
		entries []InstanceEntry
		holds   func(*Instances) bool
	}{
		{"a claim excludes other certificates", []InstanceEntry{claimed}, func(l *Instances) bool {
			taken, err := l.Claim(entry("", "cas-1", "shop"))
			return !taken && err == nil && l.Holder("main", "cas-1") == "www"
		}},
		{"a claim may be repeated by its holder", []InstanceEntry{claimed}, func(l *Instances) bool {
			taken, err := l.Claim(entry("", "cas-1", "www"))
			return taken && err == nil
		}},
		{"another account's instance of the same name is another one", []InstanceEntry{claimed}, func(l *Instances) bool {
			return l.Holder("second", "cas-1") == ""
		}},
		{"a release frees the instance", []InstanceEntry{claimed, entry(InstanceReleased, "cas-1", "www")}, func(l *Instances) bool {
			return l.Holder("main", "cas-1") == ""
		}},
		{"a refusal frees it for others alone", []InstanceEntry{claimed, entry(InstanceRefused, "cas-1", "www")}, func(l *Instances) bool {
			return l.Holder("main", "cas-1") == "" && l.RefusedTo("main", "cas-1", "www") && !l.RefusedTo("main", "cas-1", "shop")
		}},
		{"an abandoned one is nobody's", []InstanceEntry{claimed, entry(InstanceAbandoned, "cas-1", "www")}, func(l *Instances) bool {
			return l.Abandoned("main", "cas-1") && l.Holder("main", "cas-1") == ""
		}},
		{"an abandoned one that the server calls free is anybody's", []InstanceEntry{
			claimed, entry(InstanceAbandoned, "cas-1", "www"), entry(InstanceFree, "cas-1", ""),
		}, func(l *Instances) bool { return !l.Abandoned("main", "cas-1") }},
		{"a foreign one is remembered", []InstanceEntry{entry(InstanceForeign, "cas-2", "")}, func(l *Instances) bool {
			return l.Foreign("main", "cas-2") && !l.Foreign("main", "cas-1")
		}},
		{"submissions are counted for a certificate and a day", []InstanceEntry{
			entry(InstanceSubmitted, "cas-1", "www"), entry(InstanceSubmitted, "cas-2", "shop"),
		}, func(l *Instances) bool {
			n, oldest := l.Submissions("www", at(1))
			later, _ := l.Submissions("www", at(1).AddDate(0, 0, 1))
			earlier, _ := l.Submissions("www", at(0).AddDate(-10, 0, 0))
			return n == 1 && oldest.Equal(at(0)) && later == 0 && earlier == 0
		}},
		{"a submission that never arrived does not count", []InstanceEntry{
			claimed, entry(InstanceSubmitted, "cas-1", "www"), entry(InstanceUnapplied, "cas-1", "www"),
		}, func(l *Instances) bool {
			n, _ := l.Submissions("www", at(1))
			claim, submitted := l.ClaimOf("main", "www")
			return n == 0 && claim.Instance == "cas-1" && !submitted
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
	entries := []InstanceEntry{entry(InstanceClaimed, "cas-open", "www"), entry(InstanceAbandoned, "cas-given-up", "www")}
	for range compactAt {
		entries = append(entries, entry(InstanceClaimed, "cas-1", "shop"), entry(InstanceReleased, "cas-1", "shop"))
	}
	l := ledger(t, entries...)
	if err := l.Compact(at(0)); err != nil {
		t.Fatal(err)
	}
	l, err := LoadInstances(filepath.Dir(l.path))
	if err != nil || len(l.entries) != 2 || l.Holder("main", "cas-open") != "www" || !l.Abandoned("main", "cas-given-up") {
		t.Errorf("%d entries, %v", len(l.entries), err)
	}
}

func TestARecordIsOwedFromBeforeTheAddToAfterTheRemoval(t *testing.T) {
	dir := t.TempDir()
	for i, tt := range []struct {
		kind   Kind
		record Record
		owed   string // the RecordId, "none" when nothing is owed
	}{
		{Adding, record, ""}, {Added, *withID, "17"}, {Removed, *withID, "none"},
	} {
		l, err := LoadOwed(dir)
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Record(OwedRecord{At: at(i), Kind: tt.kind, Certificate: "www", Record: tt.record}); err != nil {
			t.Fatal(err)
		}
		if l, err = LoadOwed(dir); err != nil {
			t.Fatal(err)
		}
		got := "none"
		if all := l.All(); len(all) == 1 {
			got = all[0].Record.RecordID
		}
		if got != tt.owed {
			t.Errorf("after %s: owed %q, want %q", tt.kind, got, tt.owed)
		}
	}
}

// fault 62
func TestASecondAgentIsToldWhoHoldsTheLock(t *testing.T) {
	dir := t.TempDir()
	lock, err := TryLock(dir, "dvagent run")
	if err != nil {
		t.Fatal(err)
	}
	_, err = TryLock(dir, "dvagent renew")
	var held *HeldError
	if !errors.As(err, &held) || !strings.Contains(held.Holder, "dvagent run") || !strings.HasPrefix(held.Holder, "pid ") {
		t.Errorf("got %v", err)
	}
	if err := lock.Unlock(); err != nil {
		t.Fatal(err)
	}
	again, err := TryLock(dir, "dvagent renew")
	if err != nil {
		t.Fatal(err)
	}
	again.Unlock()
}

// fault 63
func TestALockFileThatWasReplacedIsNotMistakenForTheLock(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "lock")
	file, err := tryFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Unlock()
	if err := os.Rename(path, path+".old"); err != nil {
		t.Fatal(err)
	}
	if file.isAt(path) {
		t.Error("a missing file was taken for the lock")
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if file.isAt(path) {
		t.Error("another file was taken for the lock")
	}
}

// The lock is not inherited by the commands that the agent runs.
func TestAChildDoesNotKeepTheLock(t *testing.T) {
	dir := t.TempDir()
	lock, err := TryLock(dir, "dvagent run")
	if err != nil {
		t.Fatal(err)
	}
	child := exec.Command("sleep", "60")
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { child.Process.Kill(); child.Wait() }()
	lock.Unlock()
	again, err := TryLock(dir, "dvagent renew")
	if err != nil {
		t.Fatal(err)
	}
	again.Unlock()
}
