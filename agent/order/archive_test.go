package order

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// fault 194
func TestTheLastTenOrdersAreKept(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "www")
	end := func(reason string) {
		t.Helper()
		o, err := Open(dir, Application{Domains: []string{"example.com"}, Account: "main", Reason: reason})
		if err != nil {
			t.Fatal(err)
		}
		if err := o.End(Issued, ""); err != nil {
			t.Fatal(err)
		}
		for range 2 { // a killed process does it again
			if err := o.Archive(); err != nil {
				t.Fatal(err)
			}
		}
	}
	kept := func() (reasons []string) {
		t.Helper()
		past, err := Archived(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range past {
			reasons = append(reasons, p.Order.Reason)
			if len(p.Facts) != 2 || p.Facts[0].Kind != Opened {
				t.Errorf("order %s: %+v", p.Order.Reason, p.Facts)
			}
		}
		return reasons
	}
	for i := range 13 {
		end(fmt.Sprint("order ", i))
	}
	if got, want := fmt.Sprint(kept()), "[order 3 order 4 order 5 order 6 order 7 order 8 order 9 order 10 order 11 order 12]"; got != want {
		t.Errorf("kept %s", got)
	}
	if last, err := Last(dir); err != nil || last.Reason != "order 12" {
		t.Errorf("last: %+v, %v", last, err)
	}

	// A process that died half-way has left a gap, which the next order fills.
	if err := os.Remove(filepath.Join(dir, archive(4))); err != nil {
		t.Fatal(err)
	}
	end("order 13")
	if got, want := fmt.Sprint(kept()), "[order 3 order 4 order 5 order 6 order 7 order 8 order 10 order 11 order 12 order 13]"; got != want {
		t.Errorf("after a gap %s", got)
	}
}
