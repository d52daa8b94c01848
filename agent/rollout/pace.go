package rollout

import (
	"cmp"
	"io/fs"
	"slices"
	"time"
)

// Attributes are a file's mode and owner, and the device of its file system.
type Attributes struct {
	Mode   fs.FileMode `json:"mode"`
	UID    int         `json:"uid"`
	GID    int         `json:"gid"`
	Device uint64      `json:"device"`
}

// MostInstalls is how often one version is installed on a target within an hour,
// whatever takes it away again.
const MostInstalls = 20

// TooOften is the cause of a failure where MostInstalls was reached.
const TooOften = "installed too often"

const paceOf = time.Hour

// NextInstall is when the version may be installed again; zero: it may be now.
func (t Target) NextInstall(version string, now time.Time) time.Time {
	if version != t.latest() {
		return time.Time{}
	}
	recent := within(t.Installs, now)
	if len(recent) < MostInstalls {
		return time.Time{}
	}
	return recent[len(recent)-MostInstalls].Add(paceOf)
}

// latest is the version that was last begun to be installed.
func (t Target) latest() string { return cmp.Or(t.Started, t.Version) }

// begin notes an installation.
func (t *Target) begin(fact Fact) {
	if fact.Version != t.latest() {
		t.Installs = nil
	}
	t.Installs = within(append(t.Installs, fact.At), fact.At)
	t.Installs = t.Installs[max(0, len(t.Installs)-MostInstalls):]
	if fact.Installs != nil {
		t.Installs = slices.Clone(fact.Installs)
	}
	t.Started = fact.Version
}

// end notes that a version is in place.
func (t *Target) end(fact Fact) {
	installs := t.Installs
	if fact.Version != t.latest() {
		installs = nil
	}
	*t = Target{Version: fact.Version, At: fact.At, Place: fact.Place, Instead: t.Instead, Installs: append(installs, fact.Installs...)}
}

// withdraw forgets the installation that failed: it has a pace of its own.
func (t *Target) withdraw(failure Fact) {
	if n := len(t.Installs); n > 0 && t.Started != "" && failure.Failures == 0 && failure.Cause != TooOften {
		t.Installs = t.Installs[:n-1]
	}
}

// within leaves out what lies more than an hour before now, or after it: by a
// clock that was wrong.
func within(times []time.Time, now time.Time) []time.Time {
	return slices.DeleteFunc(slices.Clone(times), func(at time.Time) bool {
		return now.Sub(at) >= paceOf || at.After(now)
	})
}
