package openat

import (
	"errors"
	"io/fs"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// Stat is what tells a regular file from any other, and from itself before a change.
type Stat struct {
	Device, Inode     uint64
	Size              int64
	Modified, Changed int64 // Unix nanoseconds
	Mode              uint32
	UID, GID          uint32
}

// Granularity is more than any file system's clock has: a file that was changed just now
// may be changed again, and its stat stays the same.
const Granularity = 2 * time.Second

// StatAt is Dir.Stat by a path, in a directory of this process's own.
func StatAt(path string) (Stat, error) {
	var info unix.Stat_t
	err := unix.Lstat(path, &info)
	if err == nil && info.Mode&unix.S_IFMT != unix.S_IFREG {
		err = errNotRegular
	}
	if err != nil {
		return Stat{}, &fs.PathError{Op: "stat", Path: path, Err: err}
	}
	return StatOf(&info), nil
}

var errNotRegular = errors.New("not a regular file")

// Stat looks at the regular file of that name. Anything else is an error, and so is
// a symlink.
func (d *Dir) Stat(name string) (Stat, error) {
	var info unix.Stat_t
	err := unix.Fstatat(d.fd, name, &info, unix.AT_SYMLINK_NOFOLLOW)
	if err == nil && info.Mode&unix.S_IFMT != unix.S_IFREG {
		err = errNotRegular
	}
	if err != nil {
		return Stat{}, d.failed("stat", name, err)
	}
	return StatOf(&info), nil
}

// StatOf is what a system call found.
func StatOf(info *unix.Stat_t) Stat {
	return Stat{Device: info.Dev, Inode: info.Ino, Size: info.Size, Modified: info.Mtim.Nano(), Changed: info.Ctim.Nano(),
		Mode: info.Mode, UID: info.Uid, GID: info.Gid}
}

// Tree opens many directories that lie near each other. Those on the way stay open,
// so one is for a moment: what took the place of another since is not seen. It is
// not safe for concurrent use.
type Tree struct{ opened map[string]*Dir }

// mostOpened bounds the descriptors of a Tree.
const mostOpened = 64

// Open is the function Open. The directory is open until the next call of Open or
// Close.
func (t *Tree) Open(path string) (*Dir, error) {
	if dir := t.opened[path]; dir != nil {
		return dir, nil
	}
	if t.opened == nil || len(t.opened) >= mostOpened {
		t.Close()
	}
	return t.open(path)
}

func (t *Tree) open(path string) (*Dir, error) {
	if dir := t.opened[path]; dir != nil {
		return dir, nil
	}
	dir, err := t.enter(path)
	if err != nil {
		return nil, err
	}
	t.opened[path] = dir
	return dir, nil
}

func (t *Tree) enter(path string) (*Dir, error) {
	switch {
	case path == "/":
		return openRoot()
	case path != filepath.Clean(path) || !filepath.IsAbs(path):
		return Open(path)
	}
	above, err := t.open(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	dir, err := above.enter(filepath.Base(path))
	if errors.Is(err, unix.ENOTDIR) { // a symlink, perhaps: the whole way is gone anew
		return Open(path)
	}
	return dir, err
}

// Close lets all directories go.
func (t *Tree) Close() {
	for _, dir := range t.opened {
		dir.Close()
	}
	t.opened = map[string]*Dir{}
}
