package order

import (
	"testing"
	"time"
)

// from is an entry about an order of a certificate from the package p, some
// seconds after the start.
func from(seconds int, kind InstanceUse, certificate string, shown *Stock) instanceEntry {
	e := entry(kind, PackageSlot("p", certificate), certificate)
	e.At, e.Stock = at(seconds), shown
	return e
}

func TestTheLedgerKnowsWhatIsLeftOfAPackage(t *testing.T) {
	shown := func(used int) *Stock { return &Stock{Total: 5, Used: used} }
	claimed := from(0, InstanceClaimed, "www", nil)
	claimed.Package = "p"
	elsewhere := from(2, InstanceSubmitted, "www", shown(4))
	elsewhere.Account = "second"
	for _, tt := range []struct {
		name    string
		entries []instanceEntry
		left    *Left
	}{
		{"nothing before an order has seen it", []instanceEntry{claimed}, nil},
		{"an older line shows no total", []instanceEntry{claimed, from(1, InstanceSubmitted, "www", &Stock{Used: 2})}, nil},
		{"the order itself takes one", []instanceEntry{claimed, from(1, InstanceSubmitted, "www", shown(1))}, &Left{3, at(1)}},
		{"also once it has ended", []instanceEntry{claimed, from(1, InstanceSubmitted, "www", shown(1)), from(2, InstanceReleased, "www", nil)}, &Left{3, at(1)}},
		{"also where the line of its claim was lost", []instanceEntry{from(1, InstanceSubmitted, "www", shown(1))}, &Left{3, at(1)}},
		{"but not when it never arrived", []instanceEntry{claimed, from(1, InstanceSubmitted, "www", shown(1)), from(2, InstanceUnapplied, "www", nil)}, &Left{4, at(1)}},
		{"what another one shows later counts", []instanceEntry{from(1, InstanceSubmitted, "www", shown(1)), from(2, InstanceSubmitted, "shop", shown(3))}, &Left{1, at(2)}},
		{"and has not what never arrived before", []instanceEntry{from(1, InstanceSubmitted, "www", shown(1)), from(2, InstanceSubmitted, "shop", shown(1)),
			from(3, InstanceUnapplied, "www", nil)}, &Left{3, at(2)}},
		{"the server calls it empty, whatever it shows", []instanceEntry{from(1, InstanceSubmitted, "www", shown(1)), from(2, InstanceUnapplied, "www", nil),
			from(3, InstanceEmpty, "www", nil)}, &Left{0, at(3)}},
		{"it is filled again", []instanceEntry{from(1, InstanceEmpty, "www", nil), from(2, InstanceSubmitted, "www", shown(3))}, &Left{1, at(2)}},
		{"never less than nothing", []instanceEntry{from(1, InstanceSubmitted, "www", shown(5))}, &Left{0, at(1)}},
		{"another account has its own", []instanceEntry{from(1, InstanceSubmitted, "www", shown(1)), elsewhere}, &Left{3, at(1)}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := ledger(t, tt.entries...)
			shows(t, l, tt.left)
			for range 30 { // so many that it is worth while to drop some
				if err := l.Note(InstanceReleased, Instance{"main", "cas-1"}, "www"); err != nil {
					t.Fatal(err)
				}
				if err := l.Note(InstanceClaimed, Instance{"main", "cas-1"}, "www"); err != nil {
					t.Fatal(err)
				}
			}
			if err := l.Note(InstanceReleased, Instance{"main", "cas-1"}, "www"); err != nil {
				t.Fatal(err)
			}
			long := l.log.Lines()
			if err := l.Compact(time.Now().AddDate(0, 0, 3)); err != nil || l.log.Lines() >= long {
				t.Fatalf("not compacted: %v", err)
			}
			shows(t, reread(t, l.Damage().File), tt.left)
		})
	}
}

func shows(t *testing.T, l *Instances, want *Left) {
	t.Helper()
	got := l.Left("main", "p")
	if (got == nil) != (want == nil) || got != nil && (got.Certificates != want.Certificates || !got.At.Equal(want.At)) {
		t.Errorf("got %+v, not %+v", got, want)
	}
}

func TestAnOrderFromAnEmptyPackageHoldsNothing(t *testing.T) {
	l := ledger(t, from(0, InstanceClaimed, "www", nil), from(1, InstanceEmpty, "www", nil))
	claim, submitted := l.ClaimOf("main", "www")
	if slot := (Instance{"main", PackageSlot("p", "www")}); claim != (Claim{}) || submitted || l.Holder(slot) != "" || l.RefusedTo(slot, "www") {
		t.Errorf("the claim is %+v, held by %q", claim, l.Holder(slot))
	}
}
