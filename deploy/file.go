package deploy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"sync"

	"dvagent/internal/atomicfile"
	"dvagent/internal/bundle"
	"dvagent/internal/hint"
	"dvagent/internal/openat"
	"dvagent/internal/users"
)

// file is one path of a target, and the format, mode and owner it should have.
type file struct {
	format
	path     string
	mode     fs.FileMode
	uid, gid int
	before   []byte // what is there, once it was read
}

// name is what the path ends in.
func (f file) name() string { return filepath.Base(f.path) }

// files resolves the target's paths, modes and owner.
func (t Target) files(ctx context.Context) ([]file, error) {
	uid, gid, err := t.Numbers(ctx)
	if err != nil {
		return nil, err
	}
	var files []file
	for _, format := range formats {
		if path := format.path(t); path != "" {
			files = append(files, file{format: format, path: path, mode: t.modeOf(format), uid: uid, gid: gid})
		}
	}
	return files, nil
}

func (t Target) modeOf(f format) fs.FileMode {
	if f.secret {
		return cmp.Or(t.KeyMode, DefaultKeyMode).Perm()
	}
	return cmp.Or(t.Mode, DefaultMode).Perm()
}

// Numbers are those that the target's owner and group have now; atomicfile.Keep for
// one that is not given.
func (t Target) Numbers(ctx context.Context) (uid, gid int, err error) {
	uid, gid = atomicfile.Keep, atomicfile.Keep
	if t.Owner != "" {
		if uid, err = users.UID(ctx, t.Owner); err != nil {
			return 0, 0, fmt.Errorf("look up owner: %w", err)
		}
	}
	if t.Group != "" {
		if gid, err = users.GID(ctx, t.Group); err != nil {
			return 0, 0, fmt.Errorf("look up group: %w", err)
		}
	}
	return uid, gid, nil
}

// directories are those of targets' files, by path. They stay open from the first
// look at a file until all is in place: nobody puts others there meanwhile.
type directories struct {
	mu     sync.Mutex
	opened map[string]func() (*openat.Dir, error)
}

func newDirectories() *directories {
	return &directories{opened: map[string]func() (*openat.Dir, error){}}
}

// of opens the directory of path, once.
func (d *directories) of(path string) (*openat.Dir, error) {
	parent := filepath.Dir(path)
	d.mu.Lock()
	open := d.opened[parent]
	if open == nil {
		open = sync.OnceValues(func() (*openat.Dir, error) { return openDirectory(parent) })
		d.opened[parent] = open
	}
	d.mu.Unlock()
	return open()
}

func openDirectory(path string) (*openat.Dir, error) {
	dir, err := openat.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, hint.Add(err, "mkdir -p "+path)
	}
	return dir, enough(err)
}

func (d *directories) close() {
	for _, open := range d.opened {
		if dir, err := open(); err == nil {
			dir.Close()
		}
	}
}

// original is what was at a path before we wrote.
type original struct {
	exists  bool
	link    string // where it leads, if it is a symlink
	foreign bool   // it is a symlink that others could have made, and was not followed
	data    []byte // read through the link; nil if that leads nowhere
	is      Attributes
	acl     []string // as openat.File has it
	names   int      // as openat.File has it
	others  error    // who beside root and this process's user can change it
}

// read reads what is at path. An irregular or oversized file is an error: it is
// no certificate, and must not be replaced.
func (d *directories) read(path string) (original, error) {
	dir, err := d.of(path)
	if err != nil {
		return original{}, err
	}
	f, err := dir.ReadFile(filepath.Base(path), bundle.MaxBytes)
	foreign, missing := errors.Is(err, openat.ErrForeignLink), errors.Is(err, fs.ErrNotExist)
	switch {
	case missing && f.Link == "":
		return original{}, nil
	case missing || foreign:
		return original{exists: true, link: f.Link, foreign: foreign}, nil
	case err != nil:
		return original{}, err
	}
	return originalOf(f), nil
}

func originalOf(f openat.File) original {
	is := Attributes{Mode: f.Mode, UID: f.UID, GID: f.GID, Device: f.Device}
	return original{exists: true, link: f.Link, data: f.Data, is: is, acl: f.ACL, names: f.Names, others: f.Others}
}

// see looks at a regular file without reading it: its data is empty. fixed is why no
// rename can put another file in its place.
func (d *directories) see(path string) (o original, fixed, err error) {
	dir, err := d.of(path)
	if err != nil {
		return original{}, nil, err
	}
	f, fixed, err := dir.Look(filepath.Base(path))
	if err != nil {
		return original{}, nil, err
	}
	f.Data = []byte{}
	return originalOf(f), fixed, nil
}

// examine is read, and says what see says.
func (d *directories) examine(path string) (o original, fixed, err error) {
	if o, err = d.read(path); err != nil {
		return original{}, nil, err
	}
	dir, err := d.of(path)
	if err != nil {
		return original{}, nil, err
	}
	return o, dir.Fixed(filepath.Base(path)), nil
}

// differs says how o differs from what f should be, or "" if it does not. A
// symlink is judged by the file it leads to.
func (f file) differs(o original, t Target, b *bundle.Bundle) string {
	switch {
	case !o.exists:
		return "is missing"
	case o.foreign:
		return "is a link that another user could have made"
	case o.data == nil:
		return "is a link to nothing"
	case !f.holds(t, o.data, b):
		return "holds something else"
	case o.is == t.Instead[f.path]:
		return ""
	}
	return f.lacks(o.is)
}

// stage writes the content of f to a temporary file beside its path, and says what
// that has of the mode and the owner.
func (f file) stage(dir *openat.Dir, t Target, b *bundle.Bundle) (Attributes, error) {
	data, err := f.encode(t, b, f.before)
	if err != nil {
		return Attributes{}, fmt.Errorf("encode %s: %w", f.path, err)
	}
	is, err := atomicfile.Stage(dir, atomicfile.File{Path: f.path, Data: data, Mode: f.mode, UID: f.uid, GID: f.gid, Lenient: true})
	return is, noRight(err)
}

func noRight(err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return hint.Add(err, "run as root, or let the agent's user write there and leave owner and group out")
	}
	return err
}
