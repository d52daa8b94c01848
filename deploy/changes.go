package deploy

import (
	"fmt"
	"slices"
	"strings"

	"dvagent/internal/users"
)

// becomes says what is not as it was before when after stands in the place of o,
// beside the content that was meant to change; "" for nothing.
func (o original) becomes(after original, f format) string {
	var changes []string
	if o.link != "" {
		changes = append(changes, fmt.Sprintf("the symlink to %s becomes a file", o.link))
	}
	if o.data != nil {
		changes = append(changes, o.rightsBecome(after)...)
		changes = append(changes, f.loses(o.data)...)
	}
	return strings.Join(changes, "; ")
}

// rightsBecome says who gets or loses what of a file.
func (o original) rightsBecome(after original) (changes []string) {
	note := func(format string, values ...any) { changes = append(changes, fmt.Sprintf(format, values...)) }
	if o.is.UID != after.is.UID {
		note("owner %s becomes %s", users.NameOf(o.is.UID), users.NameOf(after.is.UID))
	}
	if o.is.GID != after.is.GID {
		note("group %s becomes %s", users.GroupOf(o.is.GID), users.GroupOf(after.is.GID))
	}
	if o.is.Mode != after.is.Mode {
		note("mode %04o becomes %04o", o.is.Mode, after.is.Mode)
	}
	for _, entry := range o.acl {
		if !slices.Contains(after.acl, entry) {
			note("the ACL entry for %s is gone", entry)
		}
	}
	if others := o.names - 1; others > 0 && o.link == "" {
		note("its other hard links (%d) keep what was there", others)
	}
	return changes
}

// loses says which blocks of a PEM file have no place in one of this format.
func (f format) loses(before []byte) (changes []string) {
	if f.opaque {
		return nil
	}
	for _, label := range slices.Compact(slices.Sorted(slices.Values(labels(before)))) {
		if kept := isCertificate(label) || isKey(label) && f.secret || label == "EC PARAMETERS"; !kept {
			changes = append(changes, "what it held as "+label+" is gone")
		}
	}
	return changes
}
