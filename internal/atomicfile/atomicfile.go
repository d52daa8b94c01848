// Package atomicfile replaces files so that a reader, or a machine that loses
// power, sees the old content or the new, never a part. It takes no locks:
// two writers of one path must be kept apart by the caller.
package atomicfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// File is what a path shall hold. Keep as UID or GID leaves that id as the
// process makes it.
type File struct {
	Path     string
	Data     []byte
	Mode     fs.FileMode // permission bits, whatever the umask
	UID, GID int
}

// Keep is the UID or GID that is not changed.
const Keep = -1

// Write is Stage and Commit.
func Write(f File) error {
	if err := Stage(f); err != nil {
		return err
	}
	return Commit(f.Path)
}

// Stage writes and syncs f under its temporary name, beside f.Path. That name
// is always the same, so what a killed process left is cleared by the next
// Stage instead of piling up.
func Stage(f File) error {
	if err := Discard(f.Path); err != nil {
		return err
	}
	err := Create(temporary(f.Path), f)
	if err != nil {
		_ = Discard(f.Path) // the first error is the one to tell
	}
	return err
}

// Commit renames what was staged for path into place and syncs the directory.
// A symlink at path is replaced, never followed.
func Commit(path string) error {
	if err := os.Rename(temporary(path), path); err != nil {
		_ = Discard(path) // the first error is the one to tell
		return err
	}
	return SyncDir(filepath.Dir(path))
}

// Discard removes what was staged for path, if anything was.
func Discard(path string) error {
	if err := os.Remove(temporary(path)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Symlink makes path a link to target by one rename, replacing a file or link.
func Symlink(target, path string) error {
	if err := Discard(path); err != nil {
		return err
	}
	if err := os.Symlink(target, temporary(path)); err != nil {
		return err
	}
	return Commit(path)
}

// temporary is the name that Stage uses before path has its new content. It
// starts with a dot, for servers that load every other file of a directory.
func temporary(path string) string {
	return filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".dvagent")
}

// Create makes path with the data, mode and owner of f and syncs it; f.Path
// is not looked at. It is an error when path exists, be it a dangling link.
func Create(path string, f File) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if err := fill(file, f); err != nil {
		_ = file.Close() // the first error is the one to tell
		return err
	}
	return file.Close()
}

// fill sets the owner before the mode, and both before the data: nobody can
// read a byte whom the finished file would not let.
func fill(file *os.File, f File) error {
	if f.UID != Keep || f.GID != Keep {
		if err := chown(file, f.UID, f.GID); err != nil {
			return err
		}
	}
	if err := file.Chmod(f.Mode.Perm()); err != nil {
		return err
	}
	if _, err := file.Write(f.Data); err != nil {
		return err
	}
	return file.Sync()
}

// chown asks only when the ids differ, so that a process without the right to
// can still write files that are to be its own.
func chown(file *os.File, uid, gid int) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	hasUID, hasGID := Owner(info)
	if (uid == Keep || uid == hasUID) && (gid == Keep || gid == hasGID) {
		return nil
	}
	return file.Chown(uid, gid)
}

// SyncDir makes the names in dir durable.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// MkdirAll makes dir and what is missing above it with the given mode,
// whatever the umask, and syncs the directories that gained a name.
func MkdirAll(dir string, mode fs.FileMode) error {
	info, err := os.Stat(dir)
	if err == nil && !info.IsDir() {
		return fmt.Errorf("%s is not a directory", dir)
	}
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	parent := filepath.Dir(dir)
	if err := MkdirAll(parent, mode); err != nil {
		return err
	}
	if err := os.Mkdir(dir, mode); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := os.Chmod(dir, mode); err != nil {
		return err
	}
	return SyncDir(parent)
}
