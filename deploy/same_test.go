package deploy_test

import (
	"os"
	"path/filepath"
	"testing"

	"dvagent/deploy"
	"dvagent/internal/bundle"
	"dvagent/internal/bundle/bundletest"
)

// Same may answer false for nothing. Where it answers true, Inspect must find nothing.
func TestATargetIsTheSameToTheLetterOrIsInspected(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(target *deploy.Target) error
		want   bool
	}{
		{"as it was installed", func(*deploy.Target) error { return nil }, true},
		{"a key of another pair", func(target *deploy.Target) error {
			return os.WriteFile(target.Key, bundletest.NewCA(t, "other").Issue(t, bundletest.Leaf{Names: []string{"example.com"}}).KeyPEM(), 0o600)
		}, false},
		{"a chain that ends early", func(target *deploy.Target) error { return os.Truncate(target.Chain, 20) }, false},
		{"a mode", func(target *deploy.Target) error { return os.Chmod(target.Key, 0o644) }, false},
		{"a file that is gone", func(target *deploy.Target) error { return os.Remove(target.Cert) }, false},
		{"a key that is to have another format", func(target *deploy.Target) error { target.KeyFormat = "pkcs1"; return nil }, false},
		{"a probe", func(target *deploy.Target) error { target.Probe = []string{"127.0.0.1:1"}; return nil }, false},
		{"an owner that nobody knows", func(target *deploy.Target) error { target.Owner = "no-such-user-here"; return nil }, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			b, store := bundletest.NewCA(t, "CA").Issue(t, bundletest.Leaf{Names: []string{"example.com"}}), bundle.Open(filepath.Join(dir, "store"))
			id, err := store.Put(b)
			if err != nil {
				t.Fatal(err)
			}
			target := deploy.Target{Key: dir + "/key", Cert: dir + "/cert", Chain: dir + "/chain", Fullchain: dir + "/full", Combined: dir + "/both"}
			if result := deploy.Install(t.Context(), []deploy.Job{{Certificate: "www", Target: target, Bundle: b}})[0]; result.Err != nil {
				t.Fatal(result.Err)
			}
			if err := tt.change(&target); err != nil {
				t.Fatal(err)
			}
			text, whole := bundle.LoadText(store.Path(id), b.Leaf)
			if !whole {
				t.Fatal("the store is not whole")
			}
			got := deploy.Same(t.Context(), target, text)
			drift := deploy.Inspect(t.Context(), target, b)
			if got != tt.want || got && !drift.InPlace {
				t.Errorf("same: %v, want %v; it differs: %v", got, tt.want, drift.Files)
			}
		})
	}
}

func TestAStoreThatIsNotAsPutWritesItHasNoText(t *testing.T) {
	b, store := bundletest.NewCA(t, "CA").Issue(t, bundletest.Leaf{Names: []string{"example.com"}}), bundle.Open(t.TempDir())
	id, err := store.Put(b)
	if err != nil {
		t.Fatal(err)
	}
	other := bundletest.NewCA(t, "CA").Issue(t, bundletest.Leaf{Names: []string{"example.com"}})
	if _, whole := bundle.LoadText(store.Path(id), other.Leaf); whole {
		t.Error("the leaf is another one")
	}
	if err := os.Remove(filepath.Join(store.Path(id), bundle.KeyFile)); err != nil {
		t.Fatal(err)
	}
	if _, whole := bundle.LoadText(store.Path(id), b.Leaf); whole {
		t.Error("the key is gone")
	}
}
