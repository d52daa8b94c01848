package notice

import (
	"testing"
	"time"

	"dvagent/agent/config"
	"dvagent/agent/state"
	"dvagent/internal/bundle/bundletest"
	"dvagent/notify"
)

// fault 197
func TestARenewalIsToldOnceToThoseWhoChoseThat(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	leaf := bundletest.NewCA(t, "test").Issue(t, bundletest.Leaf{Names: []string{"www.example.com"}, NotBefore: now, NotAfter: now.AddDate(0, 0, 100)}).Leaf
	seen := func(version string, class state.Class) Seen {
		return Seen{Snapshot: state.Snapshot{Config: config.Certificate{Name: "www"}, Leaf: leaf, Newest: version},
			Outcome: state.Outcome{Certificate: "www", Class: class, Ordered: true}}
	}
	needed := func(event string) bool { return event != notify.Renewed }
	book := parse(nil)
	tell := func(channel string, wants func(string) bool, at time.Time, want int) {
		t.Helper()
		owed := book.Owed(channel, wants, notify.Recovered, at)
		if len(owed) != want {
			t.Errorf("%s is owed %v at %s", channel, owed, at)
		}
		book.Told(channel, owed)
	}
	seen("1", state.Served).note(book, now)
	tell("news", anything, now, 1)
	tell("news", anything, now, 0)
	tell("needed", needed, now, 0)

	// The next one is news again, and is not kept for a channel that comes later.
	next := now.AddDate(0, 0, 60)
	seen("2", state.Served).note(book, next)
	tell("news", anything, next, 1)
	book.dropNews(next.Add(recoveryTold + time.Minute))
	tell("later", anything, next.Add(recoveryTold+time.Minute), 0)
	if len(book.Troubles) > 0 || len(book.Channels["news"].Told) > 0 {
		t.Errorf("kept: %+v", book)
	}
}
