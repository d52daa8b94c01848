package config

import (
	"path/filepath"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"dvagent/internal/openat"
)

// A target may be another name of a file that dvagent needs: a symlink, a hard link, or
// the same name in a directory that is mounted twice. A stat of each target tells, and
// would be most of what the check of many targets costs. Where a directory has many, it
// is listed once: that tells which of them are no regular files.

const (
	fewTargets = 64 // of a directory: so many are looked at one by one
	mostListed = 16 // entries of a directory for each certificate: one with more is not listed
)

// directory is one that targets lie in.
type directory struct {
	path  string
	what  string // that it is, or lies in; "": nothing
	asked atomic.Int64
	odd   atomic.Pointer[map[string]bool] // what in it is no regular file; nil: it was not listed
}

// aliases is what has to be known of needed files to tell by its name that a target is
// none of them.
type aliases struct {
	linked bool            // one of them has hard links
	names  map[string]bool // that they have in their directories
	most   int             // entries of a directory that is listed
}

// note looks at a needed file.
func (a *aliases) note(path string) (found inode, there bool) {
	a.names[filepath.Base(path)] = true
	var info unix.Stat_t
	err := unix.Lstat(path, &info)
	if err == nil && info.Mode&unix.S_IFMT == unix.S_IFLNK {
		if real, err := filepath.EvalSymlinks(path); err == nil {
			a.names[filepath.Base(real)] = true
		}
		err = unix.Stat(path, &info)
	}
	a.linked = a.linked || err == nil && info.Mode&unix.S_IFMT != unix.S_IFDIR && info.Nlink > 1
	return inode{info.Dev, info.Ino}, err == nil
}

// none says that what has this name in a directory is none of the needed files. It is
// false where only a stat can tell. What is mounted in the place of a single file is not
// seen: no rename puts another file there.
func (a *aliases) none(in *directory, name string) bool {
	if a.linked || a.names[name] {
		return false
	}
	if in.asked.Add(1) == fewTargets {
		in.list(a.most)
	}
	odd := in.odd.Load()
	return odd != nil && !(*odd)[name]
}

func (d *directory) list(most int) {
	open, err := openat.Open(d.path)
	if err != nil {
		return
	}
	defer open.Close()
	if odd, err := open.Odd(most); err == nil {
		d.odd.Store(&odd)
	}
}
