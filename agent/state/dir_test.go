package state

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"dvagent/internal/hint"
	"dvagent/internal/journal"
)

// fault 164
func TestTheStateDirectoryIsNobodyElses(t *testing.T) {
	const stranger = 65534
	give := func(t *testing.T, path string) error {
		if os.Geteuid() != 0 {
			t.Skip("only root can give a directory to another user")
		}
		return os.Lchown(path, stranger, stranger)
	}
	for _, tt := range []struct {
		name      string
		change    func(t *testing.T, top, dir string) error
		err, hint string
	}{
		{"it is missing", func(t *testing.T, _, dir string) error { return os.Remove(dir) }, "", ""},
		{"it is ours", func(t *testing.T, _, dir string) error { return nil }, "", ""},
		{"others could write it", func(t *testing.T, _, dir string) error { return os.Chmod(dir, 0o777) }, "", ""},
		{"others can write the directory above", func(t *testing.T, top, dir string) error { return os.Chmod(top, 0o777) }, "can be written by others", "chmod o-w "},
		{"the directory above is another user's", func(t *testing.T, top, dir string) error { return give(t, top) }, "belongs to user", "chown root "},
		{"it is another user's", func(t *testing.T, _, dir string) error { return give(t, dir) }, "belongs to user", "run it as the directory's owner: runuser -u "},
		{"it is a link of another user", func(t *testing.T, top, dir string) error {
			return errors.Join(os.Rename(dir, top+"/real"), os.Symlink("real", dir), give(t, dir))
		}, "is not followed", ""},
		{"it is a link of ours", func(t *testing.T, top, dir string) error {
			return errors.Join(os.Rename(dir, top+"/real"), os.Symlink("real", dir))
		}, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			top := t.TempDir()
			dir := filepath.Join(top, "state")
			if err := errors.Join(os.Mkdir(dir, 0o700), tt.change(t, top, dir)); err != nil {
				t.Fatal(err)
			}
			err := Dir(dir).Prepare()
			if (err == nil) != (tt.err == "") || err != nil && (!strings.Contains(err.Error(), tt.err) || !strings.HasPrefix(hint.Of(err), tt.hint)) {
				t.Fatalf("error %v (hint: %s), want %q", err, hint.Of(err), tt.err)
			}
			if info, statErr := os.Stat(dir); err == nil && (statErr != nil || info.Mode().Perm() != 0o700) {
				t.Errorf("mode %v, error %v", info.Mode(), statErr)
			}
			if again := Dir(dir).Safe(); (again == nil) != (err == nil) {
				t.Errorf("then it is said to be %v", again)
			}
		})
	}
}

// fault 164
func TestNoFileOfTheStateDirectoryIsWrittenThroughALink(t *testing.T) {
	for _, tt := range []struct {
		name, file string
		write      func(dir Dir) error
	}{
		{"the lock", "lock", func(dir Dir) error { _, err := take(t, dir, "dvagent run"); return err }},
		{"a journal", "records.journal", func(dir Dir) error {
			log, _, err := journal.Open[string](dir.Records())
			if err != nil {
				return err
			}
			return log.Append("a fact")
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			victim := filepath.Join(t.TempDir(), "victim")
			dir := Dir(t.TempDir())
			if err := errors.Join(os.WriteFile(victim, []byte("untouched"), 0o600), os.Symlink(victim, dir.join(tt.file))); err != nil {
				t.Fatal(err)
			}
			if err := tt.write(dir); err == nil {
				t.Error("the link was followed")
			}
			if data, err := os.ReadFile(victim); string(data) != "untouched" || err != nil {
				t.Errorf("the victim holds %q, error %v", data, err)
			}
		})
	}
}
