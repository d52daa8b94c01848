package state

import (
	"fmt"
	"os"
	"path/filepath"

	"dvagent/agent/order"
	"dvagent/agent/rollout"
	"dvagent/internal/bundle"
	"dvagent/internal/hint"
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

// Notices is the book of what people are told.
func (d Dir) Notices() string { return d.join("notices.json") }

// Socket is where a running service answers other commands.
func (d Dir) Socket() string { return d.join("service.sock") }

func (d Dir) lock() string { return d.join("lock") }

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

// Prepare makes the directory and closes it to others.
func (d Dir) Prepare() error {
	path := string(d)
	if err := os.MkdirAll(path, 0o700); err != nil {
		return hint.Add(fmt.Errorf("make the state directory: %w", err), "install -d -m 0700 "+path)
	}
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("look at the state directory: %w", err)
	}
	if info.Mode().Perm()&0o077 == 0 {
		return nil
	}
	if err := os.Chmod(path, 0o700); err != nil {
		return hint.Add(fmt.Errorf("close the state directory to others: %w", err), "chmod 0700 "+path)
	}
	return nil
}
