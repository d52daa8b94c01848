package atomicfile

import (
	"path/filepath"

	"dvagent/internal/openat"
)

// What is set aside has a second name in its directory, from which PutBack brings
// it back by one rename. That name is always the same, so that what a killed
// process left can be dropped.

// SetAside gives what is called name its second name, beside the first one.
func SetAside(dir *openat.Dir, name string) error {
	if err := DropAside(dir, name); err != nil {
		return err
	}
	return dir.Link(name, temporary(aside(name)))
}

// SetAsideCopy writes f under the second name, for a file system without hard
// links.
func SetAsideCopy(dir *openat.Dir, f File) error {
	f.Path = filepath.Join(filepath.Dir(f.Path), aside(f.name()))
	_, err := Stage(dir, f)
	return err
}

// SetAsideLink makes a symlink to target under the second name.
func SetAsideLink(dir *openat.Dir, target, name string) error {
	if err := DropAside(dir, name); err != nil {
		return err
	}
	return dir.Symlink(target, temporary(aside(name)))
}

// PutBack renames what was set aside into place. It needs no descriptor.
func PutBack(dir *openat.Dir, name string) error { return dir.Rename(temporary(aside(name)), name) }

// DropAside removes the second name, if there is one.
func DropAside(dir *openat.Dir, name string) error { return Discard(dir, aside(name)) }

func aside(name string) string { return name + ".before" }
