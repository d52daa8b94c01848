package bundle_test

import (
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"dvagent/internal/bundle"
	"dvagent/internal/bundle/bundletest"
)

var firstOfMay = time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)

// stored puts n versions, issued ten days apart, and returns their IDs, oldest
// first.
func stored(t *testing.T, store *bundle.Store, n int) []string {
	t.Helper()
	ca := bundletest.NewCA(t, "Test")
	var ids []string
	for i := range n {
		b := ca.Issue(t, bundletest.Leaf{Names: []string{"example.com"}, NotBefore: firstOfMay.AddDate(0, 0, 10*i)})
		ids = append(ids, put(t, store, b))
	}
	return ids
}

func put(t *testing.T, store *bundle.Store, b *bundle.Bundle) string {
	t.Helper()
	id, err := store.Put(b)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestPutMakesACompleteVersion(t *testing.T) {
	for _, umask := range []int{0, 0o077} { // fault 86
		t.Run(fmt.Sprintf("umask %03o does not matter", umask), func(t *testing.T) {
			defer syscall.Umask(syscall.Umask(umask))
			store := bundle.Open(filepath.Join(t.TempDir(), "certificates", "www"))
			b := bundletest.NewCA(t, "Test").Issue(t, bundletest.Leaf{Names: []string{"example.com"}})
			id := put(t, store, b)
			for path, want := range map[string]fs.FileMode{
				"":              fs.ModeDir | 0o755,
				"..":            fs.ModeDir | 0o755,
				"cert.pem":      0o644,
				"chain.pem":     0o644,
				"fullchain.pem": 0o644,
				"privkey.pem":   0o600,
			} {
				info, err := os.Stat(filepath.Join(store.Path(id), path))
				if err != nil {
					t.Fatal(err)
				}
				if info.Mode() != want {
					t.Errorf("%q has mode %v, want %v", path, info.Mode(), want)
				}
			}
			loaded, err := bundle.Load(store.Path(id))
			if err != nil {
				t.Fatal(err)
			}
			if loaded.ID() != id {
				t.Errorf("loaded %s, stored %s", loaded.ID(), id)
			}
		})
	}
}

func TestPutAgain(t *testing.T) {
	ca := bundletest.NewCA(t, "Test")
	b := ca.Issue(t, bundletest.Leaf{Names: []string{"example.com"}})
	for _, test := range []struct {
		name   string
		damage func(dir string) error
	}{
		{"the same twice is one version", func(string) error { return nil }},
		{"a missing file is written", func(dir string) error { return os.Remove(filepath.Join(dir, "cert.pem")) }},
		{"a short file is written again", func(dir string) error { return os.Truncate(filepath.Join(dir, "privkey.pem"), 9) }},
		{"a key that others can read is closed", func(dir string) error { return os.Chmod(filepath.Join(dir, "privkey.pem"), 0o666) }}, // fault 86
		{"a planted link is replaced", func(dir string) error { // fault 86
			key := filepath.Join(dir, "privkey.pem")
			return errors.Join(os.Rename(key, key+".elsewhere"), os.Symlink(key+".elsewhere", key), os.WriteFile(key, nil, 0o600))
		}},
		{"a file in the version's place gives way", func(dir string) error {
			return errors.Join(os.RemoveAll(dir), os.WriteFile(dir, nil, 0o666))
		}},
		{"what a killed Put left gives way", func(dir string) error {
			parent, id := filepath.Split(dir)
			return errors.Join(os.RemoveAll(dir), os.MkdirAll(filepath.Join(parent, "."+id, "privkey.pem"), 0o777))
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			store := bundle.Open(t.TempDir())
			id := put(t, store, b)
			if err := test.damage(store.Path(id)); err != nil {
				t.Fatal(err)
			}
			put(t, store, b)
			checkWhole(t, store, id)
		})
	}
}

func checkWhole(t *testing.T, store *bundle.Store, id string) {
	t.Helper()
	if err := pairMatches(store.Path(id)); err != nil {
		t.Error(err)
	}
	info, err := os.Lstat(filepath.Join(store.Path(id), "privkey.pem"))
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("privkey.pem: mode %v, error %v", info.Mode(), err)
	}
	entries, err := os.ReadDir(filepath.Dir(store.Path(id)))
	if err != nil || len(entries) != 1 {
		t.Errorf("versions/ holds %v, error %v", entries, err)
	}
}

func TestPutClaimsNothingWhenFsyncFails(t *testing.T) { // fault 54
	putWithout(t, syscall.SYS_FSYNC, syscall.EIO)
}

func TestPutClaimsNothingWhenTheDiskIsFull(t *testing.T) { // fault 50
	putWithout(t, syscall.SYS_FCHMOD, syscall.ENOSPC)
}

