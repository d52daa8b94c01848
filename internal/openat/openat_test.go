package openat_test

import (
	"errors"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"dvagent/internal/bundle/bundletest"
	"dvagent/internal/hint"
	"dvagent/internal/openat"
)

const stranger = 65534 // nobody, as a rule; any user that is neither root nor us

// tree is a directory with dir/file, whose content is "content".
type tree struct{ *testing.T }

func newTree(t *testing.T) (tree, string) {
	top := t.TempDir()
	h := tree{t}
	h.must(os.Mkdir(filepath.Join(top, "dir"), 0o755), os.WriteFile(filepath.Join(top, "dir/file"), []byte("content"), 0o600))
	return h, top
}

func (h tree) must(errs ...error) {
	h.Helper()
	if err := errors.Join(errs...); err != nil {
		h.Fatal(err)
	}
}

// give makes something another user's.
func (h tree) give(path string) {
	h.Helper()
	if os.Geteuid() != 0 {
		h.Skip("only root can give a file to another user")
	}
	h.must(os.Lchown(path, stranger, stranger))
}

// faults 164 and 170
func TestReadFileSaysWhoElseCanChangeAFile(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(h tree, top string)
		read   string
		others string // "" for nobody
		hint   string
	}{
		{"nobody", func(tree, string) {}, "dir/file", "", ""},
		{"a file of another user", func(h tree, top string) { h.give(top + "/dir/file") }, "dir/file", "belongs to user", "chown root "},
		{"a file that others can write", func(h tree, top string) { h.must(os.Chmod(top+"/dir/file", 0o602)) },
			"dir/file", "can be written by others (mode 0602)", "chmod o-w "},
		{"a file that its group can write, which is ours", func(h tree, top string) {
			h.must(os.Chmod(top+"/dir/file", 0o620), os.Chown(top+"/dir/file", -1, os.Getegid()))
		}, "dir/file", "", ""},
		{"a file that another group can write", func(h tree, top string) {
			h.give(top + "/dir/file")
			h.must(os.Chown(top+"/dir/file", 0, stranger), os.Chmod(top+"/dir/file", 0o620))
		}, "dir/file", "can be written by group", "chmod g-w "},
		{"a directory of another user", func(h tree, top string) { h.give(top + "/dir") }, "dir/file", "/dir belongs to user", "chown root "},
		{"a directory above of another user", func(h tree, top string) { h.give(top) }, "dir/file", " belongs to user", "chown root "},
		{"a directory that others can write", func(h tree, top string) { h.must(os.Chmod(top+"/dir", 0o777)) },
			"dir/file", "/dir can be written by others (mode 0777)", "chmod o-w "},
		{"a directory where others can add names and take none away", func(h tree, top string) {
			h.must(os.Chmod(top+"/dir", 0o777|fs.ModeSticky))
		}, "dir/file", "", ""},
		{"a directory of another user where names cannot be taken away", func(h tree, top string) {
			h.give(top + "/dir")
			h.must(os.Chmod(top+"/dir", 0o777|fs.ModeSticky))
		}, "dir/file", "/dir belongs to user", "chown root "},
		{"a directory where a link leads", func(h tree, top string) {
			h.must(os.Symlink("dir/file", top+"/link"), os.Chmod(top+"/dir", 0o777))
		}, "link", "/dir can be written by others", "chmod o-w "},
		{"a directory behind a link on the way", func(h tree, top string) {
			h.must(os.Symlink("dir", top+"/link"), os.Chmod(top+"/dir", 0o777))
		}, "link/file", "/dir can be written by others", "chmod o-w "},
		{"nobody, by links of ours, up and down and from the root", func(h tree, top string) {
			h.must(os.Symlink(top+"/dir/../dir/./up", top+"/link"), os.Symlink("../dir", top+"/dir/up"))
		}, "link/file", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h, top := newTree(t)
			tt.change(h, top)
			file, err := openat.ReadFile(filepath.Join(top, tt.read), 100)
			if err != nil || string(file.Data) != "content" {
				t.Fatalf("%q, error %v", file.Data, err)
			}
			switch {
			case tt.others == "" && file.Others != nil, tt.others != "" && (file.Others == nil || !strings.Contains(file.Others.Error(), tt.others)):
				t.Errorf("others: %v, want %q", file.Others, tt.others)
			case tt.others != "" && !strings.HasPrefix(hint.Of(file.Others), tt.hint+"/"):
				t.Errorf("hint: %q, want %q", hint.Of(file.Others), tt.hint)
			}
		})
	}
}

