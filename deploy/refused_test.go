package deploy_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"dvagent/deploy"
	"dvagent/internal/bundle"
	"dvagent/internal/bundle/bundletest"
)

// matches fails the test unless the files of the host are all of b's, or all of
// another's of these.
func (h *host) matches(t *testing.T, of ...*bundle.Bundle) *bundle.Bundle {
	t.Helper()
	held, err := deploy.Held(h.target())
	if err != nil {
		t.Fatalf("the files do not match: %v", err)
	}
	i := slices.IndexFunc(of, func(b *bundle.Bundle) bool { return b.ID() == held.ID() })
	if i < 0 {
		t.Fatalf("the files are those of %s", held.ID())
	}
	return of[i]
}

// fault 147
func TestTooFewDescriptorsNeverLeaveAKeyBesideAnotherCertificate(t *testing.T) {
	for name, check := range map[string][]string{"the check passes": nil, "the check fails, and all is undone": shell("exit 1")} {
		t.Run(name, func(t *testing.T) {
			bundletest.InChild(t, func() {
				h := newHost(t)
				is, changes := h.put(t, h.issue(t)), 0
				for left := range 40 {
					job := h.job(h.issue(t))
					job.Target.Probe, job.Target.Reload, job.Target.Check = nil, nil, check
					restore := withDescriptors(t, left)
					result := install(t, job)
					restore()
					is = h.matches(t, is, job.Bundle)
					changed := is == job.Bundle
					if result.Changed != changed || result.Err == nil && !changed {
						t.Fatalf("with %d descriptors: changed %v, error %v", left, result.Changed, result.Err)
					}
					if changed {
						changes++
					}
				}
				if (changes > 0) != (check == nil) {
					t.Errorf("%d changes", changes)
				}
			})
		})
	}
}

// withDescriptors lets the process open so many more files, until restore.
func withDescriptors(t *testing.T, left int) (restore func()) {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	highest, used := 0, map[int]bool{}
	for _, e := range entries {
		if fd, err := strconv.Atoi(e.Name()); err == nil {
			used[fd], highest = true, max(highest, fd)
		}
	}
	var fill []int // the gaps below the highest
	for range highest + 1 - len(used) {
		fd, err := unix.Dup(0)
		if err != nil {
			t.Fatal(err)
		}
		fill = append(fill, fd)
	}
	var was syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &was); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: uint64(highest + 1 + left), Max: was.Max}); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &was); err != nil {
			t.Fatal(err)
		}
		for _, fd := range fill {
			_ = unix.Close(fd)
		}
	}
}

// fault 147: whatever call is refused from the start, the files are a pair, and
// what was begun is cleared away by the next look.
func TestARefusedCallNeverLeavesAKeyBesideAnotherCertificate(t *testing.T) {
	for name, call := range map[string]uintptr{
		"linkat": syscall.SYS_LINKAT, "renameat": syscall.SYS_RENAMEAT,
		"fsync": syscall.SYS_FSYNC, "fchmod": syscall.SYS_FCHMOD, "symlinkat": syscall.SYS_SYMLINKAT, "statx": unix.SYS_STATX,
	} {
		for _, errno := range []syscall.Errno{syscall.EPERM, syscall.EIO, syscall.ENFILE, syscall.EOPNOTSUPP} {
			t.Run(name+" says "+errno.Error(), func(t *testing.T) {
				bundletest.InChild(t, func() {
					h := newHost(t)
					old := h.put(t, h.issue(t))
					job := h.job(h.issue(t))
					job.Originals, job.Target.Probe = "", nil
					job.Target.Check = shell("exit 1")
					if err := bundletest.Refuse(call, errno); err != nil {
						t.Fatal(err)
					}
					result := install(t, job)
					if h.matches(t, old, job.Bundle) != old {
						t.Errorf("changed: %v", result.Err)
					}
				})
			})
		}
	}
}

