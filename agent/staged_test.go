package agent

import (
	"os"
	"path/filepath"
	"testing"

	"dvagent/internal/sandbox"
)

// fault 59: a process was killed while it made a journal shorter.
func TestWhatAKilledProcessLeftOfAJournalIsClearedByTheNextPass(t *testing.T) {
	w := newWorld(t, sandbox.Options{})
	w.renewed(Renewal{})
	where, staged := w.where(), []string(nil)
	for _, path := range []string{where.Instances(), where.Records(), where.RolloutJournal("example.com")} {
		if _, err := os.Stat(path); err != nil {
			t.Fatal(err)
		}
		staged = append(staged, filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".dvagent"))
	}
	for _, path := range staged {
		if err := os.WriteFile(path, []byte("torn"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	w.renew(Renewal{})
	for _, path := range staged {
		if _, err := os.Lstat(path); !os.IsNotExist(err) {
			t.Errorf("%s is still there: %v", path, err)
		}
	}
}
