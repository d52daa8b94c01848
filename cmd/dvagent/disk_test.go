package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"dvagent/internal/sandbox"
)

// disk is a small file system of its own, with the state and the targets on it.
type disk struct {
	*testing.T
	dir, config string
	targets     string // their directory
	sandbox     *sandbox.Sandbox
}

// newDisk makes one. The targets are in the directory given, or else on the disk.
func newDisk(t *testing.T, options string, targets ...string) *disk {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can mount a tmpfs")
	}
	dir := t.TempDir()
	if err := syscall.Mount("dvagent-test", dir, "tmpfs", 0, "mode=0700,"+options); errors.Is(err, syscall.EPERM) {
		t.Skip("this root may not mount a tmpfs")
	} else if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Unmount(dir, 0) })
	s := startSandbox(t, sandbox.Options{IssueAfter: 10 * time.Millisecond, Propagation: []time.Duration{time.Millisecond}})
	d := &disk{T: t, dir: dir, targets: dir, config: filepath.Join(t.TempDir(), "agent.toml"), sandbox: s}
	if len(targets) > 0 {
		d.targets = targets[0]
	}
	text := s.AgentConfig(filepath.Join(dir, "state")) + fmt.Sprintf("\n  [[certificate.deploy]]\n  fullchain = %q\n  key = %q\n",
		filepath.Join(d.targets, "www.pem"), filepath.Join(d.targets, "www.key"))
	if err := os.WriteFile(d.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return d
}

func (d *disk) remount(flags uintptr, options string) {
	d.Helper()
	if err := syscall.Mount("dvagent-test", d.dir, "tmpfs", syscall.MS_REMOUNT|flags, options); err != nil {
		d.Fatal(err)
	}
}

// fails runs renew and wants one line that says what to do.
func (d *disk) fails(args ...string) {
	d.Helper()
	code, _, stderr := dvagent(d.T, append([]string{"--config", d.config, "renew", "--quiet", "--timeout", "20s"}, args...)...)
	if code == exitOK || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, "(hint: ") {
		d.Errorf("exit %d: %s", code, stderr)
	}
}

// recovers runs renew and wants one certificate for one instance, installed.
func (d *disk) recovers() {
	d.Helper()
	if code, _, stderr := dvagent(d.T, "--config", d.config, "renew", "--quiet"); code != exitOK {
		d.Errorf("exit %d: %s", code, stderr)
	}
	if n := d.sandbox.Submitted(); n != 1 {
		d.Errorf("%d submitted", n)
	}
	for _, record := range d.sandbox.Records("example.com") {
		if record.Type == "TXT" {
			d.Errorf("left behind: %s", record.RR)
		}
	}
	current, err := os.ReadFile(filepath.Join(d.dir, "state/certificates/example.com/current/fullchain.pem"))
	installed, err2 := os.ReadFile(filepath.Join(d.targets, "www.pem"))
	if err := errors.Join(err, err2); err != nil || string(current) != string(installed) {
		d.Errorf("installed is not current: %v", err)
	}
}

// fault 51
func TestAFullDiskLosesNoOrder(t *testing.T) {
	for _, tt := range []struct{ name, options string }{
		{"no room for the first journal", "size=4k,nr_inodes=100"},
		{"no room for the ledger", "size=8k,nr_inodes=100"},
		{"no room for the record", "size=12k,nr_inodes=100"},
		{"no room for the key", "size=16k,nr_inodes=100"},
		{"no room for the chain", "size=24k,nr_inodes=100"},
		{"no room for the target", "size=36k,nr_inodes=100"},
		{"no inode for the state", "size=1m,nr_inodes=3"},
		{"no inode for the versions", "size=1m,nr_inodes=8"},
		{"no inode for the link", "size=1m,nr_inodes=14"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := newDisk(t, tt.options)
			d.fails()
			d.fails()
			d.remount(0, "size=10m,nr_inodes=1000")
			d.recovers()
		})
	}
}

// fault 52
func TestADiskThatBecomesReadOnlyLosesNoOrder(t *testing.T) {
	d := newDisk(t, "size=10m")
	if code, _, stderr := dvagent(t, "--config", d.config, "renew", "--no-wait"); code != exitPending {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	d.remount(syscall.MS_RDONLY, "")
	d.fails()
	d.remount(0, "")
	d.recovers()
}

// fault 56
func TestATargetOnAnotherDiskThanTheStateIsInstalled(t *testing.T) {
	newDisk(t, "size=10m", t.TempDir()).recovers()
}
