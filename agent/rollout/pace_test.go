package rollout

import (
	"testing"
	"testing/synctest"
	"time"
)

// fault 141
func TestAVersionIsInstalledSoOftenInAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		next := func(version string) time.Duration {
			r, err := Load(dir) // anew: the journal says it
			if err != nil {
				t.Fatal(err)
			}
			at := r.Targets["www"].NextInstall(version, time.Now())
			if at.IsZero() {
				return 0
			}
			return time.Until(at).Round(time.Second)
		}
		install := func(version string, fails bool) {
			r, err := Load(dir)
			if err != nil {
				t.Fatal(err)
			}
			if err := r.Start("www", version); err != nil {
				t.Fatal(err)
			}
			if fails {
				err = r.Fail("www", version, Failure{Text: "it failed"})
			} else {
				err = r.Deployed("www", version)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		for range 3 * MostInstalls {
			install("one", true)
		}
		for i := range MostInstalls {
			if left := next("one"); left != 0 {
				t.Fatalf("after %d installations it waits for %s", i, left)
			}
			time.Sleep(time.Minute)
			install("one", false)
		}
		if left := next("one"); left != 41*time.Minute {
			t.Errorf("it waits for %s", left)
		}
		if left := next("two"); left != 0 {
			t.Errorf("a new version waits for %s", left)
		}
		time.Sleep(41 * time.Minute)
		if left := next("one"); left != 0 {
			t.Errorf("an hour later it waits for %s", left)
		}
		install("one", false)
		if left := next("one"); left != time.Minute {
			t.Errorf("after one more it waits for %s", left)
		}
		install("two", false)
		if left := next("two"); left != 0 {
			t.Errorf("a new version waits for %s", left)
		}
	})
}

// fault 141
func TestWhatAFileSystemDoesNotKeepIsRemembered(t *testing.T) {
	dir := t.TempDir()
	r, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	is := Attributes{Mode: 0o755, UID: 1, GID: 2, Device: 3}
	if err := r.Keeps("www", map[string]Attributes{"/key": is}); err != nil {
		t.Fatal(err)
	}
	for range 200 { // until it is shortened, too
		if err := r.Deployed("www", "one"); err != nil {
			t.Fatal(err)
		}
	}
	if r, err = Load(dir); err != nil || r.Targets["www"].Instead["/key"] != is || r.log.Lines() > 100 {
		t.Errorf("%+v, %d lines, error %v", r.Targets["www"], r.log.Lines(), err)
	}
}
