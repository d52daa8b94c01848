// Package openat opens directories and files on descriptors, one component of
// the path after the other, and says who else could change what it came by. A
// directory that it opened stays that directory, whatever becomes of its name. A
// symlink is followed only where nobody but root and this process's user could
// have put it; a device or a pipe is never opened. The package decides nothing
// about who may change what: its callers do.
package openat

import (
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"
)

// Dir is an open directory. Its methods take the name of something in it, and
// never follow a symlink of that name unless they say so. Errors are of
// *fs.PathError.
type Dir struct {
	fd     int    // for its place alone (O_PATH): it need not be readable
	path   string // without symlinks
	uid    uint32
	gid    uint32
	above  error // who could put another in its place
	others error // the same, or who can change what it holds
	sticky bool  // each takes away what is his alone

	asked sync.Once
	is    about // once it was asked about

	mu   sync.Mutex
	held *os.File // open for reading, by Hold
}

// Path is where the directory was when it was opened, without symlinks.
func (d *Dir) Path() string { return d.path }

// Others says who beside root and this process's user can change what the
// directory holds, or can put another directory in its place: whoever owns or
// may write it, or one above it or above a symlink on the way. Where names can be
// made but not taken away (as in /tmp), that is nobody. It is nil for nobody, and
// has an operator's hint.
func (d *Dir) Others() error { return d.others }

// Close lets the directory go.
func (d *Dir) Close() {
	if d.held != nil {
		_ = d.held.Close() // it was only synced
	}
	_ = unix.Close(d.fd)
}

// Hold opens what Sync needs, so that it needs no descriptor later. It is an
// error where the directory may not be read.
func (d *Dir) Hold() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.held != nil {
		return nil
	}
	self, err := d.self()
	if err == nil {
		d.held = self
	}
	return err
}

// failed is err, of a system call about name, as an error of package os; nil if
// err is.
func (d *Dir) failed(op, name string, err error) error {
	if err == nil {
		return nil
	}
	return &fs.PathError{Op: op, Path: filepath.Join(d.path, name), Err: err}
}

// open opens what name is, and is never led elsewhere.
func (d *Dir) open(name string, flags int, mode fs.FileMode) (int, error) {
	for {
		fd, err := unix.Openat(d.fd, name, flags|unix.O_NOFOLLOW|unix.O_CLOEXEC, uint32(mode.Perm()))
		if err != unix.EINTR {
			return fd, d.failed("open", name, err)
		}
	}
}

// self opens the directory for reading.
func (d *Dir) self() (*os.File, error) {
	fd, err := d.open(".", unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), d.path), nil
}

// Create makes a file that is not there yet, not even as a dangling symlink,
// open for writing and for its owner alone.
func (d *Dir) Create(name string) (*os.File, error) {
	fd, err := d.open(name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), filepath.Join(d.path, name)), nil
}

// Rename gives what is called from the name to, in place of any file there.
func (d *Dir) Rename(from, to string) error {
	return d.failed("rename", to, unix.Renameat(d.fd, from, d.fd, to))
}

// Link gives what is called from the name to as well. That must not be there
// yet. Of a symlink, the link itself gets the name.
func (d *Dir) Link(from, to string) error {
	return d.failed("link", to, unix.Linkat(d.fd, from, d.fd, to, 0))
}

// Remove removes a file or a symlink. A directory is an error.
func (d *Dir) Remove(name string) error { return d.unlink(name, 0) }

// RemoveDir removes a directory that is empty.
func (d *Dir) RemoveDir(name string) error { return d.unlink(name, unix.AT_REMOVEDIR) }

// unlink says of what is not there that it is not there, also where the file system is
// read-only and would refuse anything.
func (d *Dir) unlink(name string, flags int) error {
	err := unix.Unlinkat(d.fd, name, flags)
	if err == unix.EROFS && unix.Faccessat(d.fd, name, unix.F_OK, unix.AT_SYMLINK_NOFOLLOW) == unix.ENOENT {
		err = unix.ENOENT
	}
	return d.failed("remove", name, err)
}

// Writable says why this process may not make names in the directory, or nil.
func (d *Dir) Writable() error {
	return d.failed("write", "", unix.Faccessat(unix.AT_FDCWD, reopened(d.fd), unix.W_OK|unix.X_OK, unix.AT_EACCESS))
}

// Symlink makes name a symlink to target. It must not be there yet.
func (d *Dir) Symlink(target, name string) error {
	return d.failed("symlink", name, unix.Symlinkat(target, d.fd, name))
}

// Sync makes the names in the directory durable.
func (d *Dir) Sync() error {
	d.mu.Lock()
	held := d.held
	d.mu.Unlock()
	if held != nil {
		return held.Sync()
	}
	self, err := d.self()
	if err != nil {
		return err
	}
	defer self.Close()
	return self.Sync()
}

// Owner is the directory's user.
func (d *Dir) Owner() int { return int(d.uid) }

// Group is the directory's group.
func (d *Dir) Group() int { return int(d.gid) }

// Give makes the directory a user's and a group's.
func (d *Dir) Give(uid, gid int) error {
	return d.failed("chown", "", unix.Fchownat(d.fd, "", uid, gid, unix.AT_EMPTY_PATH))
}

// GiveFile makes the file of that name, which may be a link, a user's.
func (d *Dir) GiveFile(name string, uid int) error {
	return d.failed("chown", name, unix.Fchownat(d.fd, name, uid, -1, unix.AT_SYMLINK_NOFOLLOW))
}

// Restrict gives a directory of root's or ours these permission bits if it has
// any beside them, and looks again who else can change it.
func (d *Dir) Restrict(mode fs.FileMode) error {
	var info unix.Stat_t
	if err := unix.Fstat(d.fd, &info); err != nil {
		return d.failed("stat", "", err)
	}
	if !ours(info.Uid) || fs.FileMode(info.Mode)&fs.ModePerm&^mode == 0 {
		return nil
	}
	if err := d.chmod(mode); err != nil {
		return err
	}
	return d.look()
}

func (d *Dir) chmod(mode fs.FileMode) error {
	self, err := d.self()
	if err != nil {
		return err
	}
	defer self.Close()
	return self.Chmod(mode.Perm())
}

// Names lists what the directory holds, sorted.
func (d *Dir) Names() ([]string, error) {
	self, err := d.self()
	if err != nil {
		return nil, err
	}
	defer self.Close()
	names, err := self.Readdirnames(-1)
	slices.Sort(names)
	return names, err
}

// Odd names what in the directory is no regular file. It is an error where it has more
// entries than most, of any kind.
func (d *Dir) Odd(most int) (map[string]bool, error) {
	self, err := d.self()
	if err != nil {
		return nil, err
	}
	defer self.Close()
	odd := map[string]bool{}
	for seen := 0; seen <= most; {
		entries, err := self.ReadDir(1024)
		switch {
		case err == io.EOF:
			return odd, nil
		case err != nil:
			return nil, err
		}
		for _, entry := range entries {
			if entry.Type() != 0 {
				odd[entry.Name()] = true
			}
		}
		seen += len(entries)
	}
	return nil, d.failed("readdir", "", unix.EOVERFLOW)
}

// reopened is the name under which this process opens, anew, what fd stands for.
func reopened(fd int) string { return "/proc/self/fd/" + strconv.Itoa(fd) }