// fault 147: a call is refused at each time that it is made, and from then on.
func TestACallThatIsRefusedFromSomeTimeOnNeverLeavesAKeyBesideAnotherCertificate(t *testing.T) {
	if _, err := exec.LookPath("strace"); err != nil {
		t.Skip("no strace")
	}
	for _, call := range []string{"openat", "linkat", "unlinkat", "renameat", "fsync", "fchmod", "write"} {
		for n := 1; n <= 12; n++ {
			when := fmt.Sprintf("%d+", n)
			if call == "renameat" { // where none works any more, nothing is undone
				when = fmt.Sprint(n)
			}
			t.Run(fmt.Sprintf("%s number %s", call, when), func(t *testing.T) {
				dir := os.Getenv("DVAGENT_TEST_TARGET")
				if dir == "" {
					dir = t.TempDir()
					t.Setenv("DVAGENT_TEST_TARGET", dir)
				}
				target := deploy.Target{Fullchain: filepath.Join(dir, "fullchain.pem"), Key: filepath.Join(dir, "key.pem")}
				tracer := []string{"strace", "-f", "-qq", "-e", "signal=none", "-o", "/dev/null", "-P", dir,
					"-e", "trace=" + call, "-e", fmt.Sprintf("inject=%s:error=ENFILE:when=%s", call, when)}
				bundletest.InChildUnder(t, tracer, func() {
					h := newHost(t)
					h.dir = dir
					h.put(t, h.issue(t))
					job := h.job(h.issue(t))
					job.Originals, job.Target = "", target
					if result := install(t, job); result.Changed != (result.Err == nil) {
						t.Errorf("changed %v, error %v", result.Changed, result.Err)
					}
				})
				if _, err := deploy.Held(target); err != nil && !bundletest.IsChild() {
					t.Errorf("the files do not match: %v", err)
				}
			})
		}
	}
}

// fault 147
func TestInstallNeedsNoHardLinks(t *testing.T) {
	bundletest.InChild(t, func() {
		h := newHost(t)
		old := h.put(t, h.issue(t))
		if err := bundletest.Refuse(syscall.SYS_LINKAT, syscall.EPERM); err != nil {
			t.Fatal(err)
		}
		job := h.job(h.issue(t))
		checkError(t, install(t, job).Err, "")
		h.holds(t, job.Bundle)
		job.Bundle, job.Target.Check = old, shell("exit 1")
		checkError(t, install(t, job).Err, "the previous files are back")
		held, err := deploy.Held(h.target())
		if err != nil || held.ID() == old.ID() {
			t.Errorf("holds %v, error %v", held, err)
		}
	})
}

// fault 147
func TestWhatIsUndoneIsTheVeryFile(t *testing.T) {
	h := newHost(t)
	h.put(t, h.issue(t))
	before, err := os.Stat(h.path("key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	job := h.job(h.issue(t))
	job.Target.Check = shell("exit 1")
	checkError(t, install(t, job).Err, "the previous files are back")
	if after, err := os.Stat(h.path("key.pem")); err != nil || !os.SameFile(before, after) {
		t.Errorf("another file is in the key's place, error %v", err)
	}
}

// fault 147
func TestWhatCannotBePutBackKeepsItsSecondName(t *testing.T) {
	h := newHost(t)
	old := h.put(t, h.issue(t))
	job := h.job(h.issue(t))
	job.Target.Check = shell("cd " + h.dir + " && rm key.pem && mkdir key.pem && touch key.pem/in-the-way; exit 1")
	checkError(t, install(t, job).Err, "put the previous files back")
	if kept, err := os.ReadFile(h.path(".key.pem.before.dvagent")); err != nil || string(kept) != string(old.KeyPEM()) {
		t.Errorf("the key before is not beside its path: %v", err)
	}
}

// fault 147: what a killed installation left holds a key.
func TestWhatAKilledInstallationLeftIsCleared(t *testing.T) {
	h := newHost(t)
	b := h.put(t, h.issue(t))
	for _, left := range []string{".key.pem.dvagent", ".key.pem.before.dvagent", ".fullchain.pem.before.dvagent",
		".key.pem.check.dvagent", "..key.pem.check.dvagent.dvagent", "..key.pem.check.dvagent.before.dvagent"} {
		write(t, h.path(left), b.KeyPEM())
	}
	write(t, h.path(".another.dvagent"), nil)
	write(t, h.path(".key.pem.check"), nil) // may be somebody else's
	if err := deploy.Clear(h.target()); err != nil {
		t.Fatal(err)
	}
	left, _ := filepath.Glob(h.path(".*"))
	if len(left) != 2 || left[0] != h.path(".another.dvagent") || left[1] != h.path(".key.pem.check") {
		t.Errorf("left over: %v", left)
	}
}
