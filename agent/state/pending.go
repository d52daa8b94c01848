package state

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"dvagent/internal/atomicfile"
	"dvagent/internal/bundle"
)

// pending is the directory of the private keys that were made for orders and
// have no certificate yet.
func (d Dir) pending(certificate string) string {
	return filepath.Join(d.Certificate(certificate), "pending")
}

func (d Dir) pendingKey(certificate, id string) string {
	return filepath.Join(d.pending(certificate), id+keySuffix)
}

// MakeKey makes the private key for a certificate's order, in the place of any
// other, and returns it (PEM) with its bundle.KeyID. It is on the disk, readable
// by its owner alone, when MakeKey returns.
func (d Dir) MakeKey(certificate, kind string) (id string, key []byte, err error) {
	if key, err = bundle.MakeKey(kind); err != nil {
		return "", nil, err
	}
	if id, err = bundle.KeyID(key); err != nil {
		return "", nil, err
	}
	if err := d.DropKeys(certificate); err != nil { // what a kill left half-made
		return "", nil, err
	}
	if err := atomicfile.MkdirAll(d.pending(certificate), 0o700); err != nil {
		return "", nil, fmt.Errorf("keep the key of an order: %w", err)
	}
	file := atomicfile.File{Path: d.pendingKey(certificate, id), Data: key, Mode: 0o600, UID: atomicfile.Keep, GID: atomicfile.Keep}
	if err := atomicfile.Write(file); err != nil {
		return "", nil, fmt.Errorf("keep the key of an order: %w", err)
	}
	return id, key, nil
}

// KeepKey keeps a private key (PEM) that another host made for the order of a
// certificate, as MakeKey does; nil is none.
func (d Dir) KeepKey(certificate string, key []byte) error {
	if key == nil {
		return nil
	}
	id, err := bundle.KeyID(key)
	if err == nil {
		err = atomicfile.MkdirAll(d.pending(certificate), 0o700)
	}
	if err == nil {
		err = atomicfile.Write(atomicfile.File{Path: d.pendingKey(certificate, id), Data: key, Mode: 0o600, UID: atomicfile.Keep, GID: atomicfile.Keep})
	}
	if err != nil {
		return fmt.Errorf("keep the key of an order: %w", err)
	}
	return nil
}

// Key is a private key that MakeKey made (PEM), or nil when it is lost: not
// there, or not the one that the id says.
func (d Dir) Key(certificate, id string) ([]byte, error) {
	key, err := bundle.ReadFile(d.pendingKey(certificate, id))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the key of an order: %w", err)
	}
	if found, err := bundle.KeyID(key); err != nil || found != id {
		return nil, nil
	}
	return key, nil
}

// AnyKey is a private key of the certificate (PEM) by its bundle.KeyID, whether
// it waits for its certificate or belongs to a stored version; nil: there is none.
func (d Dir) AnyKey(certificate, id string) ([]byte, error) {
	if key, err := d.Key(certificate, id); err != nil || key != nil {
		return key, err
	}
	store := d.Store(certificate)
	versions, err := store.Versions()
	for _, version := range versions {
		leaf, err := bundle.LoadLeaf(store.Path(version))
		if err != nil || bundle.LeafKeyID(leaf) != id {
			continue
		}
		if b, err := bundle.Load(store.Path(version)); err == nil { // else its key is not the leaf's
			return b.KeyPEM(), nil
		}
	}
	return nil, err
}

// LastKey is the id of the key that was made last, or "": what is left of an
// order whose journal was lost.
func (d Dir) LastKey(certificate string) string {
	entries, err := os.ReadDir(d.pending(certificate))
	if err != nil {
		return ""
	}
	last, made := "", time.Time{}
	for _, entry := range entries {
		id, isKey := strings.CutSuffix(entry.Name(), keySuffix)
		info, err := entry.Info()
		if !isKey || err != nil || info.ModTime().Before(made) {
			continue
		}
		if key, err := d.Key(certificate, id); err == nil && key != nil {
			last, made = id, info.ModTime()
		}
	}
	return last
}

