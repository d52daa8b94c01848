// Package journal keeps facts in a text file that is only ever appended to:
// one line of JSON a fact, each with a checksum of its own, fsynced before the
// append returns. A line that was torn or flipped invalidates itself and not
// its neighbours. The package does not know what the facts mean.
package journal

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"dvagent/internal/atomicfile"
	"dvagent/internal/openat"
)

// version of the format, in the first line of each file.
const version = 1

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

var castagnoli = sync.OnceValue(func() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) })

// Log is a file of facts of one type. It is not safe for concurrent use.
type Log[F any] struct {
	path   string
	lines  int
	damage int

	young *content[F] // what was read of a file that had been changed right before; nil: of another one
	stat  openat.Stat // of that
}

// Damage is how much of a file could not be read.
type Damage struct {
	File  string // its path
	Lines int    // 0 when all was read
}

// Open returns the log at path and its facts in the order they were written.
// Damaged lines are passed over. A missing file holds no facts, and is made by
// the first append; its directory must exist by then. A file that nobody has touched is
// read once: what a fact points to is shared, and not to be changed.
func Open[F any](path string) (*Log[F], []F, error) {
	log := &Log[F]{path: path}
	stat, unknown := openat.StatAt(path)
	held, _ := files.As(path, stat)
	c, known := held.(content[F])
	if !known {
		var err error
		if c, err = read[F](path); err != nil {
			return nil, nil, err
		}
		if unknown == nil {
			log.keep(stat, c)
		}
	}
	log.lines, log.damage = len(c.facts), c.damage
	return log, slices.Clone(c.facts), nil
}

func read[F any](path string) (c content[F], err error) {
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	if err != nil {
		return c, fmt.Errorf("read journal: %w", err)
	}
	defer file.Close()
	if info, err := file.Stat(); err == nil && !info.Mode().IsRegular() {
		return c, fmt.Errorf("read journal %s: not a regular file", path)
	}
	return readFrom[F](path, file)
}

func readFrom[F any](path string, file io.Reader) (c content[F], err error) {
	lines, overlong := scan(file)
	head := header(version)
	for first := true; lines.Scan(); first = false {
		line := lines.Bytes()
		switch {
		case len(line) == 0 || string(line) == head:
		case first && laterVersion(line):
			return c, &LaterError{path}
		default:
			c.add(line)
		}
	}
	c.damage += *overlong
	if err := lines.Err(); err != nil {
		return c, fmt.Errorf("read journal %s: %w", path, err)
	}
	return c, nil
}

// Damage tells what could not be read when the log was opened.
func (l *Log[F]) Damage() Damage { return Damage{l.path, l.damage} }

// Lines is how many facts the file holds.
func (l *Log[F]) Lines() int { return l.lines }

// Long says that the file is worth rewriting when only kept of its facts still
// say something.
func (l *Log[F]) Long(kept int) bool { return l.lines > 60 && l.lines > 4*kept }

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
	return hex.EncodeToString(binary.BigEndian.AppendUint32(nil, crc32.Checksum(body, castagnoli())))
}

func encode(fact any) ([]byte, error) {
	body, err := json.Marshal(fact)
	if err != nil {
		return nil, err
	}
	line := fmt.Appendf(nil, "%s %s\n", checksum(body), body)
	if len(line) > maxLine {
		return nil, fmt.Errorf("%w: %d bytes", ErrTooLong, len(line))
	}
	return line, nil
}

// Append writes facts at the end of the file, in this order, and fsyncs it once. The file is
// made, readable by its owner alone, when it is not there. After an error the
// facts may or may not be there; after ErrTooLong none of them is.
func (l *Log[F]) Append(facts ...F) error {
	var lines []byte
	for _, fact := range facts {
		line, err := encode(fact)
		if err != nil {
			return fmt.Errorf("encode fact: %w", err)
		}
		lines = append(lines, line...)
	}
	file, err := os.OpenFile(l.path, os.O_RDWR|os.O_APPEND|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return fmt.Errorf("append to journal: %w", err)
	}
	defer file.Close()
	before, known := stat(file)
	if err := appendTo(file, lines); err != nil {
		return fmt.Errorf("append to journal: %w", err)
	}
	if after, found := stat(file); known && found {
		l.grown(before, after, lines)
	}
	l.lines += len(facts)
	return nil
}

func appendTo(file *os.File, line []byte) error {
	end, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	if end == 0 {
		line = append([]byte(header(version)+"\n"), line...)
	} else if torn(file, end) {
		line = append([]byte("\n"), line...)
	}
	if _, err := file.Write(line); err != nil {
		_ = file.Truncate(end) // else a full disk leaves a torn line; the first error is the one to tell
		return err
	}
	if err := file.Sync(); err != nil || end > 0 {
		return err
	}
	return atomicfile.SyncDir(filepath.Dir(file.Name()))
}

// torn says that the last line was cut off before its newline.
func torn(file *os.File, end int64) bool {
	last := make([]byte, 1)
	_, err := file.ReadAt(last, end-1)
	return err != nil || last[0] != '\n'
}

// Clear removes what a killed process left of a Rewrite. It is for who may write to the
// file; an error is told by the next Rewrite, too.
func (l *Log[F]) Clear() error { return atomicfile.DiscardAt(l.path) }

// Rewrite replaces the file by one that holds just these facts, in one rename.
func (l *Log[F]) Rewrite(facts []F) error {
	text := []byte(header(version) + "\n")
	for _, fact := range facts {
		line, err := encode(fact)
		if err != nil {
			return fmt.Errorf("encode fact: %w", err)
		}
		text = append(text, line...)
	}
	file := atomicfile.File{Path: l.path, Data: text, Mode: 0o600, UID: atomicfile.Keep, GID: atomicfile.Keep}
	if err := atomicfile.Write(file); err != nil {
		return fmt.Errorf("rewrite journal: %w", err)
	}
	l.lines = len(facts)
	return nil
}
