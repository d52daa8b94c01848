package notice

import (
	"errors"
	"testing"
	"time"

	"dvagent/agent/config"
	"dvagent/agent/state"
	"dvagent/internal/bundle/bundletest"
)

func TestACertificateInItsEmergencyWindowIsToldWhenItsRenewalIsStuck(t *testing.T) {
	ca := bundletest.NewCA(t, "test")
	issued := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	leaf := ca.Issue(t, bundletest.Leaf{Names: []string{"www.example.com"}, NotBefore: issued, NotAfter: issued.AddDate(0, 0, 100)}).Leaf
	snapshot := state.Snapshot{Config: config.Certificate{Name: "www"}, Leaf: leaf, Newest: "1"}
	broken := state.Outcome{Certificate: "www", Class: state.Pending, Transient: true, Step: "submit", Err: errors.New("no route")}
	for _, tt := range []struct {
		name    string
		after   int // days
		outcome state.Outcome
		want    string
	}{
		{"before the window", 80, broken, ""},
		{"within it and stuck", 91, broken, "submit: no route; the present certificate is valid until 2026-04-11T00:00:00Z; to do: see dvagent status www"},
		{"within it and on the way", 91, state.Outcome{Certificate: "www", Class: state.Pending, Waiting: "issuance"}, ""},
		{"expired", 101, broken, "submit: no route; the certificate expired on 2026-04-11T00:00:00Z; to do: see dvagent status www"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			book := &Book{Troubles: map[string]Trouble{}}
			Seen{snapshot, tt.outcome}.note(book, issued.AddDate(0, 0, tt.after))
			if got := book.Troubles["expiring www"].Text; got != tt.want || len(book.Troubles) > 1 {
				t.Errorf("got %q of %v", got, book.Troubles)
			}
			Seen{snapshot, state.Outcome{Certificate: "www"}}.note(book, issued.AddDate(0, 0, 50)) // as after a renewal
			if len(book.Troubles) > 0 {
				t.Errorf("it does not end: %v", book.Troubles)
			}
		})
	}
}
