package deploy_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"dvagent/deploy"
	"dvagent/internal/bundle"
	"dvagent/internal/bundle/bundletest"
)

func TestInstallReplacesAPairAndProvesIt(t *testing.T) {
	h := newHost(t)
	h.put(t, h.issue(t))
	b := h.issue(t)
	result := install(t, h.job(b))
	if result.Err != nil {
		t.Fatal(result.Err)
	}
	if !result.Changed || h.reloads() != 1 || !shown(result.Served[0], b) || len(result.Served[0].Handshakes[0].Chain) != 1 {
		t.Errorf("after %d reloads: %+v", h.reloads(), result)
	}
	h.holds(t, b)
	h.serves(t, b)
}

func TestInstallIntoAnEmptyDirectory(t *testing.T) {
	for _, umask := range []int{0, 0o077} { // fault 86
		t.Run(fmt.Sprintf("umask %03o does not matter", umask), func(t *testing.T) {
			h := newHost(t)
			b := h.issue(t)
			defer syscall.Umask(syscall.Umask(umask))
			if result := install(t, h.job(b)); result.Err != nil {
				t.Fatal(result.Err)
			}
			h.serves(t, b)
			wantMode(t, h.path("fullchain.pem"), 0o644)
			wantMode(t, h.path("key.pem"), 0o600)
		})
	}
}

func TestInstallUndoes(t *testing.T) {
	for _, test := range []struct {
		name    string
		prepare func(h *host, target *deploy.Target)
		err     string
		reloads int
	}{
		{"a check that only the new files fail", func(h *host, target *deploy.Target) {
			target.Check = shell("cmp " + target.Key + " " + h.path("good") + " >/dev/null || { echo bad key; exit 1; }")
		}, `check: /bin/sh failed: exit status 1 ("bad key"); the previous files are back`, 0},
		{"a check that fails for a reason that is not ours", func(_ *host, target *deploy.Target) { // fault 74
			target.Check = shell("echo unknown directive; exit 1")
		}, `("unknown directive"), and with the previous files too: the fault is not in the certificate`, 0},
		{"a server that worked and now fails its handshakes", func(h *host, target *deploy.Target) {
			h.accepts = func(pair *tls.Certificate) error {
				if old, _ := tls.LoadX509KeyPair(target.Fullchain, h.path("good")); old.PrivateKey == nil {
					return errUnfit
				}
				return nil
			}
		}, "1 of 1 probes do not show the new certificate: handshake with", 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := newHost(t)
			old := h.put(t, h.issue(t))
			write(t, h.path("good"), old.KeyPEM())
			job := h.job(h.issue(t))
			test.prepare(h, &job.Target)
			result := install(t, job)
			checkError(t, result.Err, test.err)
			if !result.RolledBack || result.Changed || h.reloads() != test.reloads {
				t.Errorf("after %d reloads: rolled back %v, changed %v", h.reloads(), result.RolledBack, result.Changed)
			}
			h.holds(t, old)
			h.serves(t, old)
		})
	}
}

func TestInstallKeepsTheNewFiles(t *testing.T) {
	for _, test := range []struct {
		name    string
		prepare func(t *testing.T, h *host, target *deploy.Target)
		err     string
	}{
		{"when the reload fails", func(_ *testing.T, h *host, target *deploy.Target) { // fault 71
			target.Reload = shell("echo no such unit >&2; exit 5")
		}, `reload: /bin/sh failed: exit status 5 ("no such unit")`},
		{"when the reload succeeds and the old leaf is served", func(_ *testing.T, h *host, _ *deploy.Target) { // fault 75
			h.ignores = true
		}, "1 of 1 probes do not show the new certificate: 127.0.0.1:"},
		{"when nothing listens", func(_ *testing.T, _ *host, target *deploy.Target) {
			target.Probe = []string{"127.0.0.1:1"}
		}, "connection refused"},
		{"when the check fails and there was no valid pair", func(t *testing.T, h *host, target *deploy.Target) { // fault 74
			write(t, target.Key, h.issue(t).KeyPEM())
			target.Check = shell("exit 1")
		}, "check: /bin/sh failed: exit status 1; the new files stay"},
		{"when the check fails and the old pair has expired", func(t *testing.T, h *host, target *deploy.Target) {
			long := time.Now().AddDate(-1, 0, 0)
			h.put(t, h.ca.Issue(t, bundletest.Leaf{Names: []string{"example.com"}, NotBefore: long}))
			target.Check = shell("exit 1")
		}, "the new files stay"},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := newHost(t)
			h.put(t, h.issue(t))
			b := h.issue(t)
			job := h.job(b)
			job.Target.Timeout = 1500 * time.Millisecond // for a shell on a busy machine, too
			test.prepare(t, h, &job.Target)
			result := install(t, job)
			checkError(t, result.Err, test.err)
			if result.RolledBack || !result.Changed {
				t.Errorf("rolled back %v, changed %v", result.RolledBack, result.Changed)
			}
			h.holds(t, b)
		})
	}
}

