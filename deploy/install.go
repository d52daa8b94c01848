package deploy

import (
	"context"
	"fmt"
	"slices"
)

// attempt is one job under way.
type attempt struct {
	Result
	files     []file
	dirs      *directories
	originals map[string]original // by path
	written   []file              // those that may have been renamed into place
	restored  error               // why the previous files could not be put back
	unsynced  []string            // what is in place, and may be lost with the power
	was       []Listener          // what the probes showed before the first write
	due       bool                // its commands have to run
	applied   bool                // they have run, without error
}

// Install writes each job's files, runs its target's check and reload, and
// probes. Results are in the order of jobs.
//
// Jobs with the same check and reload share one run of each, and all their files
// are written before it. Those with other commands of one program come after each
// other; none waits for another's probes. A file that is already right is
// not written again; no command runs for a target whose files are right and
// whose probes show the leaf. A symlink in place of a file is replaced, never
// written through, and one on the way there is followed only where package openat
// does. Files are staged beside their paths, all of a target's before the first
// is renamed, and those that they replace keep a second name until the end: what
// comes after the first rename, or undoes it, needs neither space nor a descriptor.
//
// When the check fails, or a handshake that worked before fails now, the
// previous files are put back if they were a valid pair, and check and reload
// run once more. If the old leaf is still served, or a connection is refused,
// the new files stay. Either way Err says so.
func Install(ctx context.Context, jobs []Job) []Result {
	var rounds Rounds
	return rounds.Install(ctx, jobs, rounds.Expect())
}

// look notes what is served before the first write.
func (a *attempt) look(ctx context.Context) {
	seen := probeTarget(ctx, a.Job.Target, a.Job.Bundle, inBoth)
	a.was = withoutRefused12(seen, func(Handshake) bool { return false })
}

// end completes the result.
func (a *attempt) end() {
	a.Warnings = append(warnings(a.Served, a.Job.Bundle), a.unsynced...)
	a.dropAsides()
	if a.Originals != "" {
		a.pruneOriginals()
	}
}

// pruneOriginals only warns when it fails: too many originals are better than a
// deployment that counts as failed.
func (a *attempt) pruneOriginals() {
	if err := a.Job.pruneOriginals(); err != nil {
		a.Warnings = append(a.Warnings, err.Error())
	}
}

// write replaces the files that differ, or none if it fails.
func (a *attempt) write(ctx context.Context) error {
	if err := a.read(ctx); err != nil {
		return fmt.Errorf("read target: %w", err)
	}
	stale := slices.DeleteFunc(slices.Clone(a.files), func(f file) bool {
		return f.differs(a.originals[f.path], a.Job.Target, a.Job.Bundle) == ""
	})
	if len(stale) == 0 {
		return nil
	}
	set, err := a.Job.copyOriginals(a.originals)
	if err != nil {
		return err
	}
	a.Originals = set
	if err := a.replace(stale); err != nil {
		return fmt.Errorf("write target: %w", err)
	}
	a.Changed = true
	a.compare(stale)
	return nil
}

// compare notes what else the files were that were replaced.
func (a *attempt) compare(written []file) {
	for _, f := range written {
		now, err := a.dirs.read(f.path)
		if err != nil {
			continue // somebody else took it away again: the next look says so
		}
		before := a.originals[f.path]
		if change := before.becomes(now, f.format); change != "" {
			a.Changes = append(a.Changes, f.path+": "+change)
		}
		if unlike := f.unlike(a.Job.Target, before.data); unlike != nil {
			a.Changes = append(a.Changes, fmt.Sprintf("%s was replaced: %v", f.path, unlike))
		}
	}
}

func (a *attempt) read(ctx context.Context) (err error) {
	if a.files, err = a.Job.Target.files(ctx); err != nil {
		return err
	}
	a.originals = make(map[string]original)
	for i, f := range a.files {
		if a.originals[f.path], err = a.dirs.read(f.path); err != nil {
			return err
		}
		a.files[i].before = a.originals[f.path].data
	}
	return nil
}
