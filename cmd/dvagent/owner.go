package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"dvagent/agent/config"
	"dvagent/internal/hint"
	"dvagent/internal/openat"
	"dvagent/internal/secret"
	"dvagent/internal/unit"
)

// The commands that read or change the state directory, and those of them that
// make it where it is not there.
var (
	ofTheState = []string{"run", "renew", "plan", "status", "check", "deploy", "rollback", "abandon", "forget",
		"import", "logs", "orders", "certs upload", "fleet status", "fleet release"}
	makesState = []string{"run", "renew", "deploy", "rollback", "abandon", "import", "certs upload"}
)

// owner is who works on a state directory.
type owner struct {
	uid, gid int
	groups   []int // beside gid
	name     string
	home     string
}

// asOwner makes this process one of the user whose the state directory is: what
// it writes there has to be the service's, and what it says has to hold for the
// service. root becomes that user; anybody else is told what to type.
func (c *cli) asOwner(cmd *cobra.Command) error {
	_, command, _ := strings.Cut(cmd.CommandPath(), " ")
	if !slices.Contains(ofTheState, command) {
		return nil
	}
	dir := config.StateDir(c.configPath)
	o, there := ownerOf(dir)
	if command == "check" && cmd.Flags().Changed("as") {
		named, err := user.Lookup(cmd.Flag("as").Value.String())
		if err != nil {
			return usageError{fmt.Errorf("--as: no user is named %q", cmd.Flag("as").Value)}
		}
		uid, _ := strconv.Atoi(named.Uid) // on Linux it is a number
		o = newOwner(uid, uid)
	}
	me := os.Geteuid()
	switch {
	case o.uid == me, me != 0 && there && unix.Access(dir, unix.R_OK|unix.W_OK|unix.X_OK) == nil:
		return nil
	case me != 0:
		return usageError{hint.Add(fmt.Errorf("%s is the state of user %s, and this process is user %s's", dir, o.name, newOwner(me, 0).name),
			"sudo "+strings.Join(os.Args, " "))}
	}
	if !there && slices.Contains(makesState, command) {
		if err := makeFor(o, dir); err != nil {
			return usageError{err}
		}
	}
	if err := o.exec(); err != nil {
		return usageError{hint.Add(fmt.Errorf("become user %s, whose the state in %s is: %w", o.name, dir, err),
			"runuser -u "+o.name+" -- "+strings.Join(os.Args, " "))}
	}
	return nil
}

// ownerOf is who has the state directory, and whether it is there. One that is
// not there is for the user of the unit that has it made, or for this process.
func ownerOf(dir string) (o owner, there bool) {
	me := owner{uid: os.Geteuid()} // it becomes nobody else: what it is called takes time to find
	open, err := openat.Open(dir)
	if err == nil {
		defer open.Close()
		if open.Owner() == me.uid {
			return me, true
		}
		return newOwner(open.Owner(), open.Group()), true
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return me, true
	}
	for _, u := range unit.All() {
		if uid := u.UID(); uid >= 0 && u.StateDirectory == filepath.Clean(dir) {
			return newOwner(uid, uid), false
		}
	}
	return me, false
}

// newOwner is the user of that number as the host knows it, or with that group
// alone where it does not.
func newOwner(uid, gid int) owner {
	o := owner{uid: uid, gid: gid, name: strconv.Itoa(uid), home: "/"}
	found, err := user.LookupId(o.name)
	if err != nil {
		return o
	}
	o.name, o.home = found.Username, found.HomeDir
	if primary, err := strconv.Atoi(found.Gid); err == nil {
		o.gid = primary
	}
	ids, _ := found.GroupIds() // without them the user has fewer rights
	for _, id := range ids {
		if group, err := strconv.Atoi(id); err == nil {
			o.groups = append(o.groups, group)
		}
	}
	return o
}

// makeFor makes the state directory, as the service would find it.
func makeFor(o owner, dir string) error {
	made, err := openat.OpenOrMake(dir, 0o700)
	if err != nil {
		return fmt.Errorf("make the state directory: %w", err)
	}
	defer made.Close()
	if made.Others() != nil || made.Owner() != 0 {
		return nil // somebody else made it meanwhile: whoever works there looks at it
	}
	return made.Give(o.uid, o.gid)
}

// exec begins this program anew as the user, who gets what the user's units hand
// over. It returns only when that fails.
func (o owner) exec() error {
	handed, err := secret.HandOver(o.units())
	if err != nil {
		return err
	}
	if err := syscall.Setgroups(o.groups); err != nil {
		return err
	}
	if err := syscall.Setgid(o.gid); err != nil {
		return err
	}
	if err := syscall.Setuid(o.uid); err != nil {
		return err
	}
	return syscall.Exec("/proc/self/exe", os.Args, append(o.environment(), handed))
}

// units are those that run as the user.
func (o owner) units() []unit.Unit {
	return slices.DeleteFunc(unit.All(), func(u unit.Unit) bool { return u.UID() != o.uid })
}

// environment is this process's, with what tells who the user is.
func (o owner) environment() []string {
	env := slices.DeleteFunc(os.Environ(), func(variable string) bool {
		name, _, _ := strings.Cut(variable, "=")
		return slices.Contains([]string{"HOME", "USER", "LOGNAME", "MAIL", "XDG_RUNTIME_DIR"}, name)
	})
	return append(env, "HOME="+o.home, "USER="+o.name, "LOGNAME="+o.name)
}
