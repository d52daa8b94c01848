package config

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"dvagent/internal/hint"
	"dvagent/internal/openat"
)

// source is one file of the configuration: agent.toml, or one of conf.d.
type source struct {
	file string
	mode fs.FileMode
	text string
	sum  [sha256.Size]byte // of the text
	err  error             // why it could not be read, or must not be used
	doc  document
}

// moreDir holds further files with certificates and hooks, beside agent.toml.
const moreDir = "conf.d"

// MoreDir is the directory with further files that goes with the configuration
// file at path. It need not exist.
func MoreDir(path string) string { return filepath.Join(filepath.Dir(path), moreDir) }

// StateDir is the state directory of the configuration at path, whatever else
// is wrong there: as far as it can be read, or else the usual one.
func StateDir(path string) string {
	s := readSource(path)
	var doc struct {
		StateDir string `toml:"state_dir"`
	}
	// What stands before the first table counts, and may be all that decodes.
	head, _, _ := strings.Cut(s.text, "\n[")
	if strings.HasPrefix(s.text, "[") {
		head = ""
	}
	for text := range strings.Lines(head) {
		_, err := decodeTOML(text, &doc)
		if err == nil && filepath.IsAbs(doc.StateDir) {
			return doc.StateDir
		}
		if errors.Is(err, errSlow) {
			break
		}
	}
	return newDocument().StateDir
}

// Digest changes when a file of the configuration at path is added, removed,
// or changed in content or mode. What cannot be read is a content, too.
func Digest(path string) string {
	sources, err := readSources(path)
	return digest(sources, err)
}

// Stamp tells by stats alone that Digest stays what it is: it then stays the same, too.
// It is "" where stats cannot tell: a file is no plain one, or was changed a moment
// before now.
func Stamp(path string, now time.Time) string {
	hash := sha256.New()
	read := func(dir *openat.Dir, names ...string) bool {
		fmt.Fprintln(hash, dir.Path(), dir.Others())
		for _, name := range names {
			found, err := dir.Stat(name)
			if err != nil || max(found.Modified, found.Changed) >= now.Add(-openat.Granularity).UnixNano() {
				return false
			}
			fmt.Fprintf(hash, "%q %+v\n", name, found)
		}
		return true
	}
	dir, err := openat.Open(filepath.Dir(path))
	if err != nil {
		return ""
	}
	defer dir.Close()
	if !read(dir, filepath.Base(path)) {
		return ""
	}
	more, err := openat.Open(MoreDir(path))
	if err == nil {
		defer more.Close()
		names, failed := more.Names()
		if failed != nil || !read(more, slices.DeleteFunc(names, func(name string) bool { return !isSource(name) })...) {
			return ""
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return ""
	}
	return hex.EncodeToString(hash.Sum(nil))
}

// isSource says that a file of conf.d is read.
func isSource(name string) bool { return filepath.Ext(name) == ".toml" && name[0] != '.' }

func digest(sources []*source, err error) string {
	hash := sha256.New()
	fmt.Fprintln(hash, err)
	for _, s := range sources {
		fmt.Fprintf(hash, "%q %o %x %v\n", s.file, s.mode, s.sum, s.err)
	}
	return hex.EncodeToString(hash.Sum(nil))
}

// readSources reads agent.toml at path and the files of conf.d in the order of
// their names. The error is about the directory.
func readSources(path string) ([]*source, error) {
	sources := []*source{readSource(path)}
	more, err := openat.Open(MoreDir(path))
	if errors.Is(err, fs.ErrNotExist) {
		return sources, nil
	}
	if err != nil {
		return sources, &Error{File: MoreDir(path), Err: describe(err)}
	}
	defer more.Close()
	names, err := more.Names()
	for _, name := range names {
		if isSource(name) {
			sources = append(sources, readFrom(more, filepath.Join(MoreDir(path), name)))
		}
	}
	if err != nil {
		return sources, &Error{File: MoreDir(path), Err: describe(err)}
	}
	return sources, nil
}

func readSource(file string) *source {
	dir, err := openat.Open(filepath.Dir(file))
	if err != nil {
		return &source{file: file, err: describe(err)}
	}
	defer dir.Close()
	return readFrom(dir, file)
}

// readFrom reads a file by its name in dir, its directory.
func readFrom(dir *openat.Dir, file string) *source {
	read, err := dir.ReadFile(filepath.Base(file), maxBytes)
	if err != nil {
		return &source{file: file, err: describe(err)}
	}
	return &source{file: file, mode: read.Mode, text: string(read.Data), sum: sha256.Sum256(read.Data), err: read.Private(file)}
}

// decodeSources decodes the files, if each could be read, and by nobody else. The
// errors are in their order.
func decodeSources(sources []*source) error {
	errs := make([]error, len(sources))
	sideBySide(len(sources), func(i int) { errs[i] = sources[i].decode(i == 0) })
	var wrong mistakes
	for i, err := range errs {
		if err != nil {
			wrong.add(sources[i].locate(err))
		}
	}
	return wrong.err()
}

func (s *source) decode(main bool) error {
	switch {
	case main && errors.Is(s.err, fs.ErrNotExist):
		return &Error{Err: s.err, Hint: "dvagent init writes a first one; --config names another"}
	case s.err != nil:
		return &Error{Err: s.err, Hint: hint.Of(s.err)}
	}
	if main {
		s.doc = newDocument()
	}
	metadata, err := decode(s.text, &s.doc)
	if s.doc.Fleet.Etcd == nil && metadata.IsDefined("fleet") {
		s.doc.Fleet.Etcd = []string{} // the table counts, and lacks them
	}
	if err != nil || main {
		return err
	}
	for _, key := range metadata.Keys() {
		if !slices.Contains(moreTables, key[0]) {
			first := firstPlace(s.text, key)
			return &Error{Line: first.line, Key: first.key, Err: errors.New("belongs into agent.toml"),
				Hint: "only [[" + strings.Join(moreTables, "]], [[") + "]] may stand in a file of " + moreDir}
		}
	}
	return nil
}

// moreTables are what may stand in a file of conf.d.
var moreTables = []string{"certificate", "hook"}

// locate adds the file and the line to the errors that know their keys.
func (s *source) locate(err error) error {
	if err == nil {
		return nil
	}
	var wrong mistakes
	found := places(s.text)
	for _, one := range apart(err) {
		var located *Error
		if !errors.As(one, &located) {
			located = &Error{Err: one}
		}
		located.File = s.file
		if located.Line == 0 {
			located.Line = lineOf(found, located.Key)
		}
		located.withhold()
		wrong.add(located)
	}
	return wrong.err()
}
