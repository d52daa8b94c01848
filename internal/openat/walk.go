package openat

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// ErrForeignLink says that a symlink was not followed, since somebody beside
// root and this process's user could have put it there.
var ErrForeignLink = errors.New("a symlink that another user could have made is not followed")

// mostLinks is how many symlinks are followed on the way, as the kernel has it.
const mostLinks = 40

// Open opens the directory at path.
func Open(path string) (*Dir, error) {
	return walkTo(path, func(at *Dir, name string) (*Dir, error) {
		return nil, at.failed("open", name, unix.ENOENT)
	})
}

// OpenOrMake opens the directory at path. What is missing of it is made, with
// these permission bits whatever the umask, and is durable.
func OpenOrMake(path string, mode fs.FileMode) (*Dir, error) {
	return walkTo(path, func(at *Dir, name string) (*Dir, error) { return at.makeDir(name, mode) })
}

// Enter opens a directory in d. A symlink of that name, as a file, is ENOTDIR.
func (d *Dir) Enter(name string) (*Dir, error) { return d.enter(name) }

// Make makes a directory in d, which is not there yet, with these permission bits
// whatever the umask, and gives it to a user and a group, where these are not -1.
// It is an error where another directory has taken its place meanwhile.
func (d *Dir) Make(name string, mode fs.FileMode, uid, gid int) (*Dir, error) {
	if err := unix.Mkdirat(d.fd, name, 0o700); err != nil {
		return nil, d.failed("mkdir", name, err)
	}
	made, err := d.enter(name)
	if err != nil {
		return nil, err
	}
	if err := made.finish(mode, uid, gid); err != nil {
		made.Close()
		_ = d.RemoveDir(name) // the first error is the one to tell
		return nil, err
	}
	return made, d.Sync()
}

// finish sets the attributes of a directory that was just made. One with something
// in it, or of somebody else, is not that one. A file system that sets no owner or
// mode is taken as it is.
func (d *Dir) finish(mode fs.FileMode, uid, gid int) error {
	names, err := d.Names()
	if err != nil {
		return err
	}
	if len(names) > 0 {
		return d.failed("mkdir", "", unix.ENOTEMPTY)
	}
	if err := d.chmod(mode); err != nil && !unsupported(err) {
		return err
	}
	if uid != int(d.uid) && uid >= 0 || gid != int(d.gid) && gid >= 0 {
		if err := d.Give(uid, gid); err != nil && !unsupported(err) {
			return err
		}
	}
	return d.look()
}

// unsupported says that a file system does not do what it was asked for.
func unsupported(err error) bool {
	return errors.Is(err, unix.EPERM) || errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOSYS)
}

func (d *Dir) makeDir(name string, mode fs.FileMode) (*Dir, error) {
	err := unix.Mkdirat(d.fd, name, uint32(mode.Perm()))
	if err != nil && err != unix.EEXIST {
		return nil, d.failed("mkdir", name, err)
	}
	made, err := d.enter(name)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(made.chmod(mode), d.Sync()); err != nil {
		made.Close()
		return nil, err
	}
	return made, nil
}

// walk is a way from / to a directory. Each directory on it stays open, so that
// ".." leads back to where the way came from.
type walk struct {
	dirs  []*Dir
	links int
}

func (w *walk) here() *Dir { return w.dirs[len(w.dirs)-1] }

// back closes all directories but the first n.
func (w *walk) back(n int) {
	for _, dir := range w.dirs[n:] {
		dir.Close()
	}
	w.dirs = w.dirs[:n]
}

// walkTo asks missing for a directory that is not there.
func walkTo(path string, missing func(at *Dir, name string) (*Dir, error)) (*Dir, error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	root, err := openRoot()
	if err != nil {
		return nil, err
	}
	w := &walk{dirs: []*Dir{root}}
	if err := w.follow(absolute, missing); err != nil {
		w.back(0)
		return nil, err
	}
	end := w.here()
	w.dirs = w.dirs[:len(w.dirs)-1]
	w.back(0)
	return end, nil
}

