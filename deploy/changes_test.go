package deploy_test

import (
	"encoding/binary"
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"

	"dvagent/deploy"
	"dvagent/internal/bundle/bundletest"
)

// fault 144
func TestWhatChangesBesideTheContentIsToldOnce(t *testing.T) {
	ca := bundletest.NewCA(t, "Test")
	const owner, group, bob = 70001, 70002, 70003
	for _, tt := range []struct {
		name   string
		root   bool // only root can make it so
		target func(target *deploy.Target)
		place  func(path string) error // another program's file at path
		want   string
	}{
		{"nothing was there", false, nil, func(path string) error { return os.Remove(path) }, ""},
		{"the same mode and owner", false, nil, func(path string) error { return os.Chmod(path, 0o600) }, ""},
		{"a mode", false, nil, func(path string) error { return os.Chmod(path, 0o640) }, "mode 0640 becomes 0600"},
		{"a mode that is configured", false, func(target *deploy.Target) { target.KeyMode = 0o640 }, func(path string) error { return os.Chmod(path, 0o640) }, ""},
		{"an owner, a group and a mode", true, nil, func(path string) error {
			return errors.Join(os.Chmod(path, 0o640), os.Chown(path, owner, group))
		}, "owner 70001 becomes root; group 70002 becomes root; mode 0640 becomes 0600"},
		{"an owner and a group that are configured", true, func(target *deploy.Target) { target.Owner, target.Group = "70001", "70002" }, func(path string) error {
			return errors.Join(os.Chmod(path, 0o600), os.Chown(path, owner, group))
		}, ""},
		{"a group that the directory gives", true, nil, func(path string) error {
			dir := path[:strings.LastIndexByte(path, '/')]
			return errors.Join(os.Chmod(path, 0o600), os.Chown(path, 0, group), os.Chown(dir, 0, group), syscall.Chmod(dir, 0o2755))
		}, ""},
		{"an ACL", false, nil, func(path string) error { return allow(path, bob) }, "the ACL entry for user 70003 rw- is gone"},
		{"a symlink", false, nil, func(path string) error {
			return errors.Join(os.Chmod(path, 0o600), os.Rename(path, path+".1"), os.Symlink("key.pem.1", path))
		}, "the symlink to key.pem.1 becomes a file"},
		{"a symlink to nothing", false, nil, func(path string) error {
			return errors.Join(os.Remove(path), os.Symlink("none", path))
		}, "the symlink to none becomes a file"},
		{"a hard link", false, nil, func(path string) error {
			return errors.Join(os.Chmod(path, 0o600), os.Link(path, path+".link"))
		}, "its other hard links (1) keep what was there"},
		{"parameters in the same file", false, nil, func(path string) error {
			return errors.Join(os.WriteFile(path, []byte("-----BEGIN EC PRIVATE KEY-----\n-----END EC PRIVATE KEY-----\n-----BEGIN DH PARAMETERS-----\n-----END DH PARAMETERS-----\n"), 0o600), os.Chmod(path, 0o600))
		}, "what it held as DH PARAMETERS is gone"},
		{"something else", false, nil, func(path string) error {
			return errors.Join(os.WriteFile(path, []byte("hello"), 0o600), os.Chmod(path, 0o600))
		}, "was replaced: it is no PEM with a private key"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.root && os.Geteuid() != 0 {
				t.Skip("only root can give a file to another user")
			}
			target := deploy.Target{Key: t.TempDir() + "/key.pem"}
			if tt.target != nil {
				tt.target(&target)
			}
			write(t, target.Key, ca.Issue(t, bundletest.Leaf{Names: []string{"old.example.com"}}).KeyPEM())
			if err := tt.place(target.Key); err != nil {
				t.Fatal(err)
			}
			want := tt.want
			if strings.HasPrefix(want, "was ") {
				want = target.Key + " " + want
			} else if want != "" {
				want = target.Key + ": " + want
			}
			for _, want := range []string{want, "", ""} {
				result := install(t, deploy.Job{Target: target, Bundle: ca.Issue(t, bundletest.Leaf{Names: []string{"example.com"}})})
				checkError(t, result.Err, "")
				if got := strings.Join(result.Changes, "\n"); got != want {
					t.Errorf("told %q, want %q", got, want)
				}
			}
		})
	}
}

// allow gives a file the mode 0600 and an ACL by which another user may read and
// write.
func allow(path string, uid uint32) error {
	const anybody = 1<<32 - 1
	list := []byte{2, 0, 0, 0}
	for _, e := range []struct {
		tag, rights uint16
		id          uint32
	}{{1, 6, anybody}, {2, 6, uid}, {4, 0, anybody}, {0x10, 0, anybody}, {0x20, 0, anybody}} {
		list = binary.LittleEndian.AppendUint16(list, e.tag)
		list = binary.LittleEndian.AppendUint16(list, e.rights)
		list = binary.LittleEndian.AppendUint32(list, e.id)
	}
	return syscall.Setxattr(path, "system.posix_acl_access", list, 0)
}
