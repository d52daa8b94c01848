package deploy

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"dvagent/internal/bundle/atomicfile"
)

// attempt is one job under way.
type attempt struct {
	Result
	files    []file
	before   map[string]original // by path
	restored error               // why the files before could not be put back
	was      []Handshake         // what the probes showed before the first write
	due      bool                // its commands have to run
	applied  bool                // they have, without error
}

// Install writes each job's files, runs the check and the reload of its target,
// and probes. Results are in the order of jobs.
//
// Jobs with the same check and reload are written together, checked once and
// reloaded once. A file that is right already is not written again; a target
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
	sideBySide(attempts, func(a *attempt) { a.was = probeAll(ctx, a.Job.Target, a.Job.Bundle) })
	rounds := byCommands(attempts)
	for _, r := range rounds {
		r.apply(ctx)
	}
	sideBySide(attempts, func(a *attempt) { a.prove(ctx) })
	for _, r := range rounds {
		r.settle(ctx)
	}
	results := make([]Result, len(jobs))
	for i, a := range attempts {
		results[i] = a.Result
	}
	return results
}

// write puts the files that differ in place, or leaves all as they were.
func (a *attempt) write() error {
	if err := a.read(); err != nil {
		return fmt.Errorf("read target: %w", err)
	}
	t, b := a.Job.Target, a.Job.Bundle
	stale := slices.DeleteFunc(slices.Clone(a.files), func(f file) bool {
		return f.differs(a.before[f.path], t, b) == ""
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
			return errors.Join(err, discard(stale[:i]))
		}
	}
	for i, f := range stale {
		if err := atomicfile.Commit(f.path); err != nil {
			return errors.Join(err, discard(stale[i+1:]), a.restore())
		}
	}
	return nil
}

func discard(files []file) error {
	var all []error
	for _, f := range files {
		all = append(all, atomicfile.Discard(f.path))
	}
	return errors.Join(all...)
}

// restore makes every path what it was.
func (a *attempt) restore() error {
	var all []error
	for path, o := range a.before {
		all = append(all, o.restore(path))
	}
	if err := errors.Join(all...); err != nil {
		return fmt.Errorf("put the files before back: %w", err)
	}
	return nil
}
