package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"dvagent/internal/hint"
)

// checkPrivate refuses a file that others can read, or that others could
// replace because a directory above it is theirs to write. The group may read.
// The error does not name the file.
func checkPrivate(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return describe(err)
	}
	if !info.Mode().IsRegular() {
		return errors.New("not a regular file")
	}
	if info.Mode()&0o006 != 0 {
		return hint.Add(fmt.Errorf("can be read or written by others (mode %04o)", info.Mode().Perm()),
			"chmod o-rw "+path)
	}
	resolved, err := filepath.EvalSymlinks(path)
	if err != nil {
		return describe(err)
	}
	if err := checkParents(path); err != nil {
		return err
	}
	return checkParents(resolved)
}

func checkParents(path string) error {
	for dir := filepath.Dir(path); ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err != nil {
			return describe(err)
		}
		if info.Mode()&0o002 != 0 && info.Mode()&fs.ModeSticky == 0 {
			return hint.Add(fmt.Errorf("directory %s can be written by others (mode %04o)", dir, info.Mode().Perm()),
				"chmod o-w "+dir)
		}
		if dir == filepath.Dir(dir) {
			return nil
		}
	}
}

// describe leaves out the system call, which tells an operator nothing, and the
// path, which the caller names.
func describe(err error) error {
	var pathError *fs.PathError
	if errors.As(err, &pathError) {
		return pathError.Err
	}
	return err
}
