package dvagent_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// machineTimes are the files whose times are for machines, for an id, or of a day
// that passes before one's eyes.
var machineTimes = []string{
	"agent/issue/cas2018/cas2018.go", // what CAS compares
	"agent/issue/choose.go",          // one day is another
	"agent/notice/trouble.go",        // a cause
	"cmd/dvagent/account.go",         // JSON
	"cmd/dvagent/progress.go",        // the step that has just ended
	"cmd/dvagent/status.go",          // the watch
	"hooks/hooks.go",
	"internal/aliyun/role.go",
	"internal/bundle/bundle.go",
	"internal/journal/journal.go",
	"internal/words/words.go",
}

var formatsTime = regexp.MustCompile(`\.Format\((time\.|"[^"]*0[1-6])`)

// fault 184
func TestTimesForPeopleArePutIntoWordsInOnePlace(t *testing.T) {
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") ||
			strings.HasPrefix(path, "internal/sandbox/") || strings.HasPrefix(path, "dashboard/") || slices.Contains(machineTimes, path) {
			return err
		}
		text, err := os.ReadFile(path)
		if found := formatsTime.Find(text); found != nil {
			t.Errorf("%s: %s…: package words has times for people", path, found)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
