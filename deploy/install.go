package deploy

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"

	"dvagent/internal/atomicfile"
	"dvagent/internal/openat"
)

// attempt is one job under way.
type attempt struct {
	Result
	files     []file
	dirs      directories
	originals map[string]original // by path
	written   []file              // those that may have been renamed into place
	restored  error               // why the previous files could not be put back
	was       []Listener          // what the probes showed before the first write
	due       bool                // its commands have to run
	applied   bool                // they have run, without error
}

// Install writes each job's files, runs its target's check and reload, and
// probes. Results are in the order of jobs.
//
// All files are written first. Then jobs with the same check and reload share
// one run of each, and wait for no other jobs. A file that is already right is
// not written again; no command runs for a target whose files are right and
// whose probes show the leaf. A symlink in place of a file is replaced, never
// written through, and one on the way there is followed only where package openat
// does. Files are staged beside their paths, all of a target's before the first
// is renamed.
//
// When the check fails, or a handshake that worked before fails now, the
// previous files are put back if they were a valid pair, and check and reload
// run once more. If the old leaf is still served, or a connection is refused,
// the new files stay. Either way Err says so.
func Install(ctx context.Context, jobs []Job) []Result {
	attempts := make([]*attempt, len(jobs))
	for i, job := range jobs {
		attempts[i] = &attempt{Result: Result{Job: job}, dirs: directories{}}
		defer attempts[i].dirs.close()
	}
	sideBySide(attempts, len(attempts), func(a *attempt) {
		seen := probeTarget(ctx, a.Job.Target, a.Job.Bundle, inBoth)
		a.was = withoutRefused12(seen, func(Handshake) bool { return false })
	})
	sideBySide(attempts, atOnce, func(a *attempt) { a.Err = a.write() }) // so that syncs overlap
	sideBySide(byCommands(attempts), len(attempts), func(r round) {
		r.apply(ctx)
		r.prove(ctx)
		r.settle(ctx)
	})
	results := make([]Result, len(jobs))
	for i, a := range attempts {
		a.Warnings = warnings(a.Served, a.Job.Bundle)
		if a.Originals != "" {
			a.pruneOriginals()
		}
		results[i] = a.Result
	}
	return results
}

// pruneOriginals only warns when it fails: too many originals are better than a
// deployment that counts as failed.
func (a *attempt) pruneOriginals() {
	if err := a.Job.pruneOriginals(); err != nil {
		a.Warnings = append(a.Warnings, err.Error())
	}
}

// write replaces the files that differ, or none if it fails.
func (a *attempt) write() error {
	if err := a.read(); err != nil {
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
	return nil
}

func (a *attempt) read() (err error) {
	if a.files, err = a.Job.Target.files(); err != nil {
		return err
	}
	a.originals = make(map[string]original)
	for _, f := range a.files {
		if a.originals[f.path], err = a.dirs.read(f.path); err != nil {
			return err
		}
	}
	return nil
}

// replace stages all files before it renames the first, so that a full disk is
// noticed before anything has changed.
func (a *attempt) replace(stale []file) error {
	for i, f := range stale {
		if err := f.stage(a.dir(f), a.Job.Target, a.Job.Bundle); err != nil {
			a.discard(stale[:i])
			return err
		}
	}
	for _, f := range stale {
		a.written = append(a.written, f) // also when only the directory's sync fails
		if err := atomicfile.Commit(a.dir(f), filepath.Base(f.path)); err != nil {
			a.discard(stale)
			if again := a.restore(); again != nil {
				return fmt.Errorf("%w; %w", err, again)
			}
			return err
		}
	}
	return nil
}

// discard removes staged files as far as it can. Staging again replaces the rest.
func (a *attempt) discard(files []file) {
	for _, f := range files {
		_ = atomicfile.Discard(a.dir(f), filepath.Base(f.path))
	}
}

// dir is the directory of a file that was read.
func (a *attempt) dir(f file) *openat.Dir { return a.dirs[filepath.Dir(f.path)] }

// restore puts back what was at every path that was written. It goes on after a
// failure: a part of the old pair is no worse than none.
func (a *attempt) restore() error {
	var first error
	for _, f := range a.written {
		if err := a.originals[f.path].restore(a.dir(f), f.path); err != nil && first == nil {
			first = fmt.Errorf("put the previous files back: %w", err)
		}
	}
	return first
}
