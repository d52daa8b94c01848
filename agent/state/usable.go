package state

import (
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"dvagent/internal/hint"
)

// Usable fails where this process cannot change what lies in the directory, as
// after a run of another user's. It looks at what keeps a certificate from being
// worked on, and not into the versions.
func (d Dir) Usable() error {
	if overrides() {
		return nil
	}
	return filepath.WalkDir(string(d), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.Type()&fs.ModeSymlink != 0 {
			return nil // what is not there keeps nobody out; a directory was asked about before
		}
		depth, ours := d.depth(path)
		switch {
		case ours && d.closed(path, entry.IsDir()):
			me := userName(os.Geteuid())
			return hint.Add(fmt.Errorf("user %s cannot change what somebody else left in the state directory: %s", me, path),
				fmt.Sprintf("as root: chown -Rh %s: %s", me, d))
		case entry.IsDir() && (!ours || depth == deepest):
			return fs.SkipDir
		}
		return nil
	})
}

// overrides says that no owner and no mode keeps this process from anything, as root
// in its usual place.
func overrides() bool {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var sets [2]unix.CapUserData
	return os.Geteuid() == 0 && unix.Capget(&header, &sets[0]) == nil && sets[0].Effective&(1<<unix.CAP_DAC_OVERRIDE) != 0
}

// deepest is where a version is: certificates/NAME/versions/ID.
const deepest = 4

// depth says how deep in the directory a path is, and whether what lies there is
// ours by its name.
func (d Dir) depth(path string) (depth int, ours bool) {
	relative, err := filepath.Rel(string(d), path)
	if err != nil || relative == "." {
		return 0, err == nil
	}
	names := strings.Split(relative, "/")
	ours = slices.Contains([]string{"certificates", "lock", "notices.json", "notices.lock"}, names[0]) || filepath.Ext(names[0]) == ".journal"
	return len(names), ours
}

// closed says that the rights of this process are not enough.
func (d Dir) closed(path string, directory bool) bool {
	wanted := uint32(unix.R_OK | unix.W_OK)
	if directory {
		wanted |= unix.X_OK
	}
	return unix.Faccessat(unix.AT_FDCWD, path, wanted, unix.AT_EACCESS) == unix.EACCES
}

// userName is how a person knows a user.
func userName(uid int) string {
	name := strconv.Itoa(uid)
	if found, err := user.LookupId(name); err == nil {
		name = found.Username
	}
	return name
}
