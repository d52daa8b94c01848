package openat

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"slices"

	"golang.org/x/sys/unix"

	"dvagent/internal/hint"
)

// ours says that a user is root or the one that this process acts as.
func ours(uid uint32) bool { return uid == 0 || int(uid) == os.Geteuid() }

// directoryOthers says who else can change what the directory at path holds.
func directoryOthers(fd int, info *unix.Stat_t, path string) error {
	if ours(info.Uid) && info.Mode&unix.S_ISVTX != 0 {
		return nil // names of ours cannot be taken away
	}
	if who, do := writer(fd, info); who != "" {
		return hint.Add(fmt.Errorf("directory %s %s", path, who), do+" "+path)
	}
	return nil
}

// fileOthers says who else can change the file. The error does not name it.
func fileOthers(fd int, info *unix.Stat_t, path string) error {
	if who, do := writer(fd, info); who != "" {
		return hint.Add(errors.New(who), do+" "+path)
	}
	return nil
}

// writer says who else can write a directory or a file, and what an operator
// does about it; "" for nobody.
func writer(fd int, info *unix.Stat_t) (who, do string) {
	mode := fs.FileMode(info.Mode) & fs.ModePerm
	if !ours(info.Uid) {
		return "belongs to " + userName(info.Uid), "chown root"
	}
	if mode&0o002 != 0 {
		return fmt.Sprintf("can be written by others (mode %04o)", mode), "chmod o-w"
	}
	if mode&0o020 == 0 { // also the most that an ACL gives to anybody
		return "", ""
	}
	list, found := readACL(fd)
	if !found {
		list = acl{{tag: aclGroup, id: info.Gid, rights: 2}}
	}
	return list.writer(info.Gid, mode)
}

// acl is what a file allows to users and groups beside its owner.
type acl []aclEntry

type aclEntry struct {
	tag    uint16
	rights uint16 // to read (4), write (2) and execute (1)
	id     uint32 // of a user or a group that is named
}

func (e aclEntry) writes() bool { return e.rights&2 != 0 }

// The tags of Linux's POSIX ACLs, in <linux/posix_acl.h>.
const (
	aclUser     = 0x02
	aclOwnGroup = 0x04
	aclGroup    = 0x08
)

// readACL reads the access ACL of what fd stands for, if it has one.
func readACL(fd int) (acl, bool) {
	const header, entry = 4, 8
	const name = "system.posix_acl_access"
	n, err := unix.Getxattr(reopened(fd), name, nil)
	if err != nil || n < header {
		return nil, false // nearly every file
	}
	data := make([]byte, 64<<10) // it may have grown since
	if n, err = unix.Getxattr(reopened(fd), name, data); err != nil || n < header {
		return nil, false
	}
	var list acl
	for part := range slices.Chunk(data[header:n], entry) {
		if len(part) == entry {
			list = append(list, aclEntry{tag: binary.LittleEndian.Uint16(part),
				rights: binary.LittleEndian.Uint16(part[2:]), id: binary.LittleEndian.Uint32(part[4:])})
		}
	}
	return list, true
}

// listed says what the ACL of a file allows to those that it names. What the mask
// takes from them is shown, too: a mode of the file gives it back.
func listed(fd int) []string {
	list, _ := readACL(fd)
	var named []string
	for _, e := range list {
		switch e.tag {
		case aclUser:
			named = append(named, userName(e.id)+" "+e.text())
		case aclGroup:
			named = append(named, groupName(e.id)+" "+e.text())
		}
	}
	return named
}

func (e aclEntry) text() string { return fs.FileMode(e.rights & 7).String()[len("-rwxrwx"):] }

// writer says who of the list can write. The group of this process may.
func (list acl) writer(gid uint32, mode fs.FileMode) (who, do string) {
	for _, e := range list {
		if e.tag == aclOwnGroup {
			e.tag, e.id = aclGroup, gid
		}
		switch {
		case !e.writes():
		case e.tag == aclUser && !ours(e.id):
			return fmt.Sprintf("can be written by %s (ACL)", userName(e.id)), "setfacl -b"
		case e.tag == aclGroup && int(e.id) != os.Getegid():
			return fmt.Sprintf("can be written by %s (mode %04o)", groupName(e.id), mode), "chmod g-w"
		}
	}
	return "", ""
}

// userName is how a person knows a user.
func userName(uid uint32) string {
	if found, err := user.LookupId(fmt.Sprint(uid)); err == nil {
		return "user " + found.Username
	}
	return fmt.Sprintf("user %d", uid)
}

func groupName(gid uint32) string {
	if found, err := user.LookupGroupId(fmt.Sprint(gid)); err == nil {
		return "group " + found.Name
	}
	return fmt.Sprintf("group %d", gid)
}
