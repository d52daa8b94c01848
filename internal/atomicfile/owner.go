package atomicfile

import (
	"io/fs"
	"syscall"
)

// Owner is the file's user and group.
func Owner(info fs.FileInfo) (uid, gid int) {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(stat.Uid), int(stat.Gid)
	}
	return Keep, Keep
}
