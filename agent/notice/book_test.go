package notice

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func anything(string) bool { return true }

func owedTo(b *Book, channel string, now time.Time) string {
	var all []string
	for _, t := range b.Owed(channel, anything, "recovered", now) {
		word := t.Event
		if !t.Ended.IsZero() {
			word = "end of " + t.Event
		}
		all = append(all, word+" "+t.Subject)
	}
	return strings.Join(all, ", ")
}

func TestWhatAChannelIsOwed(t *testing.T) {
	failure := Trouble{Event: "failed", Subject: "www", Cause: "no", Began: start}
	tell := func(b *Book) { b.Told("ops", b.Owed("ops", anything, "recovered", start)) }
	end := func(b *Book) { b.End("failed", "www", start.Add(time.Minute)) }
	again := func(cause string) func(*Book) {
		return func(b *Book) {
			b.Begin(Trouble{Event: "failed", Subject: "www", Cause: cause, Began: start.Add(time.Hour)})
		}
	}
	for _, tt := range []struct {
		name  string
		steps []func(*Book)
		want  string
	}{
		{"a trouble", nil, "failed www"},
		{"nothing, once it was told", []func(*Book){tell}, ""},
		{"nothing, when the same is noticed again", []func(*Book){tell, again("no")}, ""},
		{"another cause", []func(*Book){tell, again("why not")}, "failed www"},
		{"the end of what was told", []func(*Book){tell, end}, "end of failed www"},
		{"nothing of what ended untold", []func(*Book){end}, ""},
		{"nothing, once the end was told", []func(*Book){tell, end, tell}, ""},
		{"the trouble anew, when it comes again after its end", []func(*Book){tell, end, tell, again("no")}, "failed www"},
		{"the trouble anew, when its end was not told yet", []func(*Book){tell, end, again("no")}, "failed www"},
		{"nothing of a subject that is gone", []func(*Book){tell, func(b *Book) { b.Keep(map[string]bool{"ops": true}, nil) }}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := parse(nil)
			b.Begin(failure)
			for _, step := range tt.steps {
				step(b)
			}
			if got := owedTo(b, "ops", start.Add(time.Hour)); got != tt.want {
				t.Errorf("owed %q", got)
			}
		})
	}
}

func TestWhatIsOverForADayIsNotTold(t *testing.T) {
	b := parse(nil)
	b.Begin(Trouble{Event: "failed", Subject: "www", Began: start})
	b.Told("ops", b.Owed("ops", anything, "recovered", start))
	b.End("failed", "www", start)
	if got := owedTo(b, "ops", start.Add(recoveryTold)); got != "" || len(b.Troubles) > 0 {
		t.Errorf("owed %q; kept %v", got, b.Troubles)
	}
}

func TestOneChannelDoesNotHearForAnother(t *testing.T) {
	b := parse(nil)
	b.Begin(Trouble{Event: "failed", Subject: "www", Began: start})
	b.Told("ops", b.Owed("ops", anything, "recovered", start))
	if got := owedTo(b, "mail", start); got != "failed www" {
		t.Errorf("mail is owed %q", got)
	}
	b.End("failed", "www", start)
	b.Told("ops", b.Owed("ops", anything, "recovered", start))
	if got := owedTo(b, "mail", start); got != "" || len(b.Troubles) > 0 {
		t.Errorf("mail is owed %q; kept %v", got, b.Troubles)
	}
}

func TestTheBookOutlivesTheProcessAndDamage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notices.json")
	begin := func(b *Book) { b.Begin(Trouble{Event: "failed", Subject: "www", Began: start}) }
	if err := Update(path, begin); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v, %v", info, err)
	}
	if b, err := Load(path); err != nil || owedTo(b, "ops", start) != "failed www" {
		t.Errorf("%+v, %v", b, err)
	}
	for _, damage := range []string{"", "{", "null", `{"channels":{"ops":null}}`, `{"troubles":7}`} {
		if err := os.WriteFile(path, []byte(damage), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := Update(path, begin); err != nil {
			t.Errorf("%q: %v", damage, err)
		}
		if b, err := Load(path); err != nil || owedTo(b, "ops", start) != "failed www" {
			t.Errorf("%q: %+v, %v", damage, b, err)
		}
	}
	for name, place := range map[string]func(string) error{
		"a directory": func(path string) error { return os.Mkdir(path, 0o700) },
		"a pipe":      func(path string) error { return syscall.Mkfifo(path, 0o600) },
		"a link":      func(path string) error { return os.Symlink("/etc/passwd", path) },
	} {
		at := filepath.Join(t.TempDir(), "notices.json")
		if err := place(at); err != nil {
			t.Fatal(err)
		}
		if b, err := Load(at); err != nil || len(b.Troubles) > 0 {
			t.Errorf("%s: %+v, %v", name, b, err)
		}
	}
}

func TestUpdatesDoNotLoseEachOther(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notices.json")
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			err := Update(path, func(b *Book) {
				b.Begin(Trouble{Event: "failed", Subject: strings.Repeat("x", i+1), Began: start})
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if b, err := Load(path); err != nil || len(b.Troubles) != 20 {
		t.Errorf("%d troubles, %v", len(b.Troubles), err)
	}
}

func TestWhatChangesNothingWritesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notices.json")
	if err := Update(path, func(*Book) {}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("a book without an entry was written")
	}
}
