package journal

import (
	"bytes"
	"encoding/json"
	"os"

	"golang.org/x/sys/unix"

	"dvagent/internal/openat"
	"dvagent/internal/untouched"
)

// files holds the content of the files that were read or appended to.
var files untouched.Files[any]

// content is what a file holds: its facts of a type, and how many lines are damaged.
type content[F any] struct {
	facts  []F
	damage int
}

// add takes in one more line of the file.
func (c *content[F]) add(line []byte) {
	var fact F
	if json.Unmarshal(checked(line), &fact) != nil {
		c.damage++
		return
	}
	c.facts = append(c.facts, fact)
}

// keep remembers what was read of the file after this stat, unless somebody appended to it
// meanwhile: who only looks has no lock, and what the file holds is no longer what the
// stat tells of.
func (l *Log[F]) keep(before openat.Stat, c content[F]) {
	if after, err := openat.StatAt(l.path); err != nil || after != before {
		return
	}
	if !files.Keep(l.path, before, c) {
		l.young, l.stat = &c, before
	}
}

// grown remembers that this process appended lines to the file, the rest of which it
// knows. Nobody else may write there meanwhile.
func (l *Log[F]) grown(before, after openat.Stat, lines []byte) {
	held, _ := files.As(l.path, before)
	c, known := held.(content[F])
	switch {
	case known || before.Size == 0:
	case l.young != nil && l.stat == before:
		c = *l.young
	default:
		return // the next Open reads it
	}
	for line := range bytes.Lines(lines) {
		c.add(bytes.TrimSuffix(line, []byte("\n")))
	}
	files.Put(l.path, after, c)
	l.young = nil
}

func stat(file *os.File) (openat.Stat, bool) {
	var info unix.Stat_t
	err := unix.Fstat(int(file.Fd()), &info)
	return openat.StatOf(&info), err == nil
}
