package rollout

import (
	"path/filepath"
	"testing"
	"time"
)

func at(i int) time.Time { return time.Date(2026, 11, 23, 12, 0, i, 0, time.UTC) }

// record writes facts and reads the rollout again, as a restart does.
func record(t *testing.T, facts ...Fact) *Rollout {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "www")
	r, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	for i, fact := range facts {
		fact.At = at(i)
		if err := r.Record(fact); err != nil {
			t.Fatal(err)
		}
	}
	if r, err = Load(dir); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestWhatTheFactsAmountTo(t *testing.T) {
	started := Fact{Kind: Started, Target: "nginx", Version: "v1"}
	failed := Fact{Kind: Failed, Target: "nginx", Version: "v1", Error: "reload: exit status 1", Until: at(60)}
	deployed := Fact{Kind: Deployed, Target: "nginx", Version: "v1"}
	command := failed
	command.Command = &Command{Program: "nginx", ExitCode: 1, Output: "emerg"}
	for _, tt := range []struct {
		name  string
		facts []Fact
		holds func(*Rollout) bool
	}{
		{"an installation that was begun is remembered", []Fact{started}, func(r *Rollout) bool {
			return r.Targets["nginx"].Started == "v1" && r.Targets["nginx"].Version == ""
		}},
		{"failures in a row are counted", []Fact{started, failed, failed}, func(r *Rollout) bool {
			target := r.Targets["nginx"]
			return target.Failures == 2 && target.FailedAt.Equal(at(2)) && target.Until.Equal(at(60))
		}},
		{"a success ends them", []Fact{started, failed, deployed}, func(r *Rollout) bool {
			return r.Targets["nginx"] == Target{Version: "v1", At: at(2)}
		}},
		{"the command that failed is remembered", []Fact{command}, func(r *Rollout) bool {
			return *r.Targets["nginx"].Command == *command.Command
		}},
		{"until a later try fails without it", []Fact{command, failed}, func(r *Rollout) bool {
			return r.Targets["nginx"].Command == nil
		}},
		{"one target's failure is not another's", []Fact{deployed, {Kind: Failed, Target: "haproxy", Error: "x"}}, func(r *Rollout) bool {
			return r.Targets["nginx"].Error == "" && r.Targets["haproxy"].Error == "x"
		}},
		{"a hold lasts until it is freed", []Fact{{Kind: Held, Version: "v1"}}, func(r *Rollout) bool { return r.Held == "v1" }},
		{"a freed hold is over", []Fact{{Kind: Held, Version: "v1"}, {Kind: Freed}}, func(r *Rollout) bool { return r.Held == "" }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if r := record(t, tt.facts...); !tt.holds(r) {
				t.Errorf("%+v", r)
			}
		})
	}
}

func TestALongJournalIsShortenedAndSaysTheSame(t *testing.T) {
	var facts []Fact
	for range 2 * compactAt {
		facts = append(facts, Fact{Kind: Failed, Target: "nginx", Version: "v1", Error: "x", Command: &Command{ExitCode: 3}})
	}
	facts = append(facts, Fact{Kind: Deployed, Target: "haproxy", Version: "v1"}, Fact{Kind: Held, Version: "v1"})
	r := record(t, facts...)
	if r.lines > compactAt+10 {
		t.Errorf("%d lines", r.lines)
	}
	if r.Targets["nginx"].Failures != 2*compactAt || r.Targets["nginx"].Command.ExitCode != 3 || r.Targets["haproxy"].Version != "v1" || r.Held != "v1" {
		t.Errorf("%+v", r)
	}
}
