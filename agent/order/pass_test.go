package order

import (
	"path/filepath"
	"testing"
	"time"
)

func TestAnInstanceIsPassedOnAsItIsHeld(t *testing.T) {
	i, stock := Instance{"main", "cas-1"}, &Stock{Total: 3, Used: 1}
	claim := func(l *Instances) error {
		_, err := l.Claim("main", "www", Claim{Instance: "cas-1", Before: "7"})
		return err
	}
	submit := func(l *Instances) error { return l.Submit(i, "www", stock) }
	keep := func(l *Instances) error { return l.Note(InstanceKept, i, "www") }
	for _, tt := range []struct {
		name            string
		story           []func(*Instances) error
		kept, submitted bool
		submissions     int
	}{
		{"claimed", []func(*Instances) error{claim}, false, false, 0},
		{"submitted", []func(*Instances) error{claim, submit}, false, true, 1},
		{"kept", []func(*Instances) error{claim, submit, keep}, true, false, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "instances.journal")
			l, err := LoadInstances(path)
			if err != nil {
				t.Fatal(err)
			}
			for _, write := range tt.story {
				if err := write(l); err != nil {
					t.Fatal(err)
				}
			}
			names := []string{"www", "renamed", "www", "again"}
			for n, to := range names[1:] {
				if err := l.Pass(i, names[n], to); err != nil {
					t.Fatal(err)
				}
			}
			if err := l.Pass(i, "www", "other"); err == nil {
				t.Error("who does not hold it passes it on")
			}
			if l, err = LoadInstances(path); err != nil {
				t.Fatal(err)
			}
			held, submitted := l.ClaimOf("main", "again")
			if l.Holder(i) != "again" || held.Instance != "cas-1" || held.Before != "7" || held.Kept != tt.kept || submitted != tt.submitted {
				t.Errorf("held by %q as %+v, submitted: %v", l.Holder(i), held, submitted)
			}
			if was, _ := l.ClaimOf("main", "www"); was.Instance != "" {
				t.Errorf("who passed it on holds %+v", was)
			}
			if n, _ := l.Submissions("again", time.Now()); n != tt.submissions {
				t.Errorf("%d submissions count", n)
			}
			if n, _ := l.Submissions("renamed", time.Now()); n != 0 {
				t.Errorf("%d submissions count where it was in between", n)
			}
		})
	}
}
