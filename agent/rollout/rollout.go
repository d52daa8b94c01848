// Package rollout keeps what is known of a certificate's deployments: which
// version each target was last shown to serve, where it was uploaded to, what failed and when it is
// tried again, and which version is held. It touches the disk only, installs
// nothing and decides nothing.
package rollout

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"dvagent/internal/clock"
	"dvagent/internal/journal"
)

// Kind names what a fact says.
type Kind string

const (
	Started  Kind = "started"  // Target, Version, and Place of an upload: right before the first file is touched, or the pair is sent
	Deployed Kind = "deployed" // Target, Version, and Place of an upload: installed, and served where there is a probe
	Told     Kind = "told"     // Target, an event, Version, and Place where that is known: its hooks ran
	Failed   Kind = "failed"   // Target, Version, Error, Hint, Cause, Until, Passes, and Command where one failed
	Left     Kind = "left"     // Target, and the ID of a newer pair of somebody else's that stays there
	Held     Kind = "held"     // Version: rolled back to, until the next issuance
	Freed    Kind = "freed"    // the hold is over
	Unkept   Kind = "unkept"   // Target, Instead: what its file systems keep of modes and owners
)

// Fact is one line of the journal.
type Fact struct {
	At      time.Time `json:"at"`
	Kind    Kind      `json:"fact"`
	Target  string    `json:"target,omitempty"`
	Version string    `json:"version,omitempty"`
	Error   string    `json:"error,omitempty"`
	Hint    string    `json:"hint,omitempty"`
	Cause   string    `json:"cause,omitempty"`
	Until   time.Time `json:"until,omitzero"`
	Passes  bool      `json:"passes,omitempty"`
	Command *Command  `json:"command,omitempty"`
	Place   *Place    `json:"place,omitempty"`

	Instead map[string]Attributes `json:"instead,omitempty"`

	// Where a shortened journal says so:
	Failures int         `json:"failures,omitempty"` // in a row
	Installs []time.Time `json:"installs,omitempty"`
}

// Command is how the check, reload or hook ended that made something fail.
type Command struct {
	Program  string `json:"program"`
	ExitCode int    `json:"exit_code"` // -1 when it was not started, was killed or was stopped
	Output   string `json:"output"`    // the last KiB, without private keys
}

// File is the name of the journal in its certificate's directory.
const File = "rollout.journal"

// Rollout is the state that the facts amount to.
type Rollout struct {
	Held    string            // the version that is held, or empty
	Targets map[string]Target // by the id of a deployment's target, Upload, and by event for the hooks

	dir string
	log *journal.Log[Fact]
}

// Target is the state of one deployment, of the upload, or of the hooks of one
// event.
type Target struct {
	Version  string // that it was last shown to serve, or was told of
	At       time.Time
	Place    *Place  // where the account keeps that version, as far as it was known
	Started  string  // the version whose installation was begun and not finished
	Failure  Failure // the last one since
	Failures int     // in a row
	Left     string  // the ID of the newer pair of somebody else's that stays there, or empty

	Installs []time.Time           // of the same version within the last hour, but those that failed
	Instead  map[string]Attributes // by path, what files have whose file system does not keep what they were given
}

// Begun says that an installation on the target was begun at any time: what lies
// there is ours, or was.
func (t Target) Begun() bool { return t.Version != "" || t.Started != "" }

// Failure is why something did not go well. Without a text there is none.
type Failure struct {
	Text, Hint string
	Cause      string // a word that the agent decides by
	At         time.Time
	Until      time.Time // not tried again before then
	Passes     bool      // by itself, or by what is done on another host
	Command    *Command  // that failed, or nil
}

// Load reads the rollout of the certificate whose directory is dir.
func Load(dir string) (*Rollout, error) {
	log, facts, err := journal.Open[Fact](filepath.Join(dir, File))
	if err != nil {
		return nil, err
	}
	r := &Rollout{Targets: map[string]Target{}, dir: dir, log: log}
	for _, fact := range facts {
		r.apply(fact)
	}
	return r, nil
}

// Damage tells what of the journal could not be read.
func (r *Rollout) Damage() journal.Damage { return r.log.Damage() }

// Start comes right before the first file of a target is touched.
func (r *Rollout) Start(target, version string) error {
	return r.record(Fact{Kind: Started, Target: target, Version: version})
}

