package filevalidate

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const path = Usual + "/fileauth.txt"

func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func nobodys(string) bool { return false }

// tree lists what is below a directory, as "name mode".
func tree(t *testing.T, root string) string {
	t.Helper()
	var all []string
	must(t, filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || path == root {
			return err
		}
		info, err := entry.Info()
		if err == nil {
			all = append(all, strings.TrimPrefix(path, root+"/")+" "+info.Mode().String())
		}
		return err
	}))
	return strings.Join(all, "\n")
}

func TestAFileIsWrittenForEverybodyAndRemovedWithoutATrace(t *testing.T) {
	old := syscall.Umask(0o077)
	defer syscall.Umask(old)
	f := File{Root: t.TempDir(), Path: path, Content: "token"}
	state, err := f.Look()
	if err != nil || state.There || state.Missing != 2 {
		t.Fatalf("before: %+v, %v", state, err)
	}
	must(t, f.Write(nobodys))
	const written = ".well-known drwxr-xr-x\n.well-known/pki-validation drwxr-xr-x\n.well-known/pki-validation/fileauth.txt -rw-r--r--"
	if got := tree(t, f.Root); got != written {
		t.Errorf("written is\n%s", got)
	}
	if state, err = f.Look(); err != nil || state.Content != "token" || state.Missing != 0 {
		t.Errorf("after: %+v, %v", state, err)
	}
	must(t, f.Write(nobodys)) // once more: a process that was killed does so
	left, err := f.Remove(2)
	if err != nil || left || tree(t, f.Root) != "" {
		t.Errorf("left is %t, %v\n%s", left, err, tree(t, f.Root))
	}
	if left, err := f.Remove(2); err != nil || left { // once more
		t.Errorf("left is %t, %v", left, err)
	}
}

func TestDirectoriesThatWereThereStay(t *testing.T) {
	for _, tt := range []struct {
		name    string
		prepare func(root string) error
		made    int
		want    string
	}{
		{"one that was there", func(root string) error { return os.Mkdir(root+"/.well-known", 0o755) }, 1, ".well-known drwxr-xr-x"},
		{"one that has got something else", func(root string) error { return nil }, 2, ".well-known drwxr-xr-x\n.well-known/other -rw-r--r--"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := File{Root: t.TempDir(), Path: path, Content: "token"}
			must(t, tt.prepare(f.Root), f.Write(nobodys))
			if tt.made == 2 {
				must(t, os.WriteFile(f.Root+"/.well-known/other", nil, 0o644))
			}
			if left, err := f.Remove(tt.made); err != nil || left || tree(t, f.Root) != tt.want {
				t.Errorf("left is %t, %v\n%s", left, err, tree(t, f.Root))
			}
		})
	}
}

// fault 116
func TestNoFileOfOthersIsTouched(t *testing.T) {
	for _, tt := range []struct {
		name string
		put  func(f File) error
	}{
		{"a text", func(f File) error { return os.WriteFile(f.Name(), []byte("theirs"), 0o600) }},
		{"a long file", func(f File) error { return os.WriteFile(f.Name(), make([]byte, 1<<20), 0o600) }},
		{"an empty file", func(f File) error { return os.WriteFile(f.Name(), nil, 0o600) }},
		{"a directory", func(f File) error { return os.Mkdir(f.Name(), 0o755) }},
		{"a pipe", func(f File) error { return unix.Mkfifo(f.Name(), 0o644) }},
		{"a symlink to the same content", func(f File) error {
			return errors.Join(os.WriteFile(f.Root+"/target", []byte(f.Content), 0o644), os.Symlink(f.Root+"/target", f.Name()))
		}},
		{"a symlink to nothing", func(f File) error { return os.Symlink(f.Root+"/nothing", f.Name()) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := File{Root: t.TempDir(), Path: path, Content: "token"}
			must(t, os.MkdirAll(filepath.Dir(f.Name()), 0o755), tt.put(f))
			before := tree(t, f.Root)
			var foreign *ForeignError
			if err := f.Write(nobodys); !errors.As(err, &foreign) {
				t.Errorf("it was written: %v", err)
			}
			if left, err := f.Remove(2); err != nil || !left {
				t.Errorf("left is %t, %v", left, err)
			}
			if after := tree(t, f.Root); after != before {
				t.Errorf("before:\n%s\nafter:\n%s", before, after)
			}
		})
	}
}

func TestOnlyOurOwnContentIsReplaced(t *testing.T) {
	f := File{Root: t.TempDir(), Path: path, Content: "one"}
	must(t, f.Write(nobodys))
	f.Content = "two"
	must(t, f.Write(func(content string) bool { return content == "one" }))
	old := File{Root: f.Root, Path: f.Path, Content: "one"}
	if left, err := old.Remove(0); err != nil || !left {
		t.Errorf("the older one: left is %t, %v", left, err)
	}
	if state, err := f.Look(); err != nil || state.Content != "two" {
		t.Errorf("got %+v, %v", state, err)
	}
}

