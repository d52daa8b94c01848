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
func checkPrivate(path string) error { return guard{}.check(path) }

// guard remembers the directories that were found to be in order.
type guard map[string]bool

// check is checkPrivate.
func (g guard) check(path string) error {
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
	if err := g.checkDir(filepath.Dir(path)); err != nil {
		return err
	}
	target, err := os.Readlink(path)
	if err != nil {
		return nil // no symlink
	}
	if !filepath.IsAbs(target) {
		target = filepath.Join(filepath.Dir(path), target)
	}
	return g.check(target)
}

// checkDir looks at a directory and at those above it, by the names given and
// by those that symlinks lead to.
func (g guard) checkDir(dir string) error {
	if g[dir] {
		return nil
	}
	resolved, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return describe(err)
	}
	for _, path := range []string{dir, resolved} {
		if err := g.checkParents(path); err != nil {
			return err
		}
	}
	return nil
}

func (g guard) checkParents(dir string) error {
	for ; !g[dir]; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err != nil {
			return describe(err)
		}
		if info.Mode()&0o002 != 0 && info.Mode()&fs.ModeSticky == 0 {
			return hint.Add(fmt.Errorf("directory %s can be written by others (mode %04o)", dir, info.Mode().Perm()),
				"chmod o-w "+dir)
		}
		g[dir] = true
	}
	return nil
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