// fault 170
func TestAnAccessListIsSeen(t *testing.T) {
	entry := func(tag, perm uint16, id uint32) []byte {
		return []byte{byte(tag), byte(tag >> 8), byte(perm), 0, byte(id), byte(id >> 8), byte(id >> 16), byte(id >> 24)}
	}
	const anybody = 1<<32 - 1
	for _, tt := range []struct {
		name   string
		bob    uint16 // what it gives to another user
		mask   uint16
		others string
	}{
		{"another user may write", 6, 6, "can be written by user 12345 (ACL)"},
		{"another user may read", 4, 6, ""},
		{"another user could write, but for the mask", 6, 4, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h, top := newTree(t)
			list := []byte{2, 0, 0, 0}
			for _, e := range [][]byte{entry(1, 6, anybody), entry(2, tt.bob, 12345), entry(4, 4, anybody), entry(0x10, tt.mask, anybody), entry(0x20, 0, anybody)} {
				list = append(list, e...)
			}
			h.must(unix.Setxattr(top+"/dir/file", "system.posix_acl_access", list, 0))
			file, err := openat.ReadFile(top+"/dir/file", 100)
			h.must(err)
			if got := file.Others; tt.others == "" && got != nil || tt.others != "" && (got == nil || got.Error() != tt.others) {
				t.Errorf("others: %v, want %q", got, tt.others)
			}
		})
	}
}

// faults 164 and 165
func TestWhatAnotherUserPlantsIsNotOpened(t *testing.T) {
	for _, tt := range []struct {
		name  string
		plant func(h tree, top string)
		read  string
		err   string
	}{
		{"a link of another user", func(h tree, top string) {
			h.must(os.Symlink("file", top+"/dir/link"))
			h.give(top + "/dir/link")
		}, "dir/link", openat.ErrForeignLink.Error()},
		{"a link of ours where another user could have put it", func(h tree, top string) {
			h.must(os.Symlink("file", top+"/dir/link"), os.Chmod(top+"/dir", 0o777))
		}, "dir/link", openat.ErrForeignLink.Error()},
		{"a link of ours far below a directory that others can change", func(h tree, top string) {
			h.must(os.Symlink("file", top+"/dir/link"), os.Chmod(top, 0o777))
		}, "dir/link", openat.ErrForeignLink.Error()},
		{"a directory that is a link of another user", func(h tree, top string) {
			h.must(os.Symlink("dir", top+"/link"))
			h.give(top + "/link")
		}, "link/file", openat.ErrForeignLink.Error()},
		{"a link of another user behind one of ours", func(h tree, top string) {
			h.must(os.Symlink("link", top+"/dir/first"), os.Symlink("file", top+"/dir/link"))
			h.give(top + "/dir/link")
		}, "dir/first", openat.ErrForeignLink.Error()},
		{"a pipe", func(h tree, top string) { h.must(syscall.Mkfifo(top+"/dir/pipe", 0o600)) }, "dir/pipe", "not a regular file"},
		{"a pipe behind a link", func(h tree, top string) {
			h.must(syscall.Mkfifo(top+"/dir/pipe", 0o600), os.Symlink("pipe", top+"/dir/link"))
		}, "dir/link", "not a regular file"},
		{"a device", func(h tree, top string) { h.must(os.Symlink("/dev/null", top+"/dir/link")) }, "dir/link", "not a regular file"},
		{"a directory", func(tree, string) {}, "dir", "not a regular file"},
		{"a long file", func(h tree, top string) { h.must(os.Truncate(top+"/dir/file", 101)) }, "dir/file", "file too large"},
		{"links in a circle", func(h tree, top string) { h.must(os.Symlink("link", top+"/link")) }, "link", "too many levels of symbolic links"},
		{"a circle on the way", func(h tree, top string) { h.must(os.Symlink("link", top+"/link")) }, "link/file", "too many levels of symbolic links"},
		{"a file as a directory", func(tree, string) {}, "dir/file/more", "not a directory"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h, top := newTree(t)
			tt.plant(h, top)
			file, err := openat.ReadFile(filepath.Join(top, tt.read), 100)
			if err == nil || !strings.Contains(err.Error(), tt.err) || file.Data != nil {
				t.Errorf("%d bytes, error %v, want %s", len(file.Data), err, tt.err)
			}
		})
	}
}

