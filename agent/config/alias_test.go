package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// fault 143
func TestAListedDirectoryTellsWhichFilesAreNoneThatAreNeeded(t *testing.T) {
	for _, tt := range []struct {
		name, target string
		change       func(top string) error
		most         int
		none         bool
	}{
		{"a file", "file", nil, 10, true},
		{"a file that is not there", "missing", nil, 10, true},
		{"a symlink", "link", func(top string) error { return os.Symlink("../needed/secret", top+"/tls/link") }, 10, false},
		{"a directory", "dir", func(top string) error { return os.Mkdir(top+"/tls/dir", 0o700) }, 10, false},
		{"a file that is called as a needed one", "secret", nil, 10, false},
		{"a file that is called as what a needed symlink leads to", "behind", func(top string) error {
			return errors.Join(os.Rename(top+"/needed/secret", top+"/needed/behind"), os.Symlink("behind", top+"/needed/secret"))
		}, 10, false},
		{"a file, where a needed one has another name", "file", func(top string) error { return os.Link(top+"/needed/secret", top+"/needed/again") }, 10, false},
		{"a file, where as many others are as may be", "file", func(top string) error { return os.WriteFile(top+"/tls/other", nil, 0o600) }, 2, true},
		{"a file, where one more is", "file", func(top string) error { return os.WriteFile(top+"/tls/other", nil, 0o600) }, 1, false},
		{"a file, in a directory that is a link of ours", "file", func(top string) error {
			return errors.Join(os.Rename(top+"/tls", top+"/real"), os.Symlink("real", top+"/tls"))
		}, 10, true},
		{"a file, in a directory that is gone", "file", func(top string) error { return os.RemoveAll(top + "/tls") }, 10, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			top := t.TempDir()
			err := errors.Join(os.Mkdir(top+"/needed", 0o700), os.Mkdir(top+"/tls", 0o700),
				os.WriteFile(top+"/needed/secret", nil, 0o600), os.WriteFile(top+"/tls/file", nil, 0o600))
			if tt.change != nil {
				err = errors.Join(err, tt.change(top))
			}
			if err != nil {
				t.Fatal(err)
			}
			a, in := aliases{names: map[string]bool{}, most: tt.most}, &directory{path: filepath.Join(top, "tls")}
			if _, there := a.note(top + "/needed/secret"); !there {
				t.Error("the needed file is not seen")
			}
			answers := ""
			for range fewTargets + 1 {
				answers += map[bool]string{true: "n", false: "?"}[a.none(in, tt.target)]
			}
			want := strings.Repeat("?", fewTargets+1)
			if tt.none {
				want = strings.Repeat("?", fewTargets-1) + "nn"
			}
			if answers != want {
				t.Errorf("answers %s, want %s", answers, want)
			}
		})
	}
}
