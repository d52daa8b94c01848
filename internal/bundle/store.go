package bundle

import (
	"bytes"
	"crypto"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"

	"dvagent/internal/atomicfile"
	"dvagent/internal/hint"
	"dvagent/internal/openat"
)

// Store keeps the versions of one certificate:
//
//	versions/ID/{cert,chain,fullchain,privkey}.pem
//	current -> versions/ID
//
// Calls that change it must not run side by side; the agent's lock sees to it.
type Store struct{ dir string }

const (
	currentLink = "current"
	versionsDir = "versions"
)

var validID = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[0-9]{8}-[0-9a-f]{12}$`) })

// Open returns the store in dir (certificates/NAME) without touching the disk.
func Open(dir string) *Store { return &Store{dir} }

// CurrentDir is the path that leads to the current version, whichever it is.
func (s *Store) CurrentDir() string { return filepath.Join(s.dir, currentLink) }

// VersionsDir is where the versions lie.
func (s *Store) VersionsDir() string { return filepath.Join(s.dir, versionsDir) }

// Path is the directory of a version, whether or not it exists.
func (s *Store) Path(id string) string { return filepath.Join(s.dir, versionsDir, id) }

// Put stores b as a version and returns its ID. When it returns without error,
// every byte and name is on the disk. Putting the same again is one version;
// what a killed process left half-done is made whole.
func (s *Store) Put(b *Bundle) (string, error) {
	id := b.ID()
	if err := s.put(id, b); err != nil {
		return "", fmt.Errorf("store version %s: %w", id, err)
	}
	return id, nil
}

func (s *Store) put(id string, b *Bundle) error {
	versions := filepath.Join(s.dir, versionsDir)
	if err := atomicfile.MkdirAll(versions, 0o755); err != nil {
		return err
	}
	info, err := os.Lstat(s.Path(id))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return s.build(id, b)
	case err != nil:
		return err
	case !info.IsDir():
		if err := os.Remove(s.Path(id)); err != nil {
			return err
		}
		return s.build(id, b)
	}
	return s.repair(id, b)
}

// build fills a temporary directory beside the version's and renames it.
func (s *Store) build(id string, b *Bundle) error {
	temporary := s.Path("." + id)
	if err := os.RemoveAll(temporary); err != nil {
		return err
	}
	if err := os.Mkdir(temporary, 0o700); err != nil {
		return err
	}
	if err := fill(temporary, b); err != nil {
		_ = os.RemoveAll(temporary) // the first error is the one to tell
		return err
	}
	if err := os.Rename(temporary, s.Path(id)); err != nil {
		_ = os.RemoveAll(temporary)
		return err
	}
	return atomicfile.SyncDir(filepath.Dir(temporary))
}

func fill(dir string, b *Bundle) error {
	for _, f := range b.files(dir) {
		if err := atomicfile.Create(f); err != nil {
			return err
		}
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		return err
	}
	return atomicfile.SyncDir(dir)
}

// repair writes those files of a version that are missing or wrong. An ID
// stands for one leaf, so no moment of it shows a pair that does not match.
func (s *Store) repair(id string, b *Bundle) error {
	for _, f := range b.files(s.Path(id)) {
		if holds(f) {
			continue
		}
		if err := atomicfile.Write(f); err != nil {
			return err
		}
	}
	return atomicfile.SyncDir(filepath.Dir(s.Path(id)))
}

func holds(f atomicfile.File) bool {
	info, err := os.Lstat(f.Path)
	if err != nil || info.Mode() != f.Mode {
		return false
	}
	data, err := ReadFile(f.Path)
	return err == nil && bytes.Equal(data, f.Data)
}

// files lists the key first, so that a version that lacks its leaf is seen to
// be incomplete.
func (b *Bundle) files(dir string) []atomicfile.File {
	file := func(name string, mode fs.FileMode, data []byte) atomicfile.File {
		return atomicfile.File{Path: filepath.Join(dir, name), Data: data, Mode: mode,
			UID: atomicfile.Keep, GID: atomicfile.Keep}
	}
	return []atomicfile.File{
		file(KeyFile, 0o600, b.KeyPEM()),
		file(ChainFile, 0o644, b.ChainPEM()),
		file(FullchainFile, 0o644, b.FullchainPEM()),
		file(CertFile, 0o644, b.CertPEM()),
	}
}

// Switch makes `current` point to a version by one rename, and makes that
// durable. A directory or file that stands there is moved aside, under a name
// that starts with "current.aside-", not removed.
func (s *Store) Switch(id string) error {
	if err := s.checkVersion(id); err != nil {
		return fmt.Errorf("switch to version %q: %w", id, err)
	}
	if err := s.link(id); err != nil {
		return fmt.Errorf("switch to version %s: %w", id, err)
	}
	return nil
}

func (s *Store) checkVersion(id string) error {
	if !validID().MatchString(id) {
		return errors.New("that is no version")
	}
	leaf, err := LoadLeaf(s.Path(id))
	if err != nil {
		return err
	}
	return KeyMatches(s.Path(id), leaf)
}

func (s *Store) link(id string) error {
	current := filepath.Join(s.dir, currentLink)
	if err := s.moveAside(current); err != nil {
		return err
	}
	dir, err := openat.Open(s.dir)
	if err != nil {
		return err
	}
	defer dir.Close()
	return atomicfile.Symlink(dir, filepath.Join(versionsDir, id), currentLink)
}

// moveAside clears what is no symlink from where one shall be.
func (s *Store) moveAside(current string) error {
	info, err := os.Lstat(current)
	if errors.Is(err, fs.ErrNotExist) || err == nil && info.Mode().Type() == fs.ModeSymlink {
		return nil
	}
	if err != nil {
		return err
	}
	aside, err := os.MkdirTemp(s.dir, currentLink+".aside-")
	if err != nil {
		return err
	}
	return os.Rename(current, filepath.Join(aside, currentLink))
}

// Current is the ID of the version that `current` points to, "" when there is
// no `current`. Anything but a link to a version is an error.
func (s *Store) Current() (string, error) {
	path := filepath.Join(s.dir, currentLink)
	target, err := os.Readlink(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", hint.Add(fmt.Errorf("read current version: %w", err),
			"the next deployment moves it aside and links the stored version")
	}
	id, ok := strings.CutPrefix(target, versionsDir+"/")
	if !ok || !validID().MatchString(id) {
		return "", fmt.Errorf("read current version: %s leads to %q, not to a version", path, target)
	}
	return id, nil
}

// Has says whether a stored version has this public key.
func (s *Store) Has(key crypto.PublicKey) bool {
	ids, err := s.Versions()
	return err == nil && slices.ContainsFunc(ids, func(id string) bool {
		leaf, err := LoadLeaf(s.Path(id))
		return err == nil && SameKey(leaf.PublicKey, key)
	})
}
