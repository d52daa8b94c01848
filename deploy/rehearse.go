package deploy

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"sync"

	"dvagent/internal/atomicfile"
	"dvagent/internal/hint"
	"dvagent/internal/openat"
)

// Rehearsal is what came of trying, for one file of a target, what an installation
// does.
type Rehearsal struct {
	Path    string
	Err     error  // why it cannot be installed
	Warning error  // what it will not be as it is configured, or nil
	Change  string // what else than the content will change, as Result.Changes has it
}

// Place is what is known of what lies at a target's paths.
type Place int

const (
	Unknown Place = iota // nothing that dvagent installed: it has to pass CheckPlaces
	Ours                 // what dvagent installed, and somebody may have damaged
	AsItWas              // the pair that was installed: no file was touched since it was seen to hold it
)

// Rehearse is that of Rehearsals, for one target.
func Rehearse(ctx context.Context, t Target, place Place) ([]Rehearsal, error) {
	var rehearsals Rehearsals
	defer rehearsals.Close()
	return rehearsals.Rehearse(ctx, t, place)
}

// Rehearsals rehearse for many targets. What is the same for all files of a directory
// is tried once. They are for a moment, as the directories are that stay open. The
// zero value is ready, and safe for concurrent use.
type Rehearsals struct {
	mu    sync.Mutex
	tries map[trial]func() (original, error)
	idle  []*directories // of the rehearsals that have ended, for the next ones
}

// mostIdle bounds the directories that each rehearsal leaves open for the next one.
const mostIdle = 8

// Close lets the directories go.
func (r *Rehearsals) Close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, dirs := range r.idle {
		dirs.close()
	}
	r.idle = nil
}

// directories are those that an earlier rehearsal left, or none yet.
func (r *Rehearsals) directories() *directories {
	r.mu.Lock()
	defer r.mu.Unlock()
	last := len(r.idle) - 1
	if last < 0 {
		return newDirectories()
	}
	dirs := r.idle[last]
	r.idle = r.idle[:last]
	return dirs
}

// leave keeps the directories for another rehearsal, unless there are many.
func (r *Rehearsals) leave(dirs *directories) {
	if len(dirs.opened) > mostIdle {
		dirs.close()
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.idle = append(r.idle, dirs)
}

// trial is what decides how a file is that is made, beside its name.
type trial struct {
	dir      string
	mode     fs.FileMode
	uid, gid int
	long     string // the file's name, where it is so long that it may decide, too
}

// Rehearse tries what Install will do with each file of the target, in its directory
// and with a file of its own that it removes. What is at the paths is looked at and
// not touched, nor read where it is as it was. The error says that this host does not
// know the owner or the group.
func (rehearsals *Rehearsals) Rehearse(ctx context.Context, t Target, place Place) ([]Rehearsal, error) {
	files, err := t.files(ctx)
	if err != nil {
		return nil, err
	}
	dirs := rehearsals.directories()
	defer rehearsals.leave(dirs)
	look := dirs.examine
	if place == AsItWas {
		look = dirs.see
	}
	var all []Rehearsal
	for _, f := range files {
		r := Rehearsal{Path: f.path}
		var before, after original
		var fixed error
		if before, fixed, r.Err = look(f.path); r.Err == nil && place == Unknown {
			r.Err = advised(f.unlike(t, before.data))
		}
		if r.Err == nil && f.opaque {
			r.Err = t.CheckPassword()
		}
		if r.Err == nil {
			r.Err = fixed
		}
		if r.Err == nil {
			after, r.Err = rehearsals.try(dirs, f)
		}
		if r.Err == nil {
			r.Warning, r.Change = f.warning(after.is), before.becomes(after, f.format)
		}
		all = append(all, r)
	}
	return all, nil
}

// longName is what a name has that may be too long with what is put around it.
const longName = 200

// try returns what the file is that was tried in the place of f, or of one like it.
func (r *Rehearsals) try(d *directories, f file) (is original, err error) {
	dir, err := d.of(f.path)
	if err != nil {
		return is, err
	}
	what := trial{dir: dir.Path(), mode: f.mode, uid: f.uid, gid: f.gid}
	if len(f.name()) > longName {
		what.long = f.name()
	}
	r.mu.Lock()
	if r.tries == nil {
		r.tries = map[trial]func() (original, error){}
	}
	tried := r.tries[what]
	if tried == nil {
		tried = sync.OnceValues(func() (original, error) { return d.rehearse(dir, f) })
		r.tries[what] = tried
	}
	r.mu.Unlock()
	return tried()
}

// rehearse returns what the file is that was tried in the place of f.
func (d *directories) rehearse(dir *openat.Dir, f file) (is original, err error) {
	if err := dir.Hold(); err != nil {
		return is, err
	}
	own := atomicfile.File{Path: filepath.Join(filepath.Dir(f.path), tried(f.name())),
		Data: []byte("dvagent tries whether it can write here\n"), Mode: f.mode, UID: f.uid, GID: f.gid, Lenient: true}
	for range 3 { // another process may try, or clear away, the same
		if is, err = d.try(dir, own); !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrExist) {
			break
		}
	}
	return is, noRight(of(dir, err))
}

// tried is the name of the file that is tried in the place of name. It is always the
// same, so that what a killed process left can be cleared away, and nobody else's.
func tried(name string) string { return "." + name + ".check.dvagent" }

// try makes own, and removes it.
func (d *directories) try(dir *openat.Dir, own atomicfile.File) (is original, err error) {
	defer func() { err = also(err, clearTried(dir, filepath.Base(own.Path))) }()
	if err := replaced(dir, own); err != nil {
		return is, err
	}
	is, err = d.read(own.Path)
	if err == nil && !is.exists {
		err = fs.ErrNotExist
	}
	return is, err
}

// of says err of the directory: the name of a file of ours in it says nothing.
func of(dir *openat.Dir, err error) error {
	var failed *fs.PathError
	if errors.As(err, &failed) {
		return &fs.PathError{Op: failed.Op, Path: dir.Path(), Err: failed.Err}
	}
	return err
}

// replaced makes own and puts another file in its place, as Install does.
func replaced(dir *openat.Dir, own atomicfile.File) error {
	name := filepath.Base(own.Path)
	for range 2 {
		if _, err := atomicfile.Stage(dir, own); err != nil {
			return err
		}
		if err := atomicfile.Place(dir, name); err != nil {
			return err
		}
		_ = atomicfile.SetAside(dir, name) // without hard links, Install makes a copy
	}
	return nil
}

// clearTried removes a file that was tried and what is beside it.
func clearTried(dir *openat.Dir, name string) error {
	err := clearBeside(dir, name)
	if again := dir.Remove(name); !errors.Is(again, fs.ErrNotExist) {
		err = also(err, again)
	}
	return err
}

// warning says what a file with these attributes is not that f should be.
func (f file) warning(is Attributes) error {
	text := f.shortcoming(is)
	switch {
	case text != "" && f.secret:
		return hint.Add(fmt.Errorf("%s %s", f.path, text), "put the key on a file system that keeps them, or mount this one with a mask (umask=077)")
	case text != "":
		return fmt.Errorf("%s %s", f.path, text)
	}
	return nil
}
