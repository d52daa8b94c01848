package journal

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// fault 174
func TestALineThatIsTooLongHidesNoOther(t *testing.T) {
	whole, err := os.ReadFile(write(t, 4))
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.SplitAfter(whole, []byte("\n")) // the header, and a fact each
	for _, tt := range []struct {
		name   string
		length int
	}{
		{"by one byte", maxLine + 1},
		{"by more than is read at once", 5*maxLine + 17},
	} {
		t.Run(tt.name, func(t *testing.T) {
			long := strings.Repeat("x", tt.length-1) + "\n"
			path := filepath.Join(t.TempDir(), "order.journal")
			for at := 1; at <= 3; at++ {
				text := append(bytes.Join(lines[:at], nil), long...)
				text = append(text, bytes.Join(lines[at:], nil)...)
				if err := os.WriteFile(path, text, 0o600); err != nil {
					t.Fatal(err)
				}
				holds(t, path, 1, 0, 1, 2, 3)
			}
			if err := os.WriteFile(path, append(whole, long[:tt.length-1]...), 0o600); err != nil {
				t.Fatal(err)
			}
			add(t, path, 9) // after the newline that it lacked
			holds(t, path, 1, 0, 1, 2, 3, 9)
		})
	}
}

// fault 174
func TestAFactThatIsTooLongIsRefused(t *testing.T) {
	path := write(t, 2)
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	log, _ := open(t, path)
	long := fact{Kind: strings.Repeat("x", maxLine)}
	if err := log.Append(long); !errors.Is(err, ErrTooLong) || log.Lines() != 2 {
		t.Errorf("append: %d lines, %v", log.Lines(), err)
	}
	if err := log.Rewrite([]fact{{"counted", 1}, long}); !errors.Is(err, ErrTooLong) {
		t.Errorf("rewrite: %v", err)
	}
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the file is another one, %v", err)
	}
}

// fault 174
func TestTheLongestFactThatIsTakenIsReadAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "order.journal")
	log, _ := open(t, path)
	around := len(`01234567 {"fact":"","n":7}` + "\n")
	if err := log.Append(fact{Kind: strings.Repeat("x", maxLine-around), N: 7}); err != nil {
		t.Fatal(err)
	}
	add(t, path, 8)
	holds(t, path, 0, 7, 8)
}

// fault 174: whatever lies between two facts, both are read.
func FuzzLine(f *testing.F) {
	f.Add([]byte("torn"), uint(1))
	f.Add([]byte("01234567 {}\n\r\n"+header(version)), uint(3))
	f.Add([]byte(header(version+1)+"\n"), uint(2))
	f.Add([]byte("x"), uint(maxLine))
	f.Fuzz(func(t *testing.T, between []byte, times uint) {
		most := 3 * maxLine
		if bytes.ContainsRune(between, '\n') {
			most = 1 << 16 // a million lines take a fuzzer too long
		}
		between = bytes.Repeat(between, int(min(times, uint(most/max(len(between), 1)))))
		text := slices.Concat([]byte(header(version)+"\n"), line(t, 1), between, []byte("\n"), line(t, 2))
		c, err := readFrom[fact]("order.journal", bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		if last := len(c.facts) - 1; last < 1 || c.facts[0].N != 1 || c.facts[last].N != 2 || c.damage > bytes.Count(between, []byte("\n"))+1 {
			t.Errorf("%d facts, %d damaged lines", len(c.facts), c.damage)
		}
	})
}

func line(t *testing.T, n int) []byte {
	t.Helper()
	line, err := encode(fact{"counted", n})
	if err != nil {
		t.Fatal(err)
	}
	return line
}
