package notice

import (
	"errors"
	"strings"
	"testing"
	"time"

	"dvagent/agent/config"
	"dvagent/agent/order"
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
		told    int // days
		outcome state.Outcome
		want    string
	}{
		{"before the window", 80, 80, broken, ""},
		{"within it and stuck", 91, 91, broken, "submit: no route; the present certificate is valid until 2026-04-11 00:00 UTC; to do: see dvagent status www"},
		{"within it and on the way", 91, 91, state.Outcome{Certificate: "www", Class: state.Pending, Waiting: "issuance"}, ""},
		{"told when it has expired, as after a host slept", 91, 101, broken, "submit: no route; the certificate expired on 2026-04-11 00:00 UTC; to do: see dvagent status www"},
		{"expired", 101, 101, broken, "submit: no route; the certificate expired on 2026-04-11 00:00 UTC; to do: see dvagent status www"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			book := &Book{Troubles: map[string]Trouble{}}
			Seen{Snapshot: snapshot, Outcome: tt.outcome}.note(book, issued.AddDate(0, 0, tt.after))
			got := ""
			if t, known := book.Troubles["expiring www"]; known {
				got = textOf(t, issued.AddDate(0, 0, tt.told))
			}
			if got != tt.want || len(book.Troubles) > 1 {
				t.Errorf("got %q of %v", got, book.Troubles)
			}
			Seen{Snapshot: snapshot, Outcome: state.Outcome{Certificate: "www"}}.note(book, issued.AddDate(0, 0, 50)) // as after a renewal
			if len(book.Troubles) > 0 {
				t.Errorf("it does not end: %v", book.Troubles)
			}
		})
	}
}

func TestASubscriptionThatEndsTooSoonIsToldOncePerEnd(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	days := func(n int) time.Time { return now.AddDate(0, 0, n) }
	const told = "the subscription of cas-1 ends on 2026-03-04, before the renewal of www on 2026-03-11; to do: buy a DV instance, or extend the subscription"
	kept := func(until int) order.Claim { return order.Claim{Instance: "cas-1", Kept: true, Until: days(until)} }
	for _, tt := range []struct {
		name   string
		at     int // days until the renewal
		claim  order.Claim
		enough bool   // instances are spare
		want   string // what is owed to somebody who was told before
		text   string
	}{
		{"nothing again of the same end", 10, kept(3), false, "", told},
		{"another end", 10, kept(5), false, "subscription_ends www", strings.Replace(told, "04", "06", 1)},
		{"the end of it, once an instance is spare", 10, kept(3), true, "end of subscription_ends www", told},
		{"the end of it, once the subscription is longer", 10, kept(300), false, "end of subscription_ends www", told},
		{"the end of it, once the renewal is far", 40, kept(3), false, "end of subscription_ends www", told},
		{"nothing while it is given up and none is spare", 0, order.Claim{}, false, "", told},
		{"the end of it, once one is spare in its place", 0, order.Claim{}, true, "end of subscription_ends www", told},
		{"nothing while an order runs", 0, order.Claim{Instance: "cas-2", Until: days(3)}, false, "", told},
	} {
		t.Run(tt.name, func(t *testing.T) {
			book := parse(nil)
			note := func(after time.Duration, at int, claim order.Claim, enough bool) {
				r := state.Renewal{At: days(at), Ends: days(at + 20), Claim: claim}
				Account{Renewals: map[string]state.Renewal{"www": r}}.noteSubscriptions(book, enough, now.Add(after), days(30))
			}
			note(0, 10, kept(3), false)
			if owed := owedTo(book, "ops", now); owed != "subscription_ends www" {
				t.Fatalf("at first %q is owed", owed)
			}
			book.Told("ops", book.Owed("ops", anything, "recovered", now))
			note(time.Minute, tt.at, tt.claim, tt.enough)
			if owed := owedTo(book, "ops", now); owed != tt.want || book.Troubles["subscription_ends www"].Text != tt.text {
				t.Errorf("owed %q, of %+v", owed, book.Troubles)
			}
		})
	}
}

func TestAPackageWithLessThanIsWantedIsToldUntilItHasEnough(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	host := state.NewHost(&config.Config{Limits: config.Limits{Forecast: 30 * 24 * time.Hour}}, nil, nil)
	const subject = "package p of account main"
	const told = "had 1 certificate left on 2026-02-01 for 2 renewals before 2026-03-31; to do: " + state.PackageHint
	for _, tt := range []struct {
		name string
		left int   // -1: not known
		at   []int // days until each renewal
		owed string
	}{
		{"nothing again while it stays so", 1, []int{10, 20}, ""},
		{"nothing again for another number", 0, []int{10, 20}, ""},
		{"nothing while what is left is not known", -1, []int{10, 20}, ""},
		{"the end of it, once enough is left", 2, []int{10, 20}, "end of no_instance " + subject},
		{"the end of it, once the renewals are far", 1, []int{10, 40}, "end of no_instance " + subject},
		{"the end of it, once all that come are due and tell it themselves", 0, []int{0, -1}, "end of no_instance " + subject},
	} {
		t.Run(tt.name, func(t *testing.T) {
			book := parse(nil)
			note := func(left int, at []int) {
				a := Account{Name: "main", Foreseen: true, Renewals: map[string]state.Renewal{"spent": {At: now, Follows: true}}}
				for i, days := range at {
					r := state.Renewal{At: now.AddDate(0, 0, days), Package: "p"}
					if left >= 0 {
						r.Left = &order.Left{Certificates: left, At: now.AddDate(0, 0, -28)}
					}
					a.Renewals[string(rune('a'+i))] = r
				}
				a.note(book, host, now)
			}
			note(1, []int{10, 20})
			if owed := owedTo(book, "ops", now); owed != "no_instance "+subject || book.Troubles["no_instance "+subject].Text != told {
				t.Fatalf("at first %q is owed, of %+v", owed, book.Troubles)
			}
			book.Told("ops", book.Owed("ops", anything, "recovered", now))
			note(tt.left, tt.at)
			if owed := owedTo(book, "ops", now); owed != tt.owed {
				t.Errorf("%q is owed, of %+v", owed, book.Troubles)
			}
		})
	}
}

func TestATroubleOfAPackageIsForgottenOnceNothingIsOrderedFromIt(t *testing.T) {
	host := state.NewHost(&config.Config{Accounts: map[string]config.Account{"main": {}}, Certificates: []config.Certificate{
		{Name: "www", Account: "main", Package: "p"}, {Name: "shop", Account: "main"}}}, nil, nil)
	book := parse(nil)
	for _, product := range []string{"p", "q"} {
		book.Begin(Trouble{Event: "no_instance", Subject: packageSubject(product, "main")})
	}
	book.Keep(channels(host), subjects(host))
	if owed := owedTo(book, "ops", time.Now()); owed != "no_instance package p of account main" {
		t.Errorf("%q is owed", owed)
	}
}
