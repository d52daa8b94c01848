// Package atomicfile replaces files so that a reader, or a machine that loses
// power, sees the old content or the new, never a part. It takes no locks:
// two writers of one path must be kept apart by the caller.
package atomicfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"dvagent/internal/openat"
)

// File is what a path shall hold. Keep as UID or GID leaves that id as the
// process makes it.
type File struct {
	Path     string
	Data     []byte
	Mode     fs.FileMode // permission bits, whatever the umask
	UID, GID int

	// Lenient takes it that the file system sets no mode or owner, as exFAT and CIFS
	// do. Attributes say what the file has instead.
	Lenient bool
	// Volatile spares the syncs: after a loss of power the file may be old, or damaged.
	Volatile bool
}

// Attributes are what a file has, whatever it was given.
type Attributes struct {
	Mode     fs.FileMode // permission bits
	UID, GID int
	Device   uint64 // of its file system, while that is mounted
}

// Keep is the UID or GID that is not changed.
const Keep = -1

// name is what f.Path ends in: of a directory that is open, the rest no longer
// counts.
func (f File) name() string { return filepath.Base(f.Path) }

// Write is Stage and Commit in the directory of f.Path.
func Write(f File) error { return within(f.Path, f.WriteIn) }

// WriteIn is Stage and Commit.
func (f File) WriteIn(dir *openat.Dir) error {
	if _, err := Stage(dir, f); err != nil {
		return err
	}
	if f.Volatile {
		return Place(dir, f.name())
	}
	return Commit(dir, f.name())
}

// within does something in the directory of path.
func within(path string, do func(dir *openat.Dir) error) error {
	dir, err := openat.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	return do(dir)
}

// Stage writes and syncs f under its temporary name in dir, the directory of
// f.Path. That name is always the same, so what a killed process left is cleared
// by the next Stage instead of piling up.
func Stage(dir *openat.Dir, f File) (Attributes, error) {
	if err := Discard(dir, f.name()); err != nil {
		return Attributes{}, err
	}
	made, err := create(dir, temporary(f.name()), f)
	if err != nil {
		_ = Discard(dir, f.name()) // the first error is the one to tell
	}
	return made, err
}

// Commit renames what was staged for name into place and syncs the directory.
// A symlink of that name is replaced, never followed.
func Commit(dir *openat.Dir, name string) error {
	if err := Place(dir, name); err != nil {
		_ = Discard(dir, name) // the first error is the one to tell
		return err
	}
	return dir.Sync()
}

// Place is Commit without the sync: it is one rename, and needs no descriptor.
func Place(dir *openat.Dir, name string) error { return dir.Rename(temporary(name), name) }

// CommitNew is Commit for a name that must not be there yet, not even as a
// dangling link. Where the file system has no hard links, that is not sure.
func CommitNew(dir *openat.Dir, name string) error {
	err := dir.Link(temporary(name), name)
	if refused(err) {
		return Commit(dir, name)
	}
	if dropped := Discard(dir, name); err == nil {
		err = dropped
	}
	if err != nil {
		return err
	}
	return dir.Sync()
}

// Discard removes what was staged for name, if anything was.
func Discard(dir *openat.Dir, name string) error {
	if err := dir.Remove(temporary(name)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// DiscardAt is Discard by a path, in a directory of this process's own, if that is there.
func DiscardAt(path string) error {
	staged := filepath.Join(filepath.Dir(path), temporary(filepath.Base(path)))
	if err := unix.Unlink(staged); err != nil && err != unix.ENOENT {
		return &fs.PathError{Op: "remove", Path: staged, Err: err}
	}
	return nil
}

// Symlink makes name a link to target by one rename, replacing a file or link.
func Symlink(dir *openat.Dir, target, name string) error {
	if err := Discard(dir, name); err != nil {
		return err
	}
	if err := dir.Symlink(target, temporary(name)); err != nil {
		return err
	}
	return Commit(dir, name)
}

// temporary is the name that Stage uses before name has its new content. It
// starts with a dot, for servers that load every other file of a directory.
func temporary(name string) string { return "." + name + ".dvagent" }

// Create makes f and syncs it. It is an error when its path exists, be it a
// dangling link.
func Create(f File) error {
	return within(f.Path, func(dir *openat.Dir) error {
		_, err := create(dir, f.name(), f)
		return err
	})
}

func create(dir *openat.Dir, name string, f File) (Attributes, error) {
	file, err := dir.Create(name)
	if err != nil {
		return Attributes{}, err
	}
	made, err := fill(file, f)
	if err != nil {
		_ = file.Close() // the first error is the one to tell
		return made, err
	}
	return made, file.Close()
}

// fill sets the owner before the mode, and both before the data: nobody can
// read a byte whom the finished file would not let.
func fill(file *os.File, f File) (Attributes, error) {
	if err := f.give(file); err != nil {
		return Attributes{}, err
	}
	if _, err := file.Write(f.Data); err != nil {
		return Attributes{}, err
	}
	if !f.Volatile {
		if err := file.Sync(); err != nil {
			return Attributes{}, err
		}
	}
	return attributes(file)
}

// SyncDir makes the names in dir durable.
func SyncDir(dir string) error {
	open, err := openat.Open(dir)
	if err != nil {
		return err
	}
	defer open.Close()
	return open.Sync()
}

// MkdirAll makes dir and what is missing above it with the given mode,
// whatever the umask, and syncs the directories that gained a name.
func MkdirAll(dir string, mode fs.FileMode) error {
	made, err := openat.OpenOrMake(dir, mode)
	if err != nil {
		return err
	}
	made.Close()
	return nil
}
