package deploy_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"dvagent/deploy"
	"dvagent/internal/bundle/bundletest"
	"dvagent/internal/hint"
)

// obstacle is something that keeps a file from being installed.
type obstacle struct {
	name      string
	put       func(h *host, path string) error // path is the key's
	err, hint string
}

var obstacles = []obstacle{
	{"nothing", func(*host, string) error { return nil }, "", ""},
	{"a file that is a mount point of its own", func(h *host, path string) error {
		return errors.Join(os.WriteFile(h.path("outside"), nil, 0o600), unix.Mount(h.path("outside"), path, "", unix.MS_BIND, ""))
	}, "mount point", "mount the directory that it lies in"},
	{"a directory that is mounted read-only", func(h *host, _ string) error {
		return errors.Join(unix.Mount(h.dir, h.dir, "", unix.MS_BIND, ""), unix.Mount("", h.dir, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, ""))
	}, "read-only file system", ""},
	{"a directory in the file's place", func(_ *host, path string) error {
		return errors.Join(os.Remove(path), os.Mkdir(path, 0o700))
	}, "not a regular file", ""},
	{"no directory", func(h *host, _ string) error { return os.Rename(h.dir, h.dir+".old") }, "no such file or directory", "mkdir -p "},
}

// fault 142
func TestCheckTriesWhatADeploymentDoes(t *testing.T) {
	unshare := []string{"unshare", "--map-root-user", "--mount"}
	if err := exec.Command(unshare[0], append(unshare[1:], "true")...).Run(); err != nil {
		t.Skipf("nothing can be mounted: %v", err)
	}
	for _, tt := range obstacles {
		t.Run(tt.name, func(t *testing.T) {
			bundletest.InChildUnder(t, unshare, func() {
				h := newHost(t)
				old := h.put(t, h.issue(t))
				job := h.job(h.issue(t))
				job.Originals = ""
				if err := tt.put(h, job.Target.Key); err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() {
					_ = unix.Unmount(job.Target.Key, unix.MNT_DETACH) // where it is one
					_ = unix.Unmount(h.dir, unix.MNT_DETACH)
				})
				rehearsed, err := deploy.Rehearse(t.Context(), job.Target, deploy.Ours)
				if err != nil || len(rehearsed) != 2 || rehearsed[0].Path != job.Target.Key {
					t.Fatalf("rehearsed %+v, error %v", rehearsed, err)
				}
				key := rehearsed[0].Err
				checkError(t, key, tt.err)
				if !strings.HasPrefix(hint.Of(key), tt.hint) {
					t.Errorf("hint %q", hint.Of(key))
				}
				if left, _ := filepath.Glob(h.path(".*")); len(left) > 0 {
					t.Errorf("left over: %v", left)
				}
				result := install(t, job)
				checkError(t, result.Err, tt.err)
				if fullchain, err := os.ReadFile(job.Target.Fullchain); tt.err != "" && err == nil && string(fullchain) != string(old.FullchainPEM()) {
					t.Error("a part was installed")
				}
			})
		})
	}
}

// fault 142
func TestCheckSeesAFileThatNobodyMayReplace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key.pem")
	write(t, path, nil)
	if out, err := exec.Command("chattr", "+i", path).CombinedOutput(); err != nil {
		t.Skipf("no file can be made immutable: %v %s", err, out)
	}
	defer func() {
		if out, err := exec.Command("chattr", "-i", path).CombinedOutput(); err != nil {
			t.Errorf("%v %s", err, out)
		}
	}()
	rehearsed, err := deploy.Rehearse(t.Context(), deploy.Target{Key: path}, deploy.Ours)
	if err != nil || len(rehearsed) != 1 {
		t.Fatalf("rehearsed %+v, error %v", rehearsed, err)
	}
	checkError(t, rehearsed[0].Err, "is immutable")
	if hint.Of(rehearsed[0].Err) != "chattr -i "+path {
		t.Errorf("hint %q", hint.Of(rehearsed[0].Err))
	}
}

// fault 142
func TestCheckSeesAnothersFileInAStickyDirectory(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can make another user's file")
	}
	bundletest.InChild(t, func() {
		dir := t.TempDir()
		path := filepath.Join(dir, "key.pem")
		write(t, path, nil)
		for ; dir != "/tmp" && dir != "/"; dir = filepath.Dir(dir) {
			if err := os.Chmod(dir, os.ModeSticky|0o777); err != nil {
				t.Fatal(err)
			}
		}
		t.Cleanup(func() { _ = syscall.Setreuid(0, 0) })
		if err := syscall.Setreuid(-1, stranger); err != nil {
			t.Fatal(err)
		}
		rehearsed, err := deploy.Rehearse(t.Context(), deploy.Target{Key: path}, deploy.Ours)
		if err != nil || len(rehearsed) != 1 {
			t.Fatalf("rehearsed %+v, error %v", rehearsed, err)
		}
		checkError(t, rehearsed[0].Err, "it belongs to user root, in a directory with the sticky bit")
	})
}

func TestRehearsalsOfManyTargetsHoldFewDirectoriesOpen(t *testing.T) {
	dir := t.TempDir()
	for _, tt := range []struct {
		name string
		path func(i int) string
		most int // descriptors that stay open
	}{
		{"of one directory", func(i int) string { return fmt.Sprintf("%s/one/%d.key", dir, i) }, 2},
		{"of a directory each", func(i int) string { return fmt.Sprintf("%s/many/%d/key", dir, i) }, 2 * 9},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var rehearsals deploy.Rehearsals
			most := 0
			for i := range 40 {
				path := tt.path(i)
				if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
					t.Fatal(err)
				}
				rehearsed, err := rehearsals.Rehearse(t.Context(), deploy.Target{Key: path}, deploy.Ours)
				if err != nil || len(rehearsed) != 1 || rehearsed[0].Err != nil {
					t.Fatalf("rehearsed %+v, error %v", rehearsed, err)
				}
				most = max(most, openWithin(t, dir))
			}
			if most == 0 || most > tt.most {
				t.Errorf("%d descriptors stay open", most)
			}
			rehearsals.Close()
			if left := openWithin(t, dir); left > 0 {
				t.Errorf("%d descriptors are left", left)
			}
		})
	}
}

// openWithin counts the descriptors of this process that stand for something in dir.
func openWithin(t *testing.T, dir string) (count int) {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if path, err := os.Readlink("/proc/self/fd/" + entry.Name()); err == nil && strings.HasPrefix(path, dir+"/") {
			count++
		}
	}
	return count
}