func openRoot() (*Dir, error) {
	fd, err := unix.Open("/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: "/", Err: err}
	}
	root := &Dir{fd: fd, path: "/"}
	if err := root.look(); err != nil {
		root.Close()
		return nil, err
	}
	return root, nil
}

// look finds out whose the directory is, and who else can change it.
func (d *Dir) look() error {
	var info unix.Stat_t
	if err := unix.Fstat(d.fd, &info); err != nil {
		return d.failed("stat", "", err)
	}
	d.uid, d.gid, d.sticky = info.Uid, info.Gid, info.Mode&unix.S_ISVTX != 0
	if d.others = d.above; d.above == nil {
		d.others = directoryOthers(d.fd, &info, d.path)
	}
	return nil
}

func (w *walk) follow(path string, missing func(at *Dir, name string) (*Dir, error)) error {
	for rest := components(path); len(rest) > 0; {
		name := rest[0]
		rest = rest[1:]
		if name == ".." {
			w.back(max(1, len(w.dirs)-1))
			continue
		}
		next, err := w.here().enter(name)
		if errors.Is(err, fs.ErrNotExist) {
			next, err = missing(w.here(), name)
		}
		if errors.Is(err, unix.ENOTDIR) {
			var target string
			if target, err = w.link(name); err == nil {
				rest = append(components(target), rest...)
				continue
			}
		}
		if err != nil {
			return err
		}
		w.dirs = append(w.dirs, next)
	}
	return nil
}

// components takes a path apart as the kernel does.
func components(path string) []string {
	var names []string
	for name := range strings.SplitSeq(path, "/") {
		if name != "" && name != "." {
			names = append(names, name)
		}
	}
	return names
}

// enter opens a directory in d. For a symlink, as for a file, the error is
// ENOTDIR.
func (d *Dir) enter(name string) (*Dir, error) {
	// O_DIRECTORY also makes an automounter mount what belongs there.
	fd, err := d.open(name, unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	next := &Dir{fd: fd, path: filepath.Join(d.path, name), above: d.others}
	if err := next.look(); err != nil {
		next.Close()
		return nil, err
	}
	return next, nil
}

// link is where the symlink name of the directory here leads. The way goes on
// from / when that is absolute.
func (w *walk) link(name string) (string, error) {
	at := w.here()
	found, err := at.find(name)
	if err != nil {
		return "", err
	}
	defer found.close()
	target, err := found.target()
	if err != nil {
		return "", err
	}
	if w.links++; w.links > mostLinks {
		return "", at.failed("open", name, unix.ELOOP)
	}
	if filepath.IsAbs(target) {
		w.back(1)
	}
	return target, nil
}

// found is what a name stands for, held by a descriptor that only says what it
// is.
type found struct {
	in   *Dir
	name string
	fd   int
	info unix.Stat_t
}

func (d *Dir) find(name string) (*found, error) {
	fd, err := d.open(name, unix.O_PATH, 0)
	if err != nil {
		return nil, err
	}
	f := &found{in: d, name: name, fd: fd}
	if err := unix.Fstat(fd, &f.info); err != nil {
		f.close()
		return nil, d.failed("stat", name, err)
	}
	return f, nil
}

func (f *found) close() { _ = unix.Close(f.fd) }

func (f *found) is(kind uint32) bool { return f.info.Mode&unix.S_IFMT == kind }

// text is what a symlink holds.
func (f *found) text() (string, error) {
	target := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(f.fd, "", target)
	if err != nil {
		return "", f.in.failed("readlink", f.name, err)
	}
	return string(target[:n]), nil
}

// target is where a symlink leads that may be followed.
func (f *found) target() (string, error) {
	if !f.is(unix.S_IFLNK) {
		return "", f.in.failed("open", f.name, unix.ENOTDIR)
	}
	if !ours(f.info.Uid) {
		return "", f.in.failed("open", f.name, fmt.Errorf("%w: it belongs to %s", ErrForeignLink, userName(f.info.Uid)))
	}
	if f.in.others != nil {
		return "", f.in.failed("open", f.name, fmt.Errorf("%w: %w", ErrForeignLink, f.in.others))
	}
	return f.text()
}
