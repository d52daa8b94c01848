package state

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"dvagent/agent/order"
	"dvagent/agent/rollout"
	"dvagent/internal/atomicfile"
	"dvagent/internal/bundle"
	"dvagent/internal/hint"
	"dvagent/internal/openat"
)

// Dir is the path of a state directory. Its methods are the only place that
// knows what lies where.
type Dir string

func (d Dir) join(names ...string) string {
	return filepath.Join(append([]string{string(d)}, names...)...)
}

// Certificate is the directory of one certificate: its versions and journals.
func (d Dir) Certificate(name string) string { return d.join("certificates", name) }

// Store holds the versions of one certificate.
func (d Dir) Store(name string) *bundle.Store { return bundle.Open(d.Certificate(name)) }

// Originals is where the files go that targets held before the first
// installation.
func (d Dir) Originals(name string) string { return d.join("certificates", name, "before") }

// OrderJournal is the journal of a certificate's open order.
func (d Dir) OrderJournal(name string) string { return d.join("certificates", name, order.OpenFile) }

// RolloutJournal is the journal of a certificate's deployments.
func (d Dir) RolloutJournal(name string) string { return d.join("certificates", name, rollout.File) }

// Instances is the ledger of instances.
func (d Dir) Instances() string { return d.join("instances.journal") }

// Records is the ledger of owed records.
func (d Dir) Records() string { return d.join("records.journal") }

// Tempo is how long the last orders took.
func (d Dir) Tempo() string { return d.join("tempo.json") }

// Notices is the book of what people are told.
func (d Dir) Notices() string { return d.join("notices.json") }

// Seals is the book of what was looked at, and had nothing to do.
func (d Dir) Seals() string { return d.join("seals") }

// Fleet is what this host remembers of the etcd of its fleet.
func (d Dir) Fleet() string { return d.join("fleet.json") }

// Shared is what this host remembers of what it shares with its fleet.
func (d Dir) Shared() string { return d.join("shared.json") }

// Socket is where a running service answers other commands.
func (d Dir) Socket() string { return d.join("service.sock") }

// LockFile is there as long as the state directory is.
func (d Dir) LockFile() string { return d.join("lock") }

// Gone says that the directory was taken away since it was locked.
func (d Dir) Gone() bool {
	_, err := os.Lstat(d.LockFile())
	return errors.Is(err, fs.ErrNotExist)
}

func (d Dir) serviceLock() string { return d.join("service.lock") }

// Certificates names those that have a directory, configured or not.
func (d Dir) Certificates() ([]string, error) {
	entries, err := os.ReadDir(d.join("certificates"))
	if err != nil && !os.IsNotExist(err) {
		return nil, fmt.Errorf("list the certificates of the state directory: %w", err)
	}
	var names []string
	for _, entry := range entries {
		if entry.IsDir() {
			names = append(names, entry.Name())
		}
	}
	return names, nil
}

// Has says that something is kept of a certificate, configured or not.
func (d Dir) Has(name string) bool {
	info, err := os.Lstat(d.Certificate(name))
	return err == nil && info.IsDir()
}

// Remember has Certificates name a certificate from now on, also where nothing else is kept of it.
func (d Dir) Remember(name string) error { return os.MkdirAll(d.Certificate(name), 0o700) }

// Forget removes all that is kept of a certificate. Its journals go last, so that
// a cut removal can be seen and made again.
func (d Dir) Forget(name string) error {
	for _, path := range []string{d.Store(name).CurrentDir(), d.Store(name).VersionsDir(), d.Certificate(name)} {
		if err := os.RemoveAll(path); err != nil {
			return fmt.Errorf("forget %s: %w", name, err)
		}
	}
	if err := atomicfile.SyncDir(d.join("certificates")); err != nil {
		return fmt.Errorf("forget %s: %w", name, err)
	}
	return nil
}

// OtherDirHint is what to do where something else stands in the place of the directory.
const OtherDirHint = "move it away, or let state_dir be another directory"

// UnreadableHint is what to do where a file of the directory cannot be read.
const UnreadableHint = "put the file back from a backup; without one, move away what stands in its place, and see in the SSL console what was ordered"

// Prepare makes the directory and closes it to others. It refuses one that
// somebody beside root and this process's user can change all the same: what
// lies in it is opened by name.
func (d Dir) Prepare() error {
	path := string(d)
	dir, err := openat.OpenOrMake(path, 0o700)
	if errors.Is(err, syscall.ENOTDIR) {
		return hint.Add(fmt.Errorf("make the state directory: %w", err), OtherDirHint)
	}
	if err != nil {
		return hint.Add(fmt.Errorf("make the state directory: %w", err), "install -d -m 0700 "+path)
	}
	defer dir.Close()
	if err := dir.Restrict(0o700); err != nil {
		return hint.Add(fmt.Errorf("close the state directory to others: %w", err), "chmod 0700 "+path)
	}
	if err := d.safe(dir); err != nil {
		return err
	}
	return d.Usable()
}

// Safe refuses a directory that somebody beside root and this process's user can
// change.
func (d Dir) Safe() error {
	dir, err := openat.Open(string(d))
	if err != nil {
		return fmt.Errorf("open the state directory: %w", err)
	}
	defer dir.Close()
	return d.safe(dir)
}

func (d Dir) safe(dir *openat.Dir) error {
	err := dir.Others()
	if err == nil {
		return nil
	}
	err = fmt.Errorf("the state directory is not this user's alone: %w", err)
	if uid := dir.Owner(); uid != 0 && uid != os.Geteuid() {
		// It is the state of an agent that runs as another user.
		err = hint.Add(err, "run it as the directory's owner: runuser -u "+userName(uid)+" -- dvagent")
	}
	return err
}
