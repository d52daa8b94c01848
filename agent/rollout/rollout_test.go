package rollout

import (
	"path/filepath"
	"testing"
	"time"
)

// chapter is what a rollout records at one time.
type chapter func(*Rollout) error

func fail(target string, f Failure) chapter {
	return func(r *Rollout) error { return r.Fail(target, "v1", f) }
}

// record tells the chapters and reads the rollout again, as a restart does.
func record(t *testing.T, chapters ...chapter) *Rollout {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "www")
	r := load(t, dir)
	for _, tell := range chapters {
		if err := tell(r); err != nil {
			t.Fatal(err)
		}
	}
	return load(t, dir)
}

func load(t *testing.T, dir string) *Rollout {
	t.Helper()
	r, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestWhatTheFactsAmountTo(t *testing.T) {
	began := time.Now().Round(0)
	later := began.Add(time.Minute)
	started := func(r *Rollout) error { return r.Start("nginx", "v1") }
	deployed := func(r *Rollout) error { return r.Deployed("nginx", "v1") }
	left := func(r *Rollout) error { return r.Leave("nginx", "v9") }
	held := func(r *Rollout) error { return r.Hold("v1") }
	failed := fail("nginx", Failure{Text: "reload: exit status 1", Hint: "nginx -t", Cause: "reload", Until: later})
	command := Command{Program: "nginx", ExitCode: 1, Output: "emerg"}
	withCommand := fail("nginx", Failure{Text: "reload", Command: &command})
	dated := func(at time.Time) bool { return !at.Before(began) && !at.After(time.Now()) }
	for _, tt := range []struct {
		name  string
		facts []chapter
		holds func(*Rollout) bool
	}{
		{"an installation that was begun is remembered", []chapter{started}, func(r *Rollout) bool {
			return r.Targets["nginx"].Started == "v1" && r.Targets["nginx"].Version == ""
		}},
		{"failures in a row are counted", []chapter{started, failed, failed}, func(r *Rollout) bool {
			target := r.Targets["nginx"]
			f := target.Failure
			return target.Failures == 2 && dated(f.At) && f.Until.Equal(later) && f.Hint == "nginx -t" && f.Cause == "reload"
		}},
		{"a success ends them", []chapter{started, failed, deployed}, func(r *Rollout) bool {
			target := r.Targets["nginx"]
			return dated(target.At) && target.Version == "v1" && target.Failures == 0 && target.Failure == Failure{}
		}},
		{"so do hooks that ran", []chapter{fail("deployed", Failure{Text: "x"}), func(r *Rollout) error { return r.Told("deployed", "v1") }},
			func(r *Rollout) bool {
				return r.Targets["deployed"].Version == "v1" && r.Targets["deployed"].Failure == Failure{}
			}},
		{"the command that failed is remembered", []chapter{withCommand}, func(r *Rollout) bool {
			return *r.Targets["nginx"].Failure.Command == command
		}},
		{"until a later try fails without it", []chapter{withCommand, failed}, func(r *Rollout) bool {
			return r.Targets["nginx"].Failure.Command == nil
		}},
		{"one target's failure is not another's", []chapter{deployed, fail("haproxy", Failure{Text: "x"})}, func(r *Rollout) bool {
			return r.Targets["nginx"].Failure.Text == "" && r.Targets["haproxy"].Failure.Text == "x"
		}},
		{"a pair that is left in a target ends failures", []chapter{deployed, failed, left}, func(r *Rollout) bool {
			target := r.Targets["nginx"]
			return target.Left == "v9" && target.Version == "v1" && target.Failures == 0 && target.Failure == Failure{}
		}},
		{"until a version is in place", []chapter{left, started, deployed}, func(r *Rollout) bool { return r.Targets["nginx"].Left == "" }},
		{"a hold lasts until it is freed", []chapter{held}, func(r *Rollout) bool { return r.Held == "v1" }},
		{"a freed hold is over", []chapter{held, (*Rollout).Free}, func(r *Rollout) bool { return r.Held == "" }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if r := record(t, tt.facts...); !tt.holds(r) {
				t.Errorf("%+v", r)
			}
		})
	}
}

func TestALongJournalIsShortenedAndSaysTheSame(t *testing.T) {
	until := time.Now().Add(time.Hour).Round(0)
	told := []chapter{
		func(r *Rollout) error { return r.Hold("v1") },
		func(r *Rollout) error { return r.Deployed("haproxy", "v1") },
		func(r *Rollout) error { return r.Start("nginx", "v2") },
	}
	const failures = 58 + 4*57 // the sixty-first line is one too many; four lines are left, and so on
	for range failures {
		told = append(told, fail("nginx", Failure{Text: "x", Hint: "y", Cause: "z", Until: until, Command: &Command{ExitCode: 3}}))
	}
	if r := record(t, told[:60]...); r.log.Lines() != 60 {
		t.Errorf("a short one has %d lines", r.log.Lines())
	}
	r := record(t, told...)
	if r.log.Lines() != 4 {
		t.Errorf("%d lines", r.log.Lines())
	}
	target := r.Targets["nginx"]
	f := target.Failure
	if r.Held != "v1" || r.Targets["haproxy"].Version != "v1" || target.Started != "v2" || target.Failures != failures {
		t.Errorf("%+v", r)
	}
	if f.Text != "x" || f.Hint != "y" || f.Cause != "z" || !f.Until.Equal(until) || f.Command.ExitCode != 3 || f.At.IsZero() {
		t.Errorf("%+v", f)
	}
}
