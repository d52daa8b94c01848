package openat

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"dvagent/internal/hint"
)

// File is a regular file as it was found on one descriptor.
type File struct {
	Data     []byte
	Mode     fs.FileMode // permission bits
	UID, GID int
	Device   uint64   // of its file system, while that is mounted
	Link     string   // where the name leads when it is a symlink; set even when there is an error
	ACL      []string // what a list allows to whom beside owner, group and others, as "user bob rw-"
	Names    int      // hard links, this name included
	Others   error    // who else can change the file or put another in its place; as Dir.Others
}

// ReadFile reads the regular file at path, of at most most bytes. A symlink is
// followed where it may be: else the error is ErrForeignLink.
func ReadFile(path string, most int64) (File, error) {
	dir, err := Open(filepath.Dir(path))
	if err != nil {
		return File{}, err
	}
	defer dir.Close()
	return dir.ReadFile(filepath.Base(path), most)
}

// ReadPrivate is ReadFile for what nobody else may write, and others may not
// read.
func ReadPrivate(path string, most int64) (File, error) {
	file, err := ReadFile(path, most)
	if err != nil {
		return File{}, err
	}
	if err := file.Private(path); err != nil {
		return File{}, &fs.PathError{Op: "read", Path: path, Err: err}
	}
	return file, nil
}

// Private says who else can write the file, or that others can read it. The
// hint calls it path. The group may read.
func (f File) Private(path string) error {
	if f.Mode&0o006 != 0 {
		return hint.Add(fmt.Errorf("can be read or written by others (mode %04o)", f.Mode), "chmod o-rw "+path)
	}
	return f.Others
}

// ReadFile is the function ReadFile for a name in d.
func (d *Dir) ReadFile(name string, most int64) (File, error) {
	return d.readFile(name, most, mostLinks)
}

func (d *Dir) readFile(name string, most int64, links int) (File, error) {
	found, err := d.find(name)
	if err != nil {
		return File{}, err
	}
	defer found.close()
	if !found.is(unix.S_IFLNK) {
		return found.read(most)
	}
	if links == 0 {
		return File{}, d.failed("open", name, unix.ELOOP)
	}
	return found.followed(most, links-1)
}

func (f *found) followed(most int64, links int) (File, error) {
	link, err := f.text()
	if err != nil {
		return File{}, err
	}
	if _, err := f.target(); err != nil {
		return File{Link: link}, err
	}
	path := link
	if !filepath.IsAbs(link) {
		path = f.in.path + "/" + link // not cleaned: what stands before a ".." may be a symlink
	}
	parent, base := filepath.Split(path)
	dir, err := Open(parent)
	if err != nil {
		return File{Link: link}, err
	}
	defer dir.Close()
	file, err := dir.readFile(base, most, links)
	file.Link = link
	return file, err
}

// Look is ReadFile without the data, of a file that is no symlink, and says what Fixed
// says of it.
func (d *Dir) Look(name string) (file File, fixed, err error) {
	found, err := d.find(name)
	if err != nil {
		return File{}, nil, err
	}
	defer found.close()
	file, err = found.look()
	return file, found.fixed(), err
}

func (f *found) look() (File, error) {
	if !f.is(unix.S_IFREG) {
		return File{}, f.in.failed("read", f.name, errors.New("not a regular file"))
	}
	file := File{Mode: fs.FileMode(f.info.Mode) & fs.ModePerm, UID: int(f.info.Uid), GID: int(f.info.Gid), Device: uint64(f.info.Dev)}
	file.Names, file.ACL = int(f.info.Nlink), listed(f.fd)
	if file.Others = f.in.others; file.Others == nil {
		file.Others = fileOthers(f.fd, &f.info, filepath.Join(f.in.path, f.name))
	}
	return file, nil
}

// read reads the very file that was found. It is opened anew by its descriptor,
// so nothing else is opened whatever becomes of the name.
func (f *found) read(most int64) (File, error) {
	file, err := f.look()
	if err != nil {
		return File{}, err
	}
	open, err := f.reopen()
	if err != nil {
		return File{}, f.in.failed("open", f.name, err)
	}
	defer open.Close()
	data := bytes.NewBuffer(make([]byte, 0, min(max(f.info.Size, 0), most)+bytes.MinRead)) // room for its end, too
	_, err = data.ReadFrom(io.LimitReader(open, most+1))
	if err == nil && int64(data.Len()) > most {
		err = unix.EFBIG
	}
	if err != nil {
		return File{}, f.in.failed("read", f.name, err)
	}
	file.Data = data.Bytes()
	return file, nil
}

const (
	leaseTries = 20
	leasePause = 10 * time.Millisecond
)

// errLeased says that the file's owner keeps others from it.
var errLeased = hint.Add(errors.New("another process holds a lease on it"), "/proc/locks shows which one")

// reopen opens for reading what was found. Whoever owns the file may have a lease on
// it: then the kernel would have us wait for most of a minute, each time. One who is
// honest, such as Samba, lets go at once.
func (f *found) reopen() (*os.File, error) {
	for range leaseTries {
		open, err := os.OpenFile(reopened(f.fd), os.O_RDONLY|unix.O_NONBLOCK, 0)
		if !errors.Is(err, unix.EAGAIN) {
			return open, errors.Unwrap(err)
		}
		time.Sleep(leasePause)
	}
	return nil, errLeased
}
