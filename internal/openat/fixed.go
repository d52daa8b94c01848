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
		return d.failed("replace", name, d.about().closed(d.path))
	}
	if err != nil {
		return err
	}
	defer found.close()
	return found.fixed()
}

func (f *found) fixed() error { return f.in.failed("replace", f.name, f.whyFixed()) }

func (f *found) whyFixed() error {
	path := filepath.Join(f.in.path, f.name)
	own, around := aboutOf(f.fd), f.in.about()
	if own.mount != "" && around.mount != "" && own.mount != around.mount {
		return hint.Add(errors.New("it is a mount point of its own, whose content cannot be replaced by a rename"),
			"mount the directory that it lies in, and not the file alone")
	}
	for _, err := range []error{around.closed(f.in.path), own.closed(path), f.sticky(path)} {
		if err != nil {
			return err
		}
	}
	return nil
}

// about is what the kernel says of a file or a directory beside its stat.
type about struct {
	mount      string // that it lies on; "" where the kernel does not say
	attributes uint64
}

// about is found out once.
func (d *Dir) about() about {
	d.asked.Do(func() { d.is = aboutOf(d.fd) })
	return d.is
}

func aboutOf(fd int) about {
	var info unix.Statx_t
	if unix.Statx(fd, "", unix.AT_EMPTY_PATH, unix.STATX_MNT_ID, &info) != nil {
		return about{mount: mountOf(fd)} // an older kernel
	}
	if info.Mask&unix.STATX_MNT_ID == 0 {
		return about{mountOf(fd), info.Attributes}
	}
	return about{strconv.FormatUint(info.Mnt_id, 10), info.Attributes}
}

// mountOf is the mount that fd lies on, where statx does not tell.
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

// closed says that what lies at path is closed to everybody, root included.
func (a about) closed(path string) error {
	switch {
	case a.attributes&unix.STATX_ATTR_IMMUTABLE != 0:
		return hint.Add(fmt.Errorf("%s is immutable", path), "chattr -i "+path)
	case a.attributes&unix.STATX_ATTR_APPEND != 0:
		return hint.Add(fmt.Errorf("%s can only be appended to", path), "chattr -a "+path)
	}
	return nil
}

// sticky says that the file is somebody else's, in somebody else's directory where
// each takes away what is his alone.
func (f *found) sticky(path string) error {
	if !f.in.sticky {
		return nil
	}
	me := os.Geteuid()
	if me == 0 || int(f.in.uid) == me || int(f.info.Uid) == me {
		return nil
	}
	return hint.Add(fmt.Errorf("it belongs to %s, in a directory with the sticky bit", userName(f.info.Uid)),
		"remove it, or chown it to dvagent's user: "+path)
}