// putWithout stores a second version where one system call fails.
func putWithout(t *testing.T, call uintptr, errno syscall.Errno) {
	b := bundletest.NewCA(t, "Test").Issue(t, bundletest.Leaf{Names: []string{"example.com"}})
	bundletest.InChild(t, func() {
		store := bundle.Open(t.TempDir())
		first := stored(t, store, 1)
		if err := bundletest.Refuse(call, errno); err != nil {
			t.Fatal(err)
		}
		if _, err := store.Put(b); !errors.Is(err, errno) {
			t.Errorf("Put: %v, want %v", err, errno)
		}
		if ids, err := store.Versions(); !slices.Equal(ids, first) || err != nil {
			t.Errorf("versions %v, error %v", ids, err)
		}
		if left, _ := filepath.Glob(store.Path(".*")); len(left) > 0 {
			t.Errorf("left over: %v", left)
		}
	})
}

func TestSwitch(t *testing.T) {
	dir := t.TempDir()
	store := bundle.Open(dir)
	if id, err := store.Current(); id != "" || err != nil {
		t.Errorf("an empty store has current %q, error %v", id, err)
	}
	ids := stored(t, store, 2)
	for _, id := range []string{ids[0], ids[1], ids[0]} {
		if err := store.Switch(id); err != nil {
			t.Fatal(err)
		}
		if current, err := store.Current(); current != id || err != nil {
			t.Errorf("current = %q, error %v, want %q", current, err, id)
		}
		if link, _ := os.Readlink(filepath.Join(dir, "current")); link != "versions/"+id {
			t.Errorf("the link is %q", link)
		}
	}
	for _, bad := range []string{"", "..", "20261123-0123456789ab", "../../etc/cron.d/x"} { // fault 85
		if err := store.Switch(bad); err == nil {
			t.Errorf("switched to %q", bad)
		}
	}
}

func TestSwitchRefusesAPairThatDoesNotMatch(t *testing.T) {
	store := bundle.Open(t.TempDir())
	ids := stored(t, store, 2)
	from, to := filepath.Join(store.Path(ids[0]), "privkey.pem"), filepath.Join(store.Path(ids[1]), "privkey.pem")
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
	wantError(t, store.Switch(ids[1]), "does not belong to the certificate")
}

// fault 57
func TestSwitchMovesARestoredDirectoryAside(t *testing.T) {
	dir := t.TempDir()
	store := bundle.Open(dir)
	id := stored(t, store, 1)[0]
	backup := filepath.Join(dir, "current")
	if err := os.CopyFS(backup, os.DirFS(store.Path(id))); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Current(); err == nil {
		t.Error("a directory passed for the current version")
	}
	if err := store.Switch(id); err != nil {
		t.Fatal(err)
	}
	if current, err := store.Current(); current != id || err != nil {
		t.Errorf("current = %q, error %v", current, err)
	}
	if kept, _ := filepath.Glob(filepath.Join(dir, "current.aside-*", "current", "privkey.pem")); len(kept) != 1 {
		t.Errorf("the backup is at %v", kept)
	}
}

func TestCurrentRefusesAForeignLink(t *testing.T) {
	for _, target := range []string{"/etc", "versions", "versions/../../x", "../versions/20261123-0123456789ab"} {
		dir := t.TempDir()
		if err := os.Symlink(target, filepath.Join(dir, "current")); err != nil {
			t.Fatal(err)
		}
		if id, err := bundle.Open(dir).Current(); err == nil {
			t.Errorf("a link to %q is current %q", target, id)
		}
	}
}

func TestVersionsAreListedNewestFirst(t *testing.T) {
	store := bundle.Open(t.TempDir())
	ca := bundletest.NewCA(t, "Test")
	var want []string
	for _, hour := range []int{1, 9, 5, 30} {
		b := ca.Issue(t, bundletest.Leaf{Names: []string{"example.com"}, NotBefore: firstOfMay.Add(time.Duration(hour) * time.Hour)})
		want = append(want, put(t, store, b))
	}
	want = []string{want[3], want[1], want[2], want[0]}
	if err := os.Mkdir(store.Path("lost+found"), 0o700); err != nil {
		t.Fatal(err)
	}
	if got, err := store.Versions(); !slices.Equal(got, want) || err != nil {
		t.Errorf("versions %v, error %v, want %v", got, err, want)
	}
	if err := store.Switch(want[1]); err != nil {
		t.Fatal(err)
	}
	if got, err := store.Previous(); got != want[2] || err != nil {
		t.Errorf("previous = %q, error %v, want %q", got, err, want[2])
	}
}

