package simulate

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// entry is a file, directory or link of a tree.
type entry struct {
	path     string
	mode     fs.FileMode
	modified time.Time
	content  []byte // of a link, where it leads
}

// tree is what directories held at a moment.
type tree struct {
	roots   []string
	entries []entry
}

// save keeps what directories hold: one state of it, whoever writes meanwhile.
func save(roots []string) *tree {
	last := read(roots)
	for range 100 {
		again := read(roots)
		if slices.EqualFunc(last.entries, again.entries, same) {
			break
		}
		last = again
	}
	return last
}

func same(a, b entry) bool {
	return a.path == b.path && a.mode == b.mode && a.modified.Equal(b.modified) && bytes.Equal(a.content, b.content)
}

func read(roots []string) *tree {
	t := &tree{roots: roots}
	for _, root := range roots {
		_ = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return nil // it went away meanwhile
			}
			info, err := d.Info()
			if err != nil {
				return nil
			}
			one := entry{path: path, mode: info.Mode(), modified: info.ModTime()}
			switch {
			case d.Type() == fs.ModeSymlink:
				to, _ := os.Readlink(path)
				one.content = []byte(to)
			case d.Type().IsRegular():
				one.content, _ = os.ReadFile(path)
			}
			t.entries = append(t.entries, one)
			return nil
		})
	}
	return t
}

// restore makes the directories hold what they held.
func (t *tree) restore() error {
	for _, root := range t.roots {
		if err := os.RemoveAll(root); err != nil {
			return err
		}
	}
	for _, e := range t.entries {
		var err error
		switch {
		case e.mode.IsDir():
			err = os.MkdirAll(e.path, e.mode.Perm())
		case e.mode.Type() == fs.ModeSymlink:
			err = os.Symlink(string(e.content), e.path)
		case e.mode.IsRegular():
			if err = os.WriteFile(e.path, e.content, e.mode.Perm()); err == nil {
				err = os.Chtimes(e.path, e.modified, e.modified)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}