// DropKeys removes every pending key of a certificate, half-written ones too:
// its order is over.
func (d Dir) DropKeys(certificate string) error {
	if err := os.RemoveAll(d.pending(certificate)); err != nil {
		return fmt.Errorf("remove the key of an order: %w", err)
	}
	return nil
}

// DropOpenKeys removes the pending keys of a certificate, half-written ones too, but
// for those that were given up.
func (d Dir) DropOpenKeys(certificate string) error {
	dir := d.pending(certificate)
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, entry := range entries {
		if !strings.HasSuffix(entry.Name(), givenUpSuffix) {
			err = errors.Join(err, os.Remove(filepath.Join(dir, entry.Name())))
		}
	}
	if err != nil {
		return fmt.Errorf("remove the key of an order: %w", err)
	}
	return nil
}

const (
	keySuffix     = ".pem"
	givenUpSuffix = ".given-up" + keySuffix // whose name is no key's id
)

// GiveKeysUp sets the pending keys of a certificate aside: their order was given
// up, and only an operator takes them back.
func (d Dir) GiveKeysUp(certificate string) error {
	return d.renameKeys(certificate, keySuffix, givenUpSuffix)
}

// TakeKeysBack undoes GiveKeysUp.
func (d Dir) TakeKeysBack(certificate string) error {
	return d.renameKeys(certificate, givenUpSuffix, keySuffix)
}

func (d Dir) renameKeys(certificate, from, to string) error {
	dir := d.pending(certificate)
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, entry := range entries {
		id, found := strings.CutSuffix(entry.Name(), from)
		if found && !strings.HasSuffix(id+keySuffix, givenUpSuffix) {
			err = errors.Join(err, os.Rename(filepath.Join(dir, entry.Name()), filepath.Join(dir, id+to)))
		}
	}
	if err = errors.Join(err, atomicfile.SyncDir(dir)); err != nil {
		return fmt.Errorf("set the key of an order aside: %w", err)
	}
	return nil
}

// HasKeys says that a pending key of the certificate is there, given up or not.
func (d Dir) HasKeys(certificate string) bool {
	entries, err := os.ReadDir(d.pending(certificate))
	return err == nil && len(entries) > 0
}

// MoveOrder puts the open order of a certificate, with its key, under another
// name. The key is under both names while the journal moves, so that a cut move loses
// neither, whichever name is configured then.
func (d Dir) MoveOrder(from, to string) error {
	if err := os.MkdirAll(d.Certificate(to), 0o700); err != nil {
		return err
	}
	if err := d.copyKeys(from, to); err != nil {
		return err
	}
	if err := os.Rename(d.OrderJournal(from), d.OrderJournal(to)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := errors.Join(atomicfile.SyncDir(d.Certificate(to)), atomicfile.SyncDir(d.Certificate(from))); err != nil {
		return err
	}
	return d.DropKeys(from)
}

// copyKeys puts the pending keys of a certificate beside those that another one has.
func (d Dir) copyKeys(from, to string) error {
	entries, err := os.ReadDir(d.pending(from))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = atomicfile.MkdirAll(d.pending(to), 0o700)
	}
	for _, entry := range entries {
		if err != nil {
			break
		}
		if !strings.HasSuffix(entry.Name(), keySuffix) {
			continue // what a kill left half-made
		}
		var key []byte
		if key, err = bundle.ReadFile(filepath.Join(d.pending(from), entry.Name())); err == nil {
			err = atomicfile.Write(atomicfile.File{Path: filepath.Join(d.pending(to), entry.Name()), Data: key, Mode: 0o600, UID: atomicfile.Keep, GID: atomicfile.Keep})
		}
	}
	if err != nil {
		return fmt.Errorf("move the key of an order: %w", err)
	}
	return nil
}
