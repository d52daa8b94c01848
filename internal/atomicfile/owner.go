package atomicfile

import (
	"io/fs"
	"syscall"
)

// owner is the file's user and group.
func owner(info fs.FileInfo) (uid, gid int) {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(stat.Uid), int(stat.Gid)
	}
	return Keep, Keep
}
