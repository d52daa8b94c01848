package deploy

import (
	"context"
	"fmt"
	"slices"

	"dvagent/internal/atomicfile"
)

// attempt is one job under way.
type attempt struct {
	Result
	files    []file
	before   map[string]original // by path
	written  []file              // those that may have been renamed into place
	restored error               // why the files before could not be put back
	was      []Listener          // what the probes showed before the first write
	due      bool                // its commands have to run
	applied  bool                // they have, without error
}

// Install writes each job's files, runs the check and the reload of its target,
// and probes. Results are in the order of jobs.
//
// Jobs with the same check and reload are checked once and reloaded once; those
// with others wait for none of that, only until all files are written. A file that is right already is not written again; a target
// that is right, and is seen to be served, has no command run. A symlink in
// place of a file is replaced, never written through. Files are staged beside
// their paths, all of a target before the first is renamed.
//
// When the check fails, or a handshake that worked before fails now, the files
// before are put back if they were a valid pair, and check and reload run once
// more. An old leaf that is still served, or a refused connection, leaves the
// new files. Either way Err says so.
func Install(ctx context.Context, jobs []Job) []Result {
	attempts := make([]*attempt, len(jobs))
	for i, job := range jobs {
		attempts[i] = &attempt{Result: Result{Job: job}}
	}
	sideBySide(attempts, len(attempts), func(a *attempt) {
		a.was = without12(glance(ctx, a.Job.Target, a.Job.Bundle, inBoth), a.worked) // nothing worked yet
	})
	sideBySide(attempts, atOnce, func(a *attempt) { a.Err = a.write() }) // the disk's syncs overlap
	sideBySide(byCommands(attempts), len(attempts), func(r round) {
		r.apply(ctx)
		r.prove(ctx)
		r.settle(ctx)
	})
	results := make([]Result, len(jobs))
	for i, a := range attempts {
		a.Warnings = warnings(a.Served, a.Job.Bundle)
		if a.Kept != "" {
			a.pruneKept()
		}
		results[i] = a.Result
	}
	return results
}

// pruneKept only warns when it fails: too many originals are better than a
// deployment that counts as failed.
func (a *attempt) pruneKept() {
	if err := a.Job.prune(); err != nil {
		a.Warnings = append(a.Warnings, err.Error())
	}
}

// write puts the files that differ in place, or leaves all as they were.
func (a *attempt) write() error {
	if err := a.read(); err != nil {
		return fmt.Errorf("read target: %w", err)
	}
	stale := slices.DeleteFunc(slices.Clone(a.files), func(f file) bool {
		return f.differs(a.before[f.path], a.Job.Target, a.Job.Bundle) == ""
	})
	if len(stale) == 0 {
		return nil
	}
	kept, err := a.Job.keep(a.before)
	if err != nil {
		return err
	}
	a.Kept = kept
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
	a.before = make(map[string]original)
	for _, f := range a.files {
		if a.before[f.path], err = look(f.path); err != nil {
			return err
		}
	}
	return nil
}

// replace stages all files before it renames the first, so that a full disk
// is met while nothing has changed.
func (a *attempt) replace(stale []file) error {
	for i, f := range stale {
		if err := f.stage(a.Job.Target, a.Job.Bundle); err != nil {
			discard(stale[:i])
			return err
		}
	}
	for _, f := range stale {
		a.written = append(a.written, f) // also when only the directory's sync fails
		if err := atomicfile.Commit(f.path); err != nil {
			discard(stale)
			if again := a.restore(); again != nil {
				return fmt.Errorf("%w; %w", err, again)
			}
			return err
		}
	}
	return nil
}

// discard removes staged files as far as it can: the next stage does the rest.
func discard(files []file) {
	for _, f := range files {
		_ = atomicfile.Discard(f.path)
	}
}

// restore makes every path that was written what it was, and goes on after a
// failure: a part of the old pair is no worse than none.
func (a *attempt) restore() error {
	var first error
	for _, f := range a.written {
		if err := a.before[f.path].restore(f.path); err != nil && first == nil {
			first = fmt.Errorf("put the files before back: %w", err)
		}
	}
	return first
}
