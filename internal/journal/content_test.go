package journal

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"dvagent/internal/openat"
	"dvagent/internal/untouched"
)

// rich is a fact with all that JSON does not give back as it was.
type rich struct {
	At    time.Time         `json:"at"`
	Names []string          `json:"names,omitempty"`
	Of    map[string]string `json:"of,omitempty"`
	Next  *rich             `json:"next,omitempty"`
	Left  string            `json:"-"`
}

// What was appended is remembered just as it would be read.
func TestWhatIsRememberedOfAFileIsWhatItHolds(t *testing.T) {
	path := filepath.Join(t.TempDir(), "rich.journal")
	log, _, err := Open[rich](path)
	if err != nil {
		t.Fatal(err)
	}
	mine := rich{At: time.Now(), Names: []string{}, Of: map[string]string{"a": "b"}, Next: &rich{Names: []string{"c"}}, Left: "out"}
	for range 3 {
		if err := log.Append(mine); err != nil {
			t.Fatal(err)
		}
		mine.Next.Names[0] = "changed"
		stat, err := openat.StatAt(path)
		if err != nil {
			t.Fatal(err)
		}
		held, known := files.As(path, stat)
		read, err := read[rich](path)
		if err != nil || !known || !reflect.DeepEqual(held, read) {
			t.Errorf("%v: remembered %+v, and it holds %+v", err, held, read)
		}
	}
}

// Another process shares the file: what it did is seen at once, also right after an
// append of this one.
func TestWhatOthersDoWithAFileIsSeenAtOnce(t *testing.T) {
	for _, tt := range []struct {
		name   string
		others func(path string) error
		damage int
		want   []int
	}{
		{"they append", func(path string) error { return inOtherProcess(path, line(t, 3)) }, 0, []int{1, 2, 3}},
		{"they append what is torn", func(path string) error { return inOtherProcess(path, line(t, 3)[:9]) }, 1, []int{1, 2}},
		{"they put another file there", func(path string) error {
			if err := os.WriteFile(path+".new", append([]byte(header(version)+"\n"), line(t, 7)...), 0o600); err != nil {
				return err
			}
			return os.Rename(path+".new", path)
		}, 0, []int{7}},
		{"they take it away", os.Remove, 0, nil},
		{"they cut it", func(path string) error { return os.Truncate(path, int64(len(header(version)+"\n")+len(line(t, 1)))) }, 0, []int{1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "order.journal")
			add(t, path, 1)
			add(t, path, 2)
			holds(t, path, 0, 1, 2)
			if err := tt.others(path); err != nil {
				t.Fatal(err)
			}
			holds(t, path, tt.damage, tt.want...)
			add(t, path, 9)
			holds(t, path, tt.damage, append(tt.want, 9)...)
		})
	}
}

func inOtherProcess(path string, text []byte) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = file.Write(text)
	return err
}

func TestFactsThatAreTakenOutAreNotThoseThatAreRemembered(t *testing.T) {
	path := filepath.Join(t.TempDir(), "order.journal")
	add(t, path, 1)
	_, facts, err := Open[fact](path)
	if err != nil {
		t.Fatal(err)
	}
	facts[0].N = 5
	_ = append(facts, fact{N: 6})
	holds(t, path, 0, 1)
}

// Who only looks reads without the lock, also between a write and the stat after it.
func TestWhatIsReadInTheMiddleOfAnAppendIsNotCountedTwice(t *testing.T) {
	path := filepath.Join(t.TempDir(), "order.journal")
	add(t, path, 1)
	before := settled(t, path)
	if err := inOtherProcess(path, line(t, 2)); err != nil {
		t.Fatal(err)
	}
	looks, read := &Log[fact]{path: path}, content[fact]{facts: []fact{{"counted", 1}, {"counted", 2}}}
	looks.keep(before, read)
	if looks.young != nil {
		t.Errorf("remembered %v of the file before", looks.young)
	}
	after, err := openat.StatAt(path)
	if err != nil {
		t.Fatal(err)
	}
	(&Log[fact]{path: path}).grown(before, after, line(t, 2))
	holds(t, path, 0, 1, 2)
}

// settled waits until the next change of the file shows in its stat.
func settled(t *testing.T, path string) openat.Stat {
	t.Helper()
	for range 1000 {
		stat, err := openat.StatAt(path)
		if err != nil {
			t.Fatal(err)
		}
		if new(untouched.Files[any]).Keep(path, stat, nil) {
			return stat
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("its stat tells nothing yet")
	return openat.Stat{}
}
