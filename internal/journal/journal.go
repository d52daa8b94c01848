// Package journal keeps facts in a text file that is only ever appended to:
// one line of JSON a fact, each with a checksum of its own, fsynced before the
// append returns. A line that was torn or flipped invalidates itself and not
// its neighbours. The package does not know what the facts mean.
package journal

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"dvagent/internal/atomicfile"
)

// version of the format, in the first line of each file.
const (
	version = 1
	maxLine = 1 << 20
)

// header is a first line, with a checksum like the others: a flipped bit does
// not make a file one of a later version.
func header(version int) string {
	name := fmt.Sprintf("dvagent-journal %d", version)
	return checksum([]byte(name)) + " " + name
}

// LaterError says that a file was written by a later dvagent, whose facts this
// one cannot read.
type LaterError struct{ Path string }

func (e *LaterError) Error() string { return e.Path + " was written by a later version of dvagent" }

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Read returns the facts of the file at path in the order they were written,
// and how many damaged lines it passed over. A missing file holds no facts.
func Read[T any](path string) (facts []T, damaged int, err error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, fmt.Errorf("read journal: %w", err)
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, maxLine)
	for first := true; lines.Scan(); first = false {
		line := lines.Bytes()
		switch {
		case len(line) == 0 || string(line) == header(version):
		case first && laterVersion(line):
			return nil, 0, &LaterError{path}
		default:
			var fact T
			if json.Unmarshal(checked(line), &fact) != nil {
				damaged++
				continue
			}
			facts = append(facts, fact)
		}
	}
	if errors.Is(lines.Err(), bufio.ErrTooLong) {
		return facts, damaged + 1, nil
	}
	if err := lines.Err(); err != nil {
		return nil, 0, fmt.Errorf("read journal %s: %w", path, err)
	}
	return facts, damaged, nil
}

// SetAside gives the file at path another name, under which nothing reads it,
// and returns that name.
func SetAside(path string, now time.Time) (string, error) {
	aside := fmt.Sprintf("%s.set-aside-%s", path, now.UTC().Format("20060102T150405.000Z"))
	if err := os.Rename(path, aside); err != nil {
		return "", fmt.Errorf("set journal aside: %w", err)
	}
	if err := atomicfile.SyncDir(filepath.Dir(path)); err != nil {
		return "", fmt.Errorf("set journal aside: %w", err)
	}
	return aside, nil
}

// laterVersion tells a header with a higher number from one that was damaged.
func laterVersion(line []byte) bool {
	var found int
	n, err := fmt.Sscanf(string(checked(line)), "dvagent-journal %d", &found)
	return err == nil && n == 1 && found > version
}

// checked returns the JSON of a line whose checksum is right, or nil.
func checked(line []byte) []byte {
	sum, body, found := bytes.Cut(line, []byte(" "))
	if !found || string(sum) != checksum(body) {
		return nil
	}
	return body
}

func checksum(body []byte) string {
	return fmt.Sprintf("%08x", crc32.Checksum(body, castagnoli))
}

func encode(fact any) ([]byte, error) {
	body, err := json.Marshal(fact)
	if err != nil {
		return nil, err
	}
	return fmt.Appendf(nil, "%s %s\n", checksum(body), body), nil
}

// Append writes one fact at the end of the file at path and fsyncs it. The
// file is made, readable by its owner alone, when it is not there; its
// directory must exist. After an error the fact may or may not be there.
func Append(path string, fact any) error {
	line, err := encode(fact)
	if err != nil {
		return fmt.Errorf("encode fact: %w", err)
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("append to journal: %w", err)
	}
	defer file.Close()
	return appendTo(file, line)
}

func appendTo(file *os.File, line []byte) error {
	end, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		return fmt.Errorf("append to journal: %w", err)
	}
	if end == 0 {
		line = append([]byte(header(version)+"\n"), line...)
	} else if torn(file, end) {
		line = append([]byte("\n"), line...)
	}
	if _, err := file.Write(line); err != nil {
		return fmt.Errorf("append to journal: %w", err)
	}
	if err := file.Sync(); err != nil {
		return fmt.Errorf("append to journal: %w", err)
	}
	if end > 0 {
		return nil
	}
	if err := atomicfile.SyncDir(filepath.Dir(file.Name())); err != nil {
		return fmt.Errorf("append to journal: %w", err)
	}
	return nil
}

// torn says that the last line was cut off before its newline.
func torn(file *os.File, end int64) bool {
	last := make([]byte, 1)
	_, err := file.ReadAt(last, end-1)
	return err != nil || last[0] != '\n'
}

// Rewrite replaces the file at path by one that holds just these facts, in one
// rename.
func Rewrite[T any](path string, facts []T) error {
	text := []byte(header(version) + "\n")
	for _, fact := range facts {
		line, err := encode(fact)
		if err != nil {
			return fmt.Errorf("encode fact: %w", err)
		}
		text = append(text, line...)
	}
	file := atomicfile.File{Path: path, Data: text, Mode: 0o600, UID: atomicfile.Keep, GID: atomicfile.Keep}
	if err := atomicfile.Write(file); err != nil {
		return fmt.Errorf("rewrite journal: %w", err)
	}
	return nil
}