// A CA may let all leaves of a day begin at its midnight.
func TestOfLeavesThatBeginAtOnceTheOneStoredLastIsNewest(t *testing.T) {
	store := bundle.Open(t.TempDir())
	ca := bundletest.NewCA(t, "Test")
	var want []string
	for i := range 8 {
		id := put(t, store, ca.Issue(t, bundletest.Leaf{Names: []string{"example.com"}, NotBefore: firstOfMay}))
		at := firstOfMay.Add(time.Duration(i) * time.Minute)
		if err := os.Chtimes(store.Path(id), at, at); err != nil {
			t.Fatal(err)
		}
		want = slices.Insert(want, 0, id)
	}
	if got, err := store.Versions(); !slices.Equal(got, want) || err != nil {
		t.Errorf("versions %v, error %v, want %v", got, err, want)
	}
}

// fault 58
func TestPruneKeepsWhatIsInUse(t *testing.T) {
	store := bundle.Open(t.TempDir())
	ids := stored(t, store, 6)
	if err := store.Switch(ids[0]); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(store.Path("."+ids[3]), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := store.Prune(2, func(id string) bool { return id == ids[2] }); err != nil {
		t.Fatal(err)
	}
	want := []string{ids[5], ids[4], ids[2], ids[0]}
	if got, err := store.Versions(); !slices.Equal(got, want) || err != nil {
		t.Errorf("versions %v, error %v, want %v", got, err, want)
	}
	if left, _ := filepath.Glob(store.Path(".*")); len(left) > 0 {
		t.Errorf("left over: %v", left)
	}
}

func TestHas(t *testing.T) {
	store := bundle.Open(t.TempDir())
	b := bundletest.NewCA(t, "Test").Issue(t, bundletest.Leaf{Names: []string{"example.com"}})
	if store.Has(b.Leaf.PublicKey) {
		t.Error("an empty store has a key")
	}
	put(t, store, b)
	if !store.Has(b.Leaf.PublicKey) || store.Has(bundletest.NewKey(t).Public()) {
		t.Error("the store does not know its own key, or knows a foreign one")
	}
}

// pairMatches is nil when a version's key is that of its leaf.
func pairMatches(dir string) error {
	leaf, err := bundle.LoadLeaf(dir)
	if err != nil {
		return err
	}
	return bundle.KeyMatches(dir, leaf)
}

func TestKeyMatches(t *testing.T) {
	ca := bundletest.NewCA(t, "Test")
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	for name, leaf := range map[string]bundletest.Leaf{
		"an RSA key matches":  {Names: []string{"example.com"}, Key: rsaKey},
		"a P-256 key matches": {Names: []string{"example.com"}},
	} {
		t.Run(name, func(t *testing.T) {
			store := bundle.Open(t.TempDir())
			id, other := put(t, store, ca.Issue(t, leaf)), ca.Issue(t, bundletest.Leaf{Names: []string{"example.com"}})
			if err := pairMatches(store.Path(id)); err != nil {
				t.Error(err)
			}
			if err := os.WriteFile(filepath.Join(store.Path(id), "privkey.pem"), other.KeyPEM(), 0o600); err != nil {
				t.Fatal(err)
			}
			wantError(t, pairMatches(store.Path(id)), "does not belong")
		})
	}
}

func BenchmarkLoadLeafAndKeyMatches(b *testing.B) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		b.Fatal(err)
	}
	store := bundle.Open(b.TempDir())
	id, err := store.Put(bundletest.NewCA(b, "Test").Issue(b, bundletest.Leaf{Names: []string{"example.com"}, Key: key}))
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		leaf, err := bundle.LoadLeaf(store.Path(id))
		if err != nil {
			b.Fatal(err)
		}
		if err := bundle.KeyMatches(store.Path(id), leaf); err != nil {
			b.Fatal(err)
		}
	}
}

// fault 148
func TestAVersionThatCannotBeRemovedKeepsNoOtherFromIt(t *testing.T) {
	store := bundle.Open(t.TempDir())
	ids := stored(t, store, 5)
	if err := store.Switch(ids[4]); err != nil {
		t.Fatal(err)
	}
	stuck := filepath.Join(store.Path(ids[2]), "privkey.pem")
	if out, err := exec.Command("chattr", "+i", stuck).CombinedOutput(); err != nil {
		t.Skipf("no file can be made immutable: %v %s", err, out)
	}
	nobody := func(string) bool { return false }
	err := store.Prune(1, nobody)
	if _, again := store.Versions(); err == nil || again != nil {
		t.Errorf("error %v; %v", err, again)
	}
	left, _ := filepath.Glob(store.Path("*"))
	if len(left) != 2 { // the current one, and what is left of the other
		t.Errorf("left: %v", left)
	}
	stuck = filepath.Join(store.Path("."+ids[2]), "privkey.pem")
	if out, err := exec.Command("chattr", "-i", stuck).CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	if err := store.Prune(1, nobody); err != nil {
		t.Error(err)
	}
	if left, _ := filepath.Glob(store.Path(".*-*")); len(left) > 0 {
		t.Errorf("left at the next look: %v", left)
	}
}