func TestInstallWaitsForASlowReload(t *testing.T) {
	h := newHost(t)
	h.put(t, h.issue(t))
	b := h.issue(t)
	job := h.job(b)
	job.Target.Reload = shell("{ sleep 0.4; echo reload >>" + h.path("reloads") + "; } >/dev/null 2>&1 &")
	if result := install(t, job); result.Err != nil {
		t.Error(result.Err)
	}
	h.serves(t, b)
}

func TestInstallRunsNoCommandWithoutNeed(t *testing.T) {
	for _, test := range []struct {
		name    string
		change  func(t *testing.T, h *host, job *deploy.Job)
		reloads int
	}{
		{"nothing changed", func(*testing.T, *host, *deploy.Job) {}, 0},
		{"nothing changed, but it is forced", func(_ *testing.T, _ *host, job *deploy.Job) { job.Force = true }, 1},
		{"a mode was changed", func(t *testing.T, h *host, _ *deploy.Job) {
			if err := os.Chmod(h.path("key.pem"), 0o666); err != nil {
				t.Fatal(err)
			}
		}, 1},
		{"a file was removed", func(t *testing.T, h *host, _ *deploy.Job) {
			if err := os.Remove(h.path("fullchain.pem")); err != nil {
				t.Fatal(err)
			}
		}, 1},
		{"the agent died before the reload", func(t *testing.T, h *host, _ *deploy.Job) { // fault 72
			b := h.issue(t)
			h.mu.Lock()
			defer h.mu.Unlock()
			h.pair = &tls.Certificate{Certificate: [][]byte{b.Leaf.Raw}, PrivateKey: b.Key}
		}, 1},
		{"nothing can prove it", func(_ *testing.T, _ *host, job *deploy.Job) { job.Target.Probe = nil }, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := newHost(t)
			b := h.issue(t)
			job := h.job(b)
			if result := install(t, job); result.Err != nil {
				t.Fatal(result.Err)
			}
			before := h.reloads()
			test.change(t, h, &job)
			if result := install(t, job); result.Err != nil {
				t.Error(result.Err)
			}
			if got := h.reloads() - before; got != test.reloads {
				t.Errorf("%d reloads, want %d", got, test.reloads)
			}
			h.serves(t, b)
			h.holds(t, b)
			wantMode(t, h.path("key.pem"), 0o600)
		})
	}
}

func TestInstallSharesAReload(t *testing.T) {
	h := newHost(t)
	b := h.issue(t)
	first, second, third := h.job(b), h.job(b), h.job(b)
	second.Target.Fullchain = filepath.Join(h.dir, "missing", "fullchain.pem")
	second.Target.Key = h.path("second.key")
	third.Target.Fullchain, third.Target.Key = h.path("third.pem"), h.path("third.key")
	results := deploy.Install(t.Context(), []deploy.Job{first, second, third})
	checkError(t, results[0].Err, "")
	checkError(t, results[1].Err, "read target: open")
	checkError(t, results[2].Err, "")
	if h.reloads() != 1 {
		t.Errorf("%d reloads", h.reloads())
	}
	if _, err := os.Stat(h.path("second.key")); err == nil {
		t.Error("a part of a target was written")
	}
}

