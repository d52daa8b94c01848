package bundle

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"dvagent/internal/atomicfile"
)

// Versions lists the IDs of the stored versions, newest first: by the date in
// the ID, within a day by the leaf's NotBefore, and where a CA rounds that to the
// day, by when they were stored.
func (s *Store) Versions() ([]string, error) {
	ids, _, err := s.list()
	return ids, err
}

// list lists also what a killed Put or Prune left.
func (s *Store) list() (ids, left []string, err error) {
	entries, err := os.ReadDir(s.VersionsDir())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("list versions: %w", err)
	}
	for _, entry := range entries {
		switch name := entry.Name(); {
		case strings.HasPrefix(name, ".") && strings.Contains(name, "-"):
			left = append(left, s.Path(name))
		case entry.IsDir() && validID().MatchString(name):
			ids = append(ids, name)
		}
	}
	s.sortNewestFirst(ids)
	return ids, left, nil
}

// sortNewestFirst reads leaves only where two versions share a date.
func (s *Store) sortNewestFirst(ids []string) {
	date := func(id string) string { return id[:len("20060102")] }
	starts := make(map[string]time.Time)
	start := func(id string) time.Time {
		if _, ok := starts[id]; !ok {
			starts[id] = s.notBefore(id)
		}
		return starts[id]
	}
	slices.SortFunc(ids, func(a, b string) int {
		if order := strings.Compare(date(b), date(a)); order != 0 {
			return order
		}
		return cmp.Or(start(b).Compare(start(a)), s.storedAt(b).Compare(s.storedAt(a)), strings.Compare(b, a))
	})
}

// storedAt is when the last file of a version was put into its directory; the zero
// time where that is gone.
func (s *Store) storedAt(id string) time.Time {
	info, err := os.Lstat(s.Path(id))
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}

// notBefore is the zero time for a version without a readable leaf, which puts
// it last.
func (s *Store) notBefore(id string) time.Time {
	leaf, err := LoadLeaf(s.Path(id))
	if err != nil {
		return time.Time{}
	}
	return leaf.NotBefore
}

// Previous is the ID of the version before the current one, "" when there is
// none.
func (s *Store) Previous() (string, error) {
	current, err := s.Current()
	if err != nil {
		return "", err
	}
	ids, err := s.Versions()
	if err != nil {
		return "", err
	}
	if i := slices.Index(ids, current); i >= 0 && i+1 < len(ids) {
		return ids[i+1], nil
	}
	return "", nil
}

// Prune removes all but the newest keep versions; the current one and those
// that inUse names stay in any case. What a killed Put or Prune left is
// removed too. One that cannot be removed keeps no other from it.
func (s *Store) Prune(keep int, inUse func(id string) bool) error {
	current, err := s.Current()
	if err != nil {
		return err
	}
	ids, left, err := s.list()
	if err != nil {
		return err
	}
	var first error
	for _, id := range ids[min(keep, len(ids)):] {
		if id == current || inUse(id) {
			continue
		}
		if err := s.remove(id); err != nil && first == nil {
			first = fmt.Errorf("remove version %s: %w", id, err)
		}
	}
	return cmp.Or(first, s.sweep(left))
}

// remove renames first: a version is there whole, or not at all.
func (s *Store) remove(id string) error {
	temporary := s.Path("." + id)
	if err := os.RemoveAll(temporary); err != nil {
		return err
	}
	if err := os.Rename(s.Path(id), temporary); err != nil {
		return err
	}
	return os.RemoveAll(temporary)
}

func (s *Store) sweep(leftovers []string) error {
	if len(leftovers) == 0 {
		return nil
	}
	var first error
	for _, path := range leftovers {
		if err := os.RemoveAll(path); err != nil && first == nil {
			first = fmt.Errorf("remove what is left of a version: %w", err)
		}
	}
	return cmp.Or(first, atomicfile.SyncDir(filepath.Join(s.dir, versionsDir)))
}