// fault 164
func TestAnOpenDirectoryStaysItselfWhateverBecomesOfItsName(t *testing.T) {
	h, top := newTree(t)
	dir, err := openat.Open(top + "/dir")
	h.must(err)
	defer dir.Close()
	h.must(os.Rename(top+"/dir", top+"/moved"), os.Mkdir(top+"/victim", 0o755), os.Symlink("victim", top+"/dir"))
	made, err := dir.Create("new")
	h.must(err)
	h.must(made.Close(), dir.Rename("new", "newer"), dir.Sync())
	if names, err := dir.Names(); strings.Join(names, " ") != "file newer" || err != nil {
		t.Errorf("names %v, error %v", names, err)
	}
	if entries, err := os.ReadDir(top + "/victim"); len(entries) > 0 || err != nil {
		t.Errorf("the victim holds %v, error %v", entries, err)
	}
}

func TestAMissingDirectoryIsMadeWithItsMode(t *testing.T) {
	h, top := newTree(t)
	defer syscall.Umask(syscall.Umask(0o077))
	h.must(os.Symlink("dir", top+"/link"))
	for range 2 {
		dir, err := openat.OpenOrMake(top+"/link/a/b", 0o755)
		h.must(err)
		if dir.Path() != top+"/dir/a/b" || dir.Others() != nil {
			t.Errorf("%s, others: %v", dir.Path(), dir.Others())
		}
		dir.Close()
	}
	for _, made := range []string{"/dir/a", "/dir/a/b"} {
		if info, err := os.Stat(top + made); err != nil || info.Mode().Perm() != 0o755 {
			t.Errorf("%s: %v, error %v", made, info.Mode(), err)
		}
	}
	if _, err := openat.Open(top + "/none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v", err)
	}
}

func TestNoDescriptorStaysOpen(t *testing.T) {
	h, top := newTree(t)
	h.must(os.Symlink("dir", top+"/link"), os.Symlink("link/file", top+"/second"), os.Symlink("none", top+"/nothing"))
	open := func() int {
		entries, err := os.ReadDir("/proc/self/fd")
		h.must(err)
		return len(entries)
	}
	before := open()
	for _, name := range []string{"dir/file", "second", "link/file", "nothing", "none/file", "dir/file/more", "dir"} {
		_, _ = openat.ReadFile(filepath.Join(top, name), 100)
	}
	if after := open(); after != before {
		t.Errorf("%d descriptors, %d before", after, before)
	}
}

// fault 165: the kernel would have whoever opens the file wait for most of a minute.
func TestALeaseOnAFileHoldsNobodyUp(t *testing.T) {
	h, top := newTree(t)
	path := top + "/dir/file"
	holder, err := os.OpenFile(path, os.O_RDWR, 0)
	h.must(err)
	defer holder.Close()
	if _, err := unix.FcntlInt(holder.Fd(), unix.F_SETLEASE, unix.F_WRLCK); err != nil {
		t.Skip("this file system has no leases: " + err.Error())
	}
	signal.Ignore(unix.SIGIO) // by which the holder is asked
	defer signal.Reset(unix.SIGIO)
	ended := make(chan error, 1)
	go func() {
		_, err := openat.ReadFile(path, 100)
		ended <- err
	}()
	select {
	case err := <-ended:
		if err == nil || !strings.Contains(err.Error(), "another process holds a lease on it") {
			t.Errorf("error %v", err)
		}
	case <-time.After(30 * time.Second): // less than /proc/sys/fs/lease-break-time
		t.Error("a lease holds up whoever reads the file")
	}
	_, err = unix.FcntlInt(holder.Fd(), unix.F_SETLEASE, unix.F_UNLCK)
	h.must(err)
	if file, err := openat.ReadFile(path, 100); err != nil || string(file.Data) != "content" {
		t.Errorf("%q, error %v, when the lease is gone", file.Data, err)
	}
}

func TestWhatIsNotThereIsNotThereAlsoOnAReadOnlyFileSystem(t *testing.T) {
	bundletest.InChild(t, func() {
		dir, err := openat.Open("/")
		if err == nil {
			err = bundletest.Refuse(syscall.SYS_UNLINKAT, syscall.EROFS)
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := dir.Remove("no such file"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("what is not there: %v", err)
		}
		if err := dir.Remove("proc"); !errors.Is(err, syscall.EROFS) {
			t.Errorf("what is there: %v", err)
		}
	})
}
