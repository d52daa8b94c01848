package deploy

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"golang.org/x/sys/unix"

	"dvagent/internal/atomicfile"
	"dvagent/internal/hint"
	"dvagent/internal/openat"
)

// replace does all that can fail for want of space, rights or descriptors before
// it renames the first file.
func (a *attempt) replace(stale []file) error {
	for _, f := range stale {
		if err := a.ready(f); err != nil {
			a.discard(stale)
			return err
		}
	}
	for _, f := range stale {
		a.written = append(a.written, f) // also when it fails: over a network it may have been done
		if err := atomicfile.Place(a.dir(f), f.name()); err != nil {
			a.restored = a.restore()
			a.discard(stale)
			return also(err, a.restored)
		}
	}
	a.sync(a.written)
	return nil
}

// ready stages f, and sets aside what it replaces.
func (a *attempt) ready(f file) error {
	dir := a.dir(f)
	if err := dir.Fixed(f.name()); err != nil {
		return err
	}
	if err := enough(dir.Hold()); err != nil {
		return err
	}
	is, err := f.stage(dir, a.Job.Target, a.Job.Bundle)
	if err != nil {
		return enough(err)
	}
	a.note(f, is)
	return enough(a.originals[f.path].setAside(dir, f.path))
}

// enough adds to an error that there are too few descriptors what to do.
func enough(err error) error {
	if errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE) {
		return hint.Add(err, "raise the limit of open files (ulimit -n, LimitNOFILE=, fs.file-max)")
	}
	return err
}

// sync makes the new names durable. They are in place without it, too.
func (a *attempt) sync(files []file) {
	synced := map[*openat.Dir]bool{}
	for _, f := range files {
		dir := a.dir(f)
		if synced[dir] {
			continue
		}
		synced[dir] = true
		if err := dir.Sync(); err != nil {
			a.unsynced = append(a.unsynced, "the files are in place, and may be lost if the power fails now: "+err.Error())
		}
	}
}

// discard removes what was staged and set aside, as far as it can. The next look
// at the target removes the rest. What could not be put back stays until then.
func (a *attempt) discard(files []file) {
	for _, f := range files {
		if a.stranded() {
			_ = atomicfile.Discard(a.dir(f), f.name())
		} else {
			_ = clearBeside(a.dir(f), f.name())
		}
	}
}

// dropAsides removes the second names of what was replaced. They may hold a key.
// What could not be put back keeps its own until the next look at the target.
func (a *attempt) dropAsides() {
	if a.stranded() {
		return
	}
	for _, f := range a.written {
		if err := clearBeside(a.dir(f), f.name()); err != nil {
			a.Warnings = append(a.Warnings, "what was there before is left, and is removed at the next look: "+err.Error())
		}
	}
}

// stranded says that a file was replaced and could not be put back. Where the very
// first rename fails, nothing was.
func (a *attempt) stranded() bool { return a.restored != nil && len(a.written) > 1 }

func clearBeside(dir *openat.Dir, name string) error {
	return also(atomicfile.Discard(dir, name), atomicfile.DropAside(dir, name))
}

// also makes one line of two errors.
func also(err, other error) error {
	if err == nil || other == nil {
		return cmp.Or(err, other)
	}
	return fmt.Errorf("%w; %w", err, other)
}

// Clear removes what an installation that was killed, or could not, has left
// beside a target's files: it may hold a key. No installation may be at work on the
// target.
func Clear(t Target) error {
	dirs := newDirectories()
	defer dirs.close()
	var all error
	for _, path := range t.Paths() {
		dir, err := dirs.of(path)
		if err != nil {
			continue // it holds nothing of ours; the installation says why it is not to be opened
		}
		name := filepath.Base(path)
		all = also(all, also(clearBeside(dir, name), clearTried(dir, tried(name))))
	}
	return all
}

// dir is the directory of a file that was read.
func (a *attempt) dir(f file) *openat.Dir {
	dir, _ := a.dirs.of(f.path) // it is open
	return dir
}

// restore puts back what was at every path that was written. It goes on after a
// failure: a part of the old pair is no worse than none.
func (a *attempt) restore() error {
	var first error
	for _, f := range a.written {
		if err := a.originals[f.path].putBack(a.dir(f), f.path); err != nil && first == nil {
			first = fmt.Errorf("put the previous files back: %w", err)
		}
	}
	a.sync(a.written)
	return first
}

// setAside makes ready that o is put back at path, in dir, by one rename.
func (o original) setAside(dir *openat.Dir, path string) error {
	name := filepath.Base(path)
	if o.gone() {
		return atomicfile.DropAside(dir, name)
	}
	if atomicfile.SetAside(dir, name) == nil {
		return nil
	}
	return o.copyAside(dir, path) // there are no hard links here, or not for us
}

// gone says that there was nothing at the path which is put back. A link that was
// not followed is not: ours would be followed.
func (o original) gone() bool { return !o.exists || o.foreign }

// copyAside writes o anew; if it may not set the owner, without that.
func (o original) copyAside(dir *openat.Dir, path string) error {
	if o.link != "" {
		return atomicfile.SetAsideLink(dir, o.link, filepath.Base(path))
	}
	f := atomicfile.File{Path: path, Data: o.data, Mode: o.is.Mode, UID: o.is.UID, GID: o.is.GID, Lenient: true}
	err := atomicfile.SetAsideCopy(dir, f)
	if errors.Is(err, fs.ErrPermission) {
		f.UID, f.GID = atomicfile.Keep, atomicfile.Keep
		err = atomicfile.SetAsideCopy(dir, f)
	}
	return err
}

// putBack puts o back at path, in dir, where it was set aside.
func (o original) putBack(dir *openat.Dir, path string) error {
	name := filepath.Base(path)
	if o.gone() {
		if err := dir.Remove(name); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	err := atomicfile.PutBack(dir, name)
	if errors.Is(err, fs.ErrNotExist) { // somebody else took it away
		if err := o.copyAside(dir, path); err != nil {
			return err
		}
		return atomicfile.PutBack(dir, name)
	}
	return err
}