// fault 86
func TestInstallWritesThroughNothingPlanted(t *testing.T) {
	for _, test := range []struct {
		name  string
		plant func(h *host, victim string) error
	}{
		{"a symlink in the key's place", func(h *host, victim string) error { return os.Symlink(victim, h.path("key.pem")) }},
		{"a symlink to nothing", func(h *host, victim string) error { return os.Symlink(victim+".none", h.path("key.pem")) }},
		{"a hard link", func(h *host, victim string) error { return os.Link(victim, h.path("key.pem")) }},
		{"a symlink in the temporary file's place", func(h *host, victim string) error {
			return os.Symlink(victim, h.path(".key.pem.dvagent"))
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := newHost(t)
			victim := filepath.Join(t.TempDir(), "victim")
			write(t, victim, []byte("untouched"))
			if err := os.Chmod(victim, 0o666); err != nil {
				t.Fatal(err)
			}
			if err := test.plant(h, victim); err != nil {
				t.Fatal(err)
			}
			b := h.issue(t)
			checkError(t, install(t, h.job(b)).Err, "")
			h.holds(t, b)
			wantMode(t, h.path("key.pem"), 0o600)
			if data, err := os.ReadFile(victim); string(data) != "untouched" || err != nil {
				t.Errorf("the victim holds %d bytes, error %v", len(data), err)
			}
			if _, err := os.Lstat(victim + ".none"); err == nil {
				t.Error("the link's target was made")
			}
		})
	}
}

func TestInstallPutsASymlinkBack(t *testing.T) {
	h := newHost(t)
	old := h.put(t, h.issue(t))
	if err := os.Rename(h.path("key.pem"), h.path("real.pem")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("real.pem", h.path("key.pem")); err != nil {
		t.Fatal(err)
	}
	job := h.job(h.issue(t))
	job.Target.Check = shell("exit 1")
	checkError(t, install(t, job).Err, "the previous files are back")
	if link, err := os.Readlink(h.path("key.pem")); link != "real.pem" {
		t.Errorf("the link leads to %q, error %v", link, err)
	}
	if key, err := os.ReadFile(h.path("key.pem")); string(key) != string(old.KeyPEM()) {
		t.Errorf("the key is another one, error %v", err)
	}
}

func TestInstallChangesNothingWhenTheDiskIsFull(t *testing.T) { // fault 50, fault 54
	installWithout(t, syscall.SYS_FSYNC, syscall.ENOSPC)
}

func TestInstallChangesNothingWhenItCannotRename(t *testing.T) { // fault 50
	installWithout(t, syscall.SYS_RENAMEAT, syscall.EIO)
}

func TestInstallChangesNothingWhenItCannotSetModes(t *testing.T) { // fault 50
	installWithout(t, syscall.SYS_FCHMOD, syscall.EROFS)
}

// installWithout installs where one system call fails, and wants the old pair
// to be there afterwards.
func installWithout(t *testing.T, call uintptr, errno syscall.Errno) {
	bundletest.InChild(t, func() {
		h := newHost(t)
		old := h.put(t, h.issue(t))
		job := h.job(h.issue(t))
		job.Originals = ""
		if err := bundletest.Refuse(call, errno); err != nil {
			t.Fatal(err)
		}
		result := install(t, job)
		checkError(t, result.Err, errno.Error())
		if result.Changed || h.reloads() > 0 {
			t.Errorf("after %d reloads: changed %v", h.reloads(), result.Changed)
		}
		h.holds(t, old)
	})
}

func TestInstallStopsWithItsContext(t *testing.T) {
	h := newHost(t)
	h.put(t, h.issue(t))
	h.ignores = true
	job := h.job(h.issue(t))
	job.Target.Timeout = time.Minute
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	start := time.Now()
	result := deploy.Install(ctx, []deploy.Job{job})[0]
	checkError(t, result.Err, "stopped before the new certificate was seen")
	if took := time.Since(start); took > 10*time.Second || result.RolledBack {
		t.Errorf("after %s: rolled back %v", took, result.RolledBack)
	}
}

func wantMode(t *testing.T, path string, want fs.FileMode) {
	t.Helper()
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode() != want {
		t.Errorf("%s has mode %v, want %v", path, info.Mode(), want)
	}
}

func BenchmarkInstallHundredTargets(b *testing.B) {
	h := newHost(b)
	var pair [2]*bundle.Bundle
	pair[0], pair[1] = h.put(b, h.issue(b)), h.issue(b)
	for i := 0; b.Loop(); i++ {
		var jobs []deploy.Job
		for n := range 100 {
			job := h.job(pair[(i+1)%2])
			if n > 0 {
				job.Target.Fullchain, job.Target.Key = h.path(fmt.Sprintf("%d.pem", n)), h.path(fmt.Sprintf("%d.key", n))
			}
			job.Originals = ""
			jobs = append(jobs, job)
		}
		for _, result := range deploy.Install(b.Context(), jobs) {
			if result.Err != nil {
				b.Fatal(result.Err)
			}
		}
	}
}
