// Package rollout keeps what is known of a certificate's deployments: which
// version each target was last shown to serve, what failed and when it is
// tried again, and which version is held. It touches the disk only, installs
// nothing and decides nothing.
package rollout

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"dvagent/internal/journal"
)

// Kind names what a fact says.
type Kind string

const (
	Started  Kind = "started"  // Target, Version: right before the first file is touched
	Deployed Kind = "deployed" // Target, Version: installed, and served where there is a probe
	Told     Kind = "told"     // Target, an event, and Version: its hooks ran
	Failed   Kind = "failed"   // Target, Version, Error, Hint, Until, and Command where one failed
	Held     Kind = "held"     // Version: rolled back to, until the next issuance
	Freed    Kind = "freed"    // the hold is over
)

// Fact is one line of the journal.
type Fact struct {
	At      time.Time `json:"at"`
	Kind    Kind      `json:"fact"`
	Target  string    `json:"target,omitempty"`
	Version string    `json:"version,omitempty"`
	Error   string    `json:"error,omitempty"`
	Hint    string    `json:"hint,omitempty"`
	Until   time.Time `json:"until,omitzero"`
	Command *Command  `json:"command,omitempty"`

	Failures int `json:"failures,omitempty"` // in a row, where a shortened journal says so
}

// Command is how the check, reload or hook ended that made something fail.
type Command struct {
	Program  string `json:"program"`
	ExitCode int    `json:"exit_code"` // -1 when it was not started, was killed or was stopped
	Output   string `json:"output"`    // the last KiB, without private keys
}

// Rollout is the state that the facts amount to.
type Rollout struct {
	Held    string            // the version that is held, or empty
	Targets map[string]Target // by the id of a deployment's target, and by event for the hooks
	Damaged int               // lines that could not be read

	path  string
	lines int
}

// Target is the state of one deployment, or of the hooks of one event.
type Target struct {
	Version  string // that it was last shown to serve, or was told of
	At       time.Time
	Started  string // the version whose installation was begun and not finished
	Failures int    // in a row
	FailedAt time.Time
	Error    string
	Hint     string
	Until    time.Time // not tried again before then
	Command  *Command  // that failed, or nil
}

// Load reads the rollout of the certificate whose directory is dir.
func Load(dir string) (*Rollout, error) {
	r := &Rollout{Targets: map[string]Target{}, path: filepath.Join(dir, "rollout.journal")}
	facts, damaged, err := journal.Read[Fact](r.path)
	if err != nil {
		return nil, err
	}
	for _, fact := range facts {
		r.apply(fact)
	}
	r.Damaged, r.lines = damaged, len(facts)
	return r, nil
}

// Record makes a fact durable and applies it.
func (r *Rollout) Record(fact Fact) error {
	if err := os.MkdirAll(filepath.Dir(r.path), 0o700); err != nil {
		return fmt.Errorf("record rollout: %w", err)
	}
	if err := journal.Append(r.path, fact); err != nil {
		return err
	}
	r.apply(fact)
	r.lines++
	return r.compact()
}

func (r *Rollout) apply(fact Fact) {
	target := r.Targets[fact.Target]
	switch fact.Kind {
	case Started:
		target.Started = fact.Version
	case Deployed, Told:
		target = Target{Version: fact.Version, At: fact.At}
	case Failed:
		target.Failures, target.FailedAt = max(fact.Failures, target.Failures+1), fact.At
		target.Error, target.Hint, target.Until, target.Command = fact.Error, fact.Hint, fact.Until, fact.Command
	case Held:
		r.Held = fact.Version
	case Freed:
		r.Held = ""
	}
	if fact.Target != "" {
		r.Targets[fact.Target] = target
	}
}

// compactAt is how many lines the journal may have before it is rewritten
// without those that say nothing any more.
const compactAt = 60

// compact keeps the journal short.
func (r *Rollout) compact() error {
	if r.lines < compactAt+4*len(r.Targets) {
		return nil
	}
	var facts []Fact
	for id, target := range r.Targets {
		if target.Version != "" {
			facts = append(facts, Fact{At: target.At, Kind: Deployed, Target: id, Version: target.Version})
		}
		if target.Started != "" {
			facts = append(facts, Fact{At: target.At, Kind: Started, Target: id, Version: target.Started})
		}
		if target.Failures > 0 {
			facts = append(facts, Fact{At: target.FailedAt, Kind: Failed, Target: id, Version: target.Started,
				Error: target.Error, Hint: target.Hint, Until: target.Until, Command: target.Command, Failures: target.Failures})
		}
	}
	if r.Held != "" {
		facts = append(facts, Fact{Kind: Held, Version: r.Held})
	}
	if err := journal.Rewrite(r.path, facts); err != nil {
		return err
	}
	r.lines = len(facts)
	return nil
}
