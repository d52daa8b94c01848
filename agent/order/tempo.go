package order

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"time"

	"dvagent/internal/atomicfile"
)

// Tempo is how long the last orders of one shop took: until the challenge showed,
// and from the last proof on until the certificate did.
type Tempo struct {
	Challenge   Spans `json:"challenge,omitempty"`
	Certificate Spans `json:"certificate,omitempty"`
}

// Spans are times by which something was not there yet, or had been there for a
// twentieth of them at most; of each order one, the latest last.
type Spans []time.Duration

const (
	remembered  = 4               // orders of a shop
	longestSpan = 5 * time.Minute // what is learned counts for no longer
)

// Least is the shortest of them; zero: none is known.
func (s Spans) Least() time.Duration {
	if len(s) == 0 {
		return 0
	}
	return min(max(slices.Min(s), 0), longestSpan)
}

// With adds what was not there at one time, and at another one was.
func (s Spans) With(absent, there time.Duration) Spans {
	s = append(slices.Clone(s), max(absent, there*95/100, 0))
	return s[max(len(s)-remembered, 0):]
}

// LoadTempos reads the tempos of all shops, and clears what a killed process left of
// them. No file is none. It is for the holder of the lock.
func LoadTempos(path string) (map[string]Tempo, error) {
	tempos := map[string]Tempo{}
	if err := atomicfile.DiscardAt(path); err != nil {
		return tempos, fmt.Errorf("clear what was left of how long orders took: %w", err)
	}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return tempos, nil
	}
	var read map[string]Tempo
	if err == nil {
		err = json.Unmarshal(text, &read)
	}
	if err != nil {
		return tempos, fmt.Errorf("read how long the last orders took: %w", err)
	}
	maps.Copy(tempos, read)
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
	return nil
}
