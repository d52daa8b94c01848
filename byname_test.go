package dvagent_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// byName are the files and directories whose code may open files by their names,
// and why nobody else can exchange what has these names.
var byName = map[string]string{
	"agent/notice":          "the state directory, which Prepare refuses when others can change it",
	"agent/order":           "the state directory",
	"agent/seal":            "the state directory; targets are looked at by package openat",
	"agent/state":           "the state directory",
	"agent/statetest":       "a test's directory",
	"internal/bundle":       "versions in the state directory",
	"internal/journal":      "the state directory",
	"deploy/originals.go":   "originals in the state directory",
	"cmd/dvagent/daemon":    "the socket in the state directory",
	"internal/page":         "the sources, in tests",
	"internal/openat":       "what it has open already, by its descriptor",
	"internal/command":      "/proc, /dev/null and the beginning of what it is to start",
	"internal/sandbox":      "files of a sandbox, which holds no secret",
	"cmd/dvagent/demo":      "a new directory of its own",
	"dnsvalidate/dnstest":   "a test's directory",
	"agent/fleet/fleettest": "a test's directory",
}

var opensByName = regexp.MustCompile(`\b(?:os\.(?:Open\w*|ReadFile|ReadDir|DirFS|Create\w*|WriteFile|Rename|Link|Symlink|Chmod|Chown|Lchown|Truncate)` +
	`|tls\.LoadX509KeyPair|(?:unix|syscall)\.(?:Open\w*|Renameat?\w*|Unlinkat?|Fchmodat|Fchownat)|filepath\.(?:Glob|Walk\w*))\(`)

// fault 164: a target, a secret or a configuration is opened by package openat
// alone, on descriptors.
func TestWhatOthersCouldExchangeIsOpenedByOnePackage(t *testing.T) {
	used := map[string]bool{}
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil || !opensByName.Match(text) {
			return err
		}
		for _, place := range []string{path, filepath.Dir(path)} {
			if byName[place] != "" {
				used[place] = true
				return nil
			}
		}
		t.Errorf("%s has %s: package openat opens what others could exchange", path, opensByName.Find(text))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for place := range byName {
		if !used[place] {
			t.Errorf("%s opens nothing by name: the table need not name it", place)
		}
	}
}
