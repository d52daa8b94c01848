// Package users finds the numbers of users and groups by their names: those of
// /etc/passwd and /etc/group, and those of a directory such as LDAP or SSSD, which
// a static binary asks the program getent for. It changes nothing.
package users

import (
	"context"
	"errors"
	"fmt"
	"os/user"
	"strconv"
	"strings"
	"time"
	"unicode"

	"dvagent/internal/command"
	"dvagent/internal/hint"
)

// UID is the number of a user. Like chown, it takes a name that does not exist as
// the number itself, if it is one.
func UID(ctx context.Context, name string) (int, error) {
	return find(ctx, "passwd", name, func(name string) (string, error) {
		found, err := user.Lookup(name)
		if err != nil {
			return "", err
		}
		return found.Uid, nil
	})
}

// GID is UID for a group.
func GID(ctx context.Context, name string) (int, error) {
	return find(ctx, "group", name, func(name string) (string, error) {
		found, err := user.LookupGroup(name)
		if err != nil {
			return "", err
		}
		return found.Gid, nil
	})
}

// Check refuses what cannot be the name of a user or a group, or their number.
func Check(name string) error {
	strange := func(r rune) bool { return r == ':' || r == unicode.ReplacementChar || unicode.IsControl(r) }
	if name == "" || name[0] == '-' || len(name) > 256 || strings.ContainsFunc(name, strange) {
		return fmt.Errorf("%q is not the name of a user or a group", name)
	}
	return nil
}

func find(ctx context.Context, database, name string, local func(string) (string, error)) (int, error) {
	if err := Check(name); err != nil {
		return 0, err
	}
	if number, err := local(name); err == nil {
		return strconv.Atoi(number)
	}
	if number, err := strconv.ParseUint(name, 10, 31); err == nil {
		return int(number), nil
	}
	return remembered(ctx, entry{database, name})
}

// entry is a name in one of getent's databases, both of which have the number in
// the third field.
type entry struct{ database, name string }

// timeout is enough for a directory on the network.
const timeout = 10 * time.Second

var errUnknown = errors.New("nobody on this host is called so")

// ask runs getent. What it prints is an entry, or nothing.
func (e entry) ask(ctx context.Context) (int, error) {
	result := command.Run(ctx, command.Command{Argv: []string{"getent", e.database, e.name}, Env: command.BaseEnv(), Timeout: timeout})
	const giveNumber = "give the number in place of the name"
	var failed *command.Failure
	switch {
	case errors.As(result.Err, &failed) && failed.ExitCode == 2: // as getent says that it knows none
		return 0, hint.Add(fmt.Errorf("%q is unknown: %w", e.name, errUnknown), giveNumber)
	case result.Err != nil:
		return 0, hint.Add(fmt.Errorf("%q is not in /etc/%s, and a directory cannot be asked: %w", e.name, e.database, result.Err),
			giveNumber+", or mend getent (of libc-bin, glibc-common)")
	}
	for line := range strings.Lines(result.Output) {
		if fields := strings.Split(line, ":"); len(fields) > 3 {
			if number, err := strconv.ParseUint(fields[2], 10, 31); err == nil {
				return int(number), nil
			}
		}
	}
	return 0, hint.Add(fmt.Errorf("%q is not in /etc/%s, and getent says nothing that can be read of it", e.name, e.database), giveNumber)
}

// NameOf is the name of a user on this host, or else the number.
func NameOf(uid int) string {
	if found, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		return found.Username
	}
	return strconv.Itoa(uid)
}

// GroupOf is NameOf for a group.
func GroupOf(gid int) string {
	if found, err := user.LookupGroupId(strconv.Itoa(gid)); err == nil {
		return found.Name
	}
	return strconv.Itoa(gid)
}
