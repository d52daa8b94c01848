package deploy

import (
	"fmt"
	"maps"

	"dvagent/internal/atomicfile"
)

// Attributes are the mode and the owner that a file has on its file system.
type Attributes = atomicfile.Attributes

// lacks says what of f's mode and owner a file has not; "" when it has all.
func (f file) lacks(is Attributes) string {
	switch {
	case is.Mode != f.mode:
		return fmt.Sprintf("has mode %04o, not %04o", is.Mode, f.mode)
	case f.uid != atomicfile.Keep && is.UID != f.uid:
		return fmt.Sprintf("belongs to user %d, not %d", is.UID, f.uid)
	case f.gid != atomicfile.Keep && is.GID != f.gid:
		return fmt.Sprintf("belongs to group %d, not %d", is.GID, f.gid)
	}
	return ""
}

// note remembers what a file system made of f.
func (a *attempt) note(f file, is Attributes) {
	lacks := f.shortcoming(is)
	if lacks == "" {
		delete(a.Instead, f.path)
		return
	}
	a.Instead[f.path] = is
	known := a.Job.Target.Instead[f.path]
	known.Device = is.Device // another one after each restart, perhaps
	if is != known {
		a.Shortcomings = append(a.Shortcomings, f.path+" "+lacks)
	}
}

// shortcoming is what a person should know of a file with these attributes; "" if
// they are f's.
func (f file) shortcoming(is Attributes) string {
	lacks := f.lacks(is)
	if lacks == "" {
		return ""
	}
	text := lacks + ": its file system keeps modes and owners of its own"
	if f.open(is) {
		text += ", and lets every user of this host use the key"
	}
	return text
}

// open says that more users can read the key in f than the configuration lets.
func (f file) open(is Attributes) bool { return f.secret && is.Mode&^f.mode&0o007 != 0 }

// known is a copy of what is known of the target's file systems.
func (t Target) known() map[string]Attributes {
	known := maps.Clone(t.Instead)
	if known == nil {
		known = map[string]Attributes{}
	}
	return known
}
