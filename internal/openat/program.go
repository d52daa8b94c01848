package openat

import (
	"cmp"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Others says who else than root and this process's user can change the file at
// path or put another in its place, as Dir.Others; nil: nobody. Links are followed
// where they may be: else the error is ErrForeignLink.
func Others(path string) error { return othersOf(path, mostLinks) }

func othersOf(path string, links int) error {
	dir, err := Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	found, err := dir.find(filepath.Base(path))
	if err != nil {
		return err
	}
	defer found.close()
	if !found.is(unix.S_IFLNK) {
		return cmp.Or(dir.others, fileOthers(found.fd, &found.info, path))
	}
	if links == 0 {
		return dir.failed("open", found.name, unix.ELOOP)
	}
	if _, err := found.target(); err != nil {
		return err
	}
	link, err := found.text()
	if err != nil {
		return err
	}
	if !filepath.IsAbs(link) {
		link = dir.path + "/" + link // not cleaned: what stands before a ".." may be a symlink
	}
	return cmp.Or(dir.others, othersOf(link, links-1))
}