// Deployed says that a target has the version.
func (r *Rollout) Deployed(target, version string) error {
	return r.record(Fact{Kind: Deployed, Target: target, Version: version})
}

// Keeps says what files of a target have whose file systems do not keep the mode
// and owner that they were given.
func (r *Rollout) Keeps(target string, instead map[string]Attributes) error {
	return r.record(Fact{Kind: Unkept, Target: target, Instead: instead})
}

// Leave says that a newer pair of somebody else's stays in a target.
func (r *Rollout) Leave(target, pair string) error {
	return r.record(Fact{Kind: Left, Target: target, Version: pair})
}

// Told says that the hooks of an event ran for the version.
func (r *Rollout) Told(event, version string) error {
	return r.record(Fact{Kind: Told, Target: event, Version: version, Place: r.Place(version)})
}

// Fail records why a target, or the hooks of an event, failed; f.At is now.
func (r *Rollout) Fail(target, version string, f Failure) error {
	return r.record(failed(target, version, f))
}

// Hold keeps the version until it is freed.
func (r *Rollout) Hold(version string) error { return r.record(Fact{Kind: Held, Version: version}) }

// Free ends the hold.
func (r *Rollout) Free() error { return r.record(Fact{Kind: Freed}) }

// record makes a fact durable, dated now, and applies it.
func (r *Rollout) record(fact Fact) error {
	fact.At = clock.Now()
	if err := os.MkdirAll(r.dir, 0o700); err != nil {
		return fmt.Errorf("record rollout: %w", err)
	}
	if err := r.log.Append(fact); err != nil {
		return err
	}
	r.apply(fact)
	return r.compact()
}

func (r *Rollout) apply(fact Fact) {
	target := r.Targets[fact.Target]
	switch fact.Kind {
	case Started:
		target.begin(fact)
	case Deployed, Told:
		target.end(fact)
	case Left:
		target = Target{Version: target.Version, At: target.At, Place: target.Place, Instead: target.Instead, Left: fact.Version}
	case Unkept:
		target.Instead = fact.Instead
	case Failed:
		target.withdraw(fact)
		target.Failures = max(fact.Failures, target.Failures+1)
		target.Failure = Failure{Text: fact.Error, Hint: fact.Hint, Cause: fact.Cause, At: fact.At, Until: fact.Until, Passes: fact.Passes, Command: fact.Command}
	case Held:
		r.Held = fact.Version
	case Freed:
		r.Held = ""
	}
	if fact.Target != "" {
		r.Targets[fact.Target] = target
	}
}

// Clear removes what a killed process left of a journal that was made shorter. It is for
// the holder of the lock; an error is told when that is done again.
func (r *Rollout) Clear() { _ = r.log.Clear() }

// compact keeps the journal short.
func (r *Rollout) compact() error {
	var facts []Fact
	for id, target := range r.Targets {
		if target.Version != "" {
			fact := Fact{At: target.At, Kind: Deployed, Target: id, Version: target.Version, Place: target.Place}
			if target.Started == "" {
				fact.Installs = target.Installs
			}
			facts = append(facts, fact)
		}
		if target.Left != "" {
			facts = append(facts, Fact{At: target.At, Kind: Left, Target: id, Version: target.Left})
		}
		if target.Started != "" {
			facts = append(facts, Fact{At: target.At, Kind: Started, Target: id, Version: target.Started, Installs: target.Installs})
		}
		if len(target.Instead) > 0 {
			facts = append(facts, Fact{Kind: Unkept, Target: id, Instead: target.Instead})
		}
		if target.Failures > 0 {
			fact := failed(id, target.Started, target.Failure)
			fact.Failures = target.Failures
			facts = append(facts, fact)
		}
	}
	if r.Held != "" {
		facts = append(facts, Fact{Kind: Held, Version: r.Held})
	}
	if !r.log.Long(len(facts)) {
		return nil
	}
	return r.log.Rewrite(facts)
}

func failed(target, version string, f Failure) Fact {
	return Fact{At: f.At, Kind: Failed, Target: target, Version: version,
		Error: f.Text, Hint: f.Hint, Cause: f.Cause, Until: f.Until, Passes: f.Passes, Command: f.Command}
}
