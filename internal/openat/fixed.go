package openat

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"dvagent/internal/hint"
)

// Fixed says why no rename can put another file in the place of name, as far as
// that can be told without trying: it is a mount point, as a container's runtime
// makes for a file; it, or the directory, is immutable; or it is somebody else's in a
// directory with the sticky bit. It is nil when nothing is there.
func (d *Dir) Fixed(name string) error {
	found, err := d.find(name)
	if errors.Is(err, fs.ErrNotExist) {
		return d.failed("replace", name, attributes(d.fd, d.path))
	}
	if err != nil {
		return err
	}
	defer found.close()
	return d.failed("replace", name, found.fixed())
}

func (f *found) fixed() error {
	path := filepath.Join(f.in.path, f.name)
	for _, err := range []error{f.mounted(), attributes(f.in.fd, f.in.path), attributes(f.fd, path), f.sticky(path)} {
		if err != nil {
			return err
		}
	}
	return nil
}

func (f *found) mounted() error {
	if own, around := mountOf(f.fd), mountOf(f.in.fd); own != "" && around != "" && own != around {
		return hint.Add(errors.New("it is a mount point of its own, whose content cannot be replaced by a rename"),
			"mount the directory that it lies in, and not the file alone")
	}
	return nil
}

// mountOf identifies the mount that fd lies on; "" where the kernel does not say.
func mountOf(fd int) string {
	info, err := os.ReadFile("/proc/self/fdinfo/" + strconv.Itoa(fd))
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(info)) {
		if id, found := strings.CutPrefix(line, "mnt_id:"); found {
			return strings.TrimSpace(id)
		}
	}
	return ""
}

// attributes says that what fd stands for is closed to everybody, root included.
func attributes(fd int, path string) error {
	var info unix.Statx_t
	if unix.Statx(fd, "", unix.AT_EMPTY_PATH, 0, &info) != nil {
		return nil // an older kernel
	}
	switch {
	case info.Attributes&unix.STATX_ATTR_IMMUTABLE != 0:
		return hint.Add(fmt.Errorf("%s is immutable", path), "chattr -i "+path)
	case info.Attributes&unix.STATX_ATTR_APPEND != 0:
		return hint.Add(fmt.Errorf("%s can only be appended to", path), "chattr -a "+path)
	}
	return nil
}

// sticky says that the file is somebody else's, in somebody else's directory where
// each takes away what is his alone.
func (f *found) sticky(path string) error {
	var dir unix.Stat_t
	if unix.Fstat(f.in.fd, &dir) != nil || dir.Mode&unix.S_ISVTX == 0 {
		return nil
	}
	me := os.Geteuid()
	if me == 0 || int(dir.Uid) == me || int(f.info.Uid) == me {
		return nil
	}
	return hint.Add(fmt.Errorf("it belongs to %s, in a directory with the sticky bit", userName(f.info.Uid)),
		"remove it, or chown it to dvagent's user: "+path)
}
