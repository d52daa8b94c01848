package config

import (
	"errors"
	"time"

	"github.com/BurntSushi/toml"
)

// decodingTime is how long a file may take, and decodingMore for each byte of it. A
// real one takes a hundredth of that where nothing else runs; the decoder's time grows
// with the cube of a key's dots, or of tables within tables.
const (
	decodingTime = 5 * time.Second
	decodingMore = 5 * time.Microsecond
)

var errSlow = errors.New("decoding takes too long")

// decodeTOML adds what a text says to doc, as toml.Decode does, and ends in time.
// One that is given up goes on for nobody.
func decodeTOML[T any](text string, doc *T) (toml.MetaData, error) {
	type result struct {
		doc      T
		metadata toml.MetaData
		err      error
	}
	decoded := make(chan result, 1)
	go func(r result) {
		r.metadata, r.err = toml.Decode(text, &r.doc)
		decoded <- r
	}(result{doc: *doc})
	late := time.NewTimer(decodingTime + time.Duration(len(text))*decodingMore)
	defer late.Stop()
	select {
	case r := <-decoded:
		*doc = r.doc
		return r.metadata, r.err
	case <-late.C:
		return toml.MetaData{}, errSlow
	}
}
