package journal

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// maxLine bounds a line, with its newline. A real fact has some hundred bytes.
const maxLine = 1 << 20

// ErrTooLong is of a fact whose line would be longer than what is read again.
var ErrTooLong = errors.New("the fact is too long to be kept")

// scan yields the lines of a file, but for those that are longer than maxLine: they
// are counted, and cost no more memory than others.
func scan(file io.Reader) (lines *bufio.Scanner, overlong *int) {
	overlong = new(int)
	within := false // an overlong line
	lines = bufio.NewScanner(file)
	lines.Buffer(nil, 2*maxLine) // split sees that a line is too long before the buffer is full
	lines.Split(func(data []byte, atEOF bool) (advance int, line []byte, err error) {
		end := bytes.IndexByte(data, '\n')
		switch {
		case !within && end < maxLine && (end >= 0 || len(data) < maxLine):
			return bufio.ScanLines(data, atEOF)
		case !within:
			*overlong++
		}
		if within = end < 0; within {
			return len(data), nil, nil
		}
		return end + 1, nil, nil
	})
	return lines, overlong
}
