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

// keptSets bounds what is kept of a target where another program writes the
// same files. The oldest set, from before dvagent, is always one of them.
const keptSets = 10

// keep copies the files of a target to a directory of their own under
// Job.Before, unless they are ours or there already, and returns it.
func (j Job) keep(files map[string]original) (string, error) {
	if j.Before == "" || j.ours(files) {
		return "", nil
	}
	set := filepath.Join(j.Before, j.setPrefix()+digest(j.Target, files))
	if err := atomicfile.MkdirAll(set, 0o700); err != nil {
		return "", fmt.Errorf("keep originals: %w", err)
	}
	for _, f := range formats {
		o := files[f.path(j.Target)]
		if o.data == nil {
			continue
		}
		if there, err := os.ReadFile(filepath.Join(set, f.name)); err == nil && bytes.Equal(there, o.data) {
			continue // written again, the set would no longer be the oldest
		}
		kept := atomicfile.File{Path: filepath.Join(set, f.name), Data: o.data, Mode: 0o600,
			UID: atomicfile.Keep, GID: atomicfile.Keep}
		if err := atomicfile.Write(kept); err != nil {
			return "", fmt.Errorf("keep originals: %w", err)
		}
	}
	return set, nil
}

// setPrefix is how the names of the target's sets begin.
func (j Job) setPrefix() string { return j.Target.ID() + "-" }

// ours says whether nothing would be lost with the files: every key and leaf
// in them is that of a stored version or of the bundle to come.
func (j Job) ours(files map[string]original) bool {
	for _, f := range formats {
		data := files[f.path(j.Target)].data
		if data == nil {
			continue
		}
		certificates, key, err := f.decode(j.Target, data)
		if err != nil || !j.knows(append(bytes.Clone(certificates), key...)) {
			return false
		}
	}
	return true
}

// knows is true of a file that has no key of its own, such as a chain.
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
		fmt.Fprintf(sum, "%s %d\n", f.name, len(data))
		sum.Write(data)
	}
	return hex.EncodeToString(sum.Sum(nil)[:6])
}

// prune removes all sets of the target but the oldest and the newest ones.
func (j Job) prune() error {
	entries, err := os.ReadDir(j.Before)
	if err != nil {
		return fmt.Errorf("prune originals: %w", err)
	}
	sets := slices.DeleteFunc(entries, func(e fs.DirEntry) bool { return !strings.HasPrefix(e.Name(), j.setPrefix()) })
	if len(sets) <= keptSets {
		return nil
	}
	slices.SortFunc(sets, func(a, b fs.DirEntry) int {
		return cmp.Or(modified(a).Compare(modified(b)), cmp.Compare(a.Name(), b.Name()))
	})
	for _, set := range sets[1 : len(sets)-keptSets+1] {
		if err := os.RemoveAll(filepath.Join(j.Before, set.Name())); err != nil {
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
