package atomicfile

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
)

// give sets the owner and the mode of a file that this process has just made.
func (f File) give(file *os.File) error {
	is, err := attributes(file)
	if err != nil {
		return err
	}
	// Asked only when the ids differ, so that a process without the right to can
	// still write files that are to be its own.
	if f.UID != Keep && f.UID != is.UID || f.GID != Keep && f.GID != is.GID {
		if err := file.Chown(f.UID, f.GID); err != nil && !(f.Lenient && f.keepsOwners(err, is)) {
			return err
		}
	}
	if err := file.Chmod(f.Mode.Perm()); err != nil && !(f.Lenient && refused(err)) {
		return err
	}
	return nil
}

func attributes(file *os.File) (Attributes, error) {
	info, err := file.Stat()
	if err != nil {
		return Attributes{}, err
	}
	is := Attributes{Mode: info.Mode().Perm(), UID: Keep, GID: Keep}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		is.UID, is.GID, is.Device = int(stat.Uid), int(stat.Gid), uint64(stat.Dev)
	}
	return is, nil
}

// refused says that a file system does not do what it was asked for. Of a file
// that the process has just made, nothing else is not permitted.
func refused(err error) bool {
	return errors.Is(err, unix.EPERM) || errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOSYS)
}

// keepsOwners says that the file system refused to set the owner, and not the
// kernel for want of rights.
func (f File) keepsOwners(err error, is Attributes) bool {
	if !refused(err) {
		return false
	}
	return !errors.Is(err, fs.ErrPermission) || is.UID != os.Geteuid() || mayChown() || f.ours()
}

// ours says that the owner is this process's own, which needs no rights.
func (f File) ours() bool {
	groups, err := os.Getgroups()
	return err == nil && (f.UID == Keep || f.UID == os.Geteuid()) &&
		(f.GID == Keep || f.GID == os.Getegid() || slices.Contains(groups, f.GID))
}

// mayChown says that the process has CAP_CHOWN.
func mayChown() bool {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	return unix.Capget(&header, &data[0]) == nil && data[0].Effective&(1<<unix.CAP_CHOWN) != 0
}
