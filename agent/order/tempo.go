package order

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"time"

	"dvagent/internal/atomicfile"
	"dvagent/internal/openat"
	"dvagent/internal/untouched"
)

// Tempo is how long the last orders of one shop took: until the challenge showed,
// and from the last proof on until the certificate did.
type Tempo struct {
	Challenge   Spans `json:"challenges,omitempty"`
	Certificate Spans `json:"certificates,omitempty"`
}

// Spans are how long the last orders took, the latest one last.
type Spans []Span

// Span is how long one order took.
type Span struct {
	Least time.Duration `json:"least"`           // but for a twentieth
	Rough bool          `json:"rough,omitempty"` // it may have been much longer
}

const (
	remembered  = 4                      // orders of a shop
	longestSpan = 5 * time.Minute        // what is learned counts for no longer
	closeLooks  = 250 * time.Millisecond // from one to the next, which leave nothing rough
)

// well are those that are no rough ones.
func (s Spans) well() Spans {
	return slices.DeleteFunc(slices.Clone(s), func(span Span) bool { return span.Rough })
}

// Rough says that nothing is known well, and something is.
func (s Spans) Rough() bool { return len(s) > 0 && len(s.well()) == 0 }

// Least is the shortest time that any of them took, of those that are known well if
// there are any; zero: none is known.
func (s Spans) Least() (least time.Duration) {
	known := s.well()
	if len(known) == 0 {
		known = s
	}
	for i, span := range known {
		if i == 0 || span.Least < least {
			least = span.Least
		}
	}
	return min(max(least, 0), longestSpan)
}

// With adds what was not there at one time, and at another one was. While nothing is
// known well, the looks were not meant for the time at which it came.
func (s Spans) With(absent, there time.Duration) Spans {
	absent = max(absent, 0)
	span, between := Span{Least: max(absent, there*95/100)}, there-absent
	if len(s.well()) == 0 && between > closeLooks {
		span = Span{Least: absent, Rough: between > there/5}
	}
	s = append(slices.Clone(s), span)
	return s[max(len(s)-remembered, 0):]
}

// mostTempos is how long their file may be, in bytes: a shop takes a few hundred.
const mostTempos = 1 << 20

// LoadTempos reads the tempos of all shops, and clears what a killed process left of
// them. No file is none. It is for the holder of the lock.
func LoadTempos(path string) (map[string]Tempo, error) {
	tempos := map[string]Tempo{}
	if err := atomicfile.DiscardAt(path); err != nil {
		return tempos, fmt.Errorf("clear what was left of how long orders took: %w", err)
	}
	read, err := tempoFiles.Of(path, func() (map[string]Tempo, error) { return readTempos(path) })
	maps.Copy(tempos, read)
	return tempos, err
}

var tempoFiles untouched.Files[map[string]Tempo]

func readTempos(path string) (tempos map[string]Tempo, err error) {
	file, err := openat.ReadFile(path, mostTempos)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil {
		err = json.Unmarshal(file.Data, &tempos)
	}
	if err != nil {
		return nil, fmt.Errorf("read how long the last orders took: %w", err)
	}
	return tempos, nil
}

// KeepTempos writes the tempos of all shops.
func KeepTempos(path string, tempos map[string]Tempo) error {
	text, err := json.Marshal(tempos)
	if err == nil {
		err = atomicfile.Write(atomicfile.File{Path: path, Data: append(text, '\n'), Mode: 0o600, UID: atomicfile.Keep, GID: atomicfile.Keep})
	}
	if err != nil {
		return fmt.Errorf("keep how long the last orders took: %w", err)
	}
	tempoFiles.Wrote(path, maps.Clone(tempos))
	return nil
}
