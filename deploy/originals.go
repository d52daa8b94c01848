package deploy

import (
	"bytes"
	"cmp"
	"crypto"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"dvagent/internal/atomicfile"
	"dvagent/internal/bundle"
)

// mostSets bounds the sets of originals of a target: another program may write
// the same files again and again. The oldest set, from before the first
// installation, is never removed.
const mostSets = 10

// copyOriginals copies the files of a target to a directory of their own under
// Job.Originals, unless they are ours or already there, and returns it.
func (j Job) copyOriginals(files map[string]original) (string, error) {
	if j.Originals == "" || j.ours(files) {
		return "", nil
	}
	set := filepath.Join(j.Originals, j.setPrefix()+digest(j.Target, files))
	if err := atomicfile.MkdirAll(set, 0o700); err != nil {
		return "", fmt.Errorf("copy originals: %w", err)
	}
	for _, f := range formats {
		o := files[f.path(j.Target)]
		if o.data == nil {
			continue
		}
		if there, err := bundle.ReadFile(filepath.Join(set, f.keptAs)); err == nil && bytes.Equal(there, o.data) {
			continue // if it were written again, the set would no longer be the oldest
		}
		saved := atomicfile.File{Path: filepath.Join(set, f.keptAs), Data: o.data, Mode: 0o600,
			UID: atomicfile.Keep, GID: atomicfile.Keep}
		if err := atomicfile.Write(saved); err != nil {
			return "", fmt.Errorf("copy originals: %w", err)
		}
	}
	return set, nil
}

// setPrefix is the beginning of the names of the target's sets.
func (j Job) setPrefix() string { return j.Target.ID() + "-" }

// ours says whether the files are no originals: every key and leaf in them is
// that of a stored version or of the bundle to be installed.
func (j Job) ours(files map[string]original) bool {
	for _, f := range formats {
		data := files[f.path(j.Target)].data
		if data == nil {
			continue
		}
		certificates, key, err := f.parts(j.Target, data)
		if err != nil || !j.knows(append(bytes.Clone(certificates), key...)) {
			return false
		}
	}
	return true
}

// knows says whether all public keys in content are ours. A nil content, as of a
// chain, has no key of its own.
func (j Job) knows(content []byte) bool {
	if content == nil {
		return true
	}
	keys := bundle.PublicKeys(content)
	return len(keys) > 0 && !slices.ContainsFunc(keys, func(key crypto.PublicKey) bool {
		return !bundle.SameKey(j.Bundle.Leaf.PublicKey, key) && (j.Known == nil || !j.Known(key))
	})
}

// digest tells one set of originals from another.
func digest(t Target, files map[string]original) string {
	sum := sha256.New()
	for _, f := range formats {
		data := files[f.path(t)].data
		fmt.Fprintf(sum, "%s %d\n", f.keptAs, len(data))
		sum.Write(data)
	}
	return hex.EncodeToString(sum.Sum(nil)[:6])
}

// pruneOriginals removes all sets of the target but the oldest and the newest ones.
func (j Job) pruneOriginals() error {
	entries, err := os.ReadDir(j.Originals)
	if err != nil {
		return fmt.Errorf("prune originals: %w", err)
	}
	sets := slices.DeleteFunc(entries, func(e fs.DirEntry) bool { return !strings.HasPrefix(e.Name(), j.setPrefix()) })
	if len(sets) <= mostSets {
		return nil
	}
	slices.SortFunc(sets, func(a, b fs.DirEntry) int {
		return cmp.Or(modified(a).Compare(modified(b)), cmp.Compare(a.Name(), b.Name()))
	})
	for _, set := range sets[1 : len(sets)-mostSets+1] {
		if err := os.RemoveAll(filepath.Join(j.Originals, set.Name())); err != nil {
			return fmt.Errorf("prune originals: %w", err)
		}
	}
	return nil
}

func modified(entry fs.DirEntry) time.Time {
	info, err := entry.Info()
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}
