// Package unit reads what systemd's units say of a service: its user, its state
// directory and the credentials that it is handed. It reads their files as systemd
// does, drop-ins included, and asks no systemd.
package unit

import (
	"bytes"
	"cmp"
	"errors"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	systemd "github.com/coreos/go-systemd/v22/unit"

	"dvagent/internal/openat"
)

// Names are the units that the agent works under.
var Names = []string{"dvagent.service", "dvagent-renew.service"}

// Unit is what is known of a service.
type Unit struct {
	Name           string            // such as dvagent.service
	User           string            // a name or a number; root where none is given
	StateDirectory string            // absolute; empty where none is given
	Credentials    map[string]string // by name, the absolute path that each is loaded from

	strict   bool     // it sees the disk read-only but for
	writable []string // these
}

// maxBytes is how long a unit's file may be.
const maxBytes = 1 << 20

// directories are where units lie, what counts first coming first. SYSTEMD_UNIT_PATH
// is systemd's own variable for others.
func directories() []string {
	const system = "/etc/systemd/system.control:/run/systemd/system.control:/run/systemd/transient:/etc/systemd/system:" +
		"/run/systemd/system:/usr/local/lib/systemd/system:/usr/lib/systemd/system:/lib/systemd/system"
	path, given := os.LookupEnv("SYSTEMD_UNIT_PATH")
	if !given {
		path = system
	} else if strings.HasSuffix(path, ":") {
		path += system
	}
	return filepath.SplitList(path)
}

// Find reads the unit of that name. It is false where there is none, or one that
// is masked or cannot be read.
func Find(name string) (Unit, bool) {
	options, found := fragment(name)
	if !found {
		return Unit{}, false
	}
	for _, path := range dropIns(name) {
		more, _ := read(path) // as systemd does: one that is broken changes nothing
		options = append(options, more...)
	}
	return newUnit(name, options), true
}

// All are the agent's units that there are.
func All() []Unit {
	var all []Unit
	for _, name := range Names {
		if u, found := Find(name); found {
			all = append(all, u)
		}
	}
	return all
}

// fragment is the unit's file in the first directory that has one.
func fragment(name string) ([]*systemd.UnitOption, bool) {
	for _, dir := range directories() {
		options, err := read(filepath.Join(dir, name))
		if !errors.Is(err, os.ErrNotExist) {
			return options, err == nil
		}
	}
	return nil, false
}

// dropIns are sorted by their names, whichever directory they lie in. Of one name
// the first counts.
func dropIns(name string) []string {
	byName := map[string]string{}
	var names []string
	for _, dir := range directories() {
		below := filepath.Join(dir, name+".d")
		open, err := openat.Open(below)
		if err != nil {
			continue
		}
		files, _ := open.Names() // one that cannot be listed has none for us
		open.Close()
		for _, file := range files {
			if byName[file] == "" && strings.HasSuffix(file, ".conf") {
				byName[file], names = filepath.Join(below, file), append(names, file)
			}
		}
	}
	slices.Sort(names)
	paths := make([]string, len(names))
	for i, file := range names {
		paths[i] = byName[file]
	}
	return paths
}

func read(path string) ([]*systemd.UnitOption, error) {
	file, err := openat.ReadFile(path, maxBytes)
	if err != nil {
		return nil, err
	}
	return systemd.DeserializeOptions(bytes.NewReader(file.Data))
}

func newUnit(name string, options []*systemd.UnitOption) Unit {
	u := Unit{Name: name, Credentials: map[string]string{}}
	for _, o := range options {
		if o.Section != "Service" {
			continue
		}
		switch o.Name {
		case "User":
			u.User = o.Value
		case "StateDirectory":
			first, _, _ := strings.Cut(o.Value, " ")
			first, _, _ = strings.Cut(first, ":")
			u.StateDirectory = first
		case "LoadCredential":
			u.credential(o.Value)
		case "ProtectSystem":
			u.strict = o.Value == "strict"
		case "ReadWritePaths":
			u.paths(o.Value)
		}
	}
	u.User = cmp.Or(u.User, "root")
	if u.StateDirectory != "" {
		u.StateDirectory = filepath.Join("/var/lib", u.StateDirectory)
		u.writable = append(u.writable, u.StateDirectory)
	}
	return u
}

// credential notes one of LoadCredential=NAME:PATH. An empty one takes back those
// before.
func (u *Unit) credential(value string) {
	if value == "" {
		clear(u.Credentials)
	}
	if name, path, _ := strings.Cut(value, ":"); filepath.IsAbs(path) {
		u.Credentials[name] = path
	}
}

// paths notes some of ReadWritePaths=. An empty one takes back those before.
func (u *Unit) paths(value string) {
	if value == "" {
		u.writable = nil
	}
	for _, path := range strings.Fields(value) {
		u.writable = append(u.writable, filepath.Clean(strings.TrimLeft(path, "-+")))
	}
}

// CanWrite says that the service does not see the directory read-only, whoever
// may write there by its mode.
func (u Unit) CanWrite(dir string) bool {
	if !u.strict {
		return true
	}
	return slices.ContainsFunc(append([]string{"/run/dvagent"}, u.writable...), func(path string) bool {
		return dir == path || strings.HasPrefix(dir, path+"/")
	})
}

// UID is the number of the unit's user, or -1 where the host has no such user.
func (u Unit) UID() int {
	found, err := user.Lookup(u.User)
	if err != nil {
		found, err = user.LookupId(u.User)
	}
	if err != nil {
		return -1
	}
	uid, err := strconv.Atoi(found.Uid)
	if err != nil {
		return -1
	}
	return uid
}