// fault 116
func TestAWebrootThatCannotBeUsedIsTold(t *testing.T) {
	outside := t.TempDir()
	for _, tt := range []struct {
		name    string
		prepare func(root string) error
	}{
		{"it is missing", os.Remove},
		{"it is a file", func(root string) error { return errors.Join(os.Remove(root), os.WriteFile(root, nil, 0o644)) }},
		{"a symlink leads out of it", func(root string) error { return os.Symlink(outside, root+"/.well-known") }},
		{"a symlink leads out further down", func(root string) error {
			return errors.Join(os.Mkdir(root+"/.well-known", 0o755), os.Symlink(outside, root+"/.well-known/pki-validation"))
		}},
		{"a file is in the way", func(root string) error { return os.WriteFile(root+"/.well-known", nil, 0o644) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := File{Root: filepath.Join(t.TempDir(), "html"), Path: path, Content: "token"}
			must(t, os.Mkdir(f.Root, 0o755), tt.prepare(f.Root))
			if err := f.Write(nobodys); err == nil {
				t.Error("it was written")
			}
			if err := f.Writable(); err == nil {
				t.Error("it is called writable")
			}
			if got := tree(t, outside); got != "" {
				t.Errorf("outside is %s", got)
			}
		})
	}
}

// fault 116
func TestAFullDiskLeavesNothingHalf(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can mount a small file system")
	}
	root := t.TempDir()
	if err := unix.Mount("tmpfs", root, "tmpfs", 0, "size=4k,nr_inodes=4"); err != nil {
		t.Skipf("no file system can be mounted here: %v", err)
	}
	defer unix.Unmount(root, unix.MNT_DETACH)
	f := File{Root: root, Path: path, Content: "token"}
	must(t, os.WriteFile(root+"/full", make([]byte, 4096), 0o644))
	if err := f.Write(nobodys); !errors.Is(err, unix.ENOSPC) {
		t.Fatalf("got %v", err)
	}
	if left, err := f.Remove(2); err != nil || left {
		t.Errorf("left is %t, %v", left, err)
	}
	if got := tree(t, root); got != "full -rw-r--r--" {
		t.Errorf("left is\n%s", got)
	}
}

const stranger = 65534

// fault 116: what root writes into a directory of another user's is that user's.
func TestAFileOfRootsGetsTheWebrootsOwner(t *testing.T) {
	f := strangersRoot(t)
	must(t, f.Write(nobodys))
	for _, name := range []string{f.Name(), filepath.Dir(f.Name())} {
		info, err := os.Stat(name)
		must(t, err)
		if got := info.Sys().(*syscall.Stat_t); got.Uid != stranger || got.Gid != stranger {
			t.Errorf("%s belongs to %d:%d", name, got.Uid, got.Gid)
		}
	}
}

func strangersRoot(t *testing.T) File {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can give a directory to another user")
	}
	top := t.TempDir()
	f := File{Root: filepath.Join(top, "html"), Path: path, Content: "token"}
	must(t, os.Chmod(filepath.Dir(top), 0o755), os.Chmod(top, 0o755), os.Mkdir(f.Root, 0o755), os.Chown(f.Root, stranger, stranger))
	return f
}

// fault 116: whoever owns the webroot exchanges its directories all the time, and
// never has root write, remove or give away anything elsewhere.
func TestAWebrootsOwnerLeadsRootNowhere(t *testing.T) {
	f := strangersRoot(t)
	victim := filepath.Join(filepath.Dir(f.Root), "victim")
	must(t, os.MkdirAll(victim+"/pki-validation", 0o700))
	before := tree(t, victim)
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // for good: the thread ends with the goroutine
		syscall.RawSyscall(syscall.SYS_SETFSGID, stranger, 0, 0)
		syscall.RawSyscall(syscall.SYS_SETFSUID, stranger, 0, 0)
		for {
			select {
			case <-stop:
				return
			default:
			}
			_ = os.Symlink(victim, f.Root+"/link")
			_ = unix.Renameat2(unix.AT_FDCWD, f.Root+"/link", unix.AT_FDCWD, f.Root+"/.well-known", unix.RENAME_EXCHANGE)
			_ = os.Rename(f.Root+"/link", f.Root+"/.well-known")
		}
	}()
	for end := time.Now().Add(time.Second); time.Now().Before(end) && !t.Failed(); {
		_ = f.Write(nobodys)
		if after := tree(t, victim); after != before {
			t.Errorf("written elsewhere:\n%s", after)
		}
		_, _ = f.Remove(2)
		if after := tree(t, victim); after != before {
			t.Errorf("removed elsewhere:\n%s", after)
		}
	}
	close(stop)
	<-done
	var info syscall.Stat_t
	must(t, syscall.Stat(victim, &info))
	if info.Uid != 0 || info.Mode&0o777 != 0o700 {
		t.Errorf("given away: %d, %o", info.Uid, info.Mode)
	}
}
