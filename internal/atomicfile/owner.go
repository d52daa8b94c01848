package atomicfile

import (
	"io/fs"
	"syscall"
)

// SameOwner says whether the file belongs to uid and gid, of which Keep
// matches any.
func SameOwner(info fs.FileInfo, uid, gid int) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return false
	}
	return (uid == Keep || int(stat.Uid) == uid) && (gid == Keep || int(stat.Gid) == gid)
}

// Owner is the file's user and group.
func Owner(info fs.FileInfo) (uid, gid int) {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(stat.Uid), int(stat.Gid)
	}
	return Keep, Keep
}
