package deploy

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strings"
	"sync"

	"dvagent/internal/hint"
)

// CheckPlaces says why a first installation on the target is refused: there is no
// file but a directory or a device, one that holds something else than its format
// has, a key store with a key under another alias, or a password that a key store
// cannot have. What dvagent wrote, and somebody damaged, is not asked about: it
// heals.
func CheckPlaces(t Target) error {
	if err := t.CheckPassword(); err != nil {
		return err
	}
	dirs := newDirectories()
	defer dirs.close()
	for _, f := range formats {
		path := f.path(t)
		if path == "" {
			continue
		}
		if _, err := dirs.of(path); err != nil {
			continue // it is no file that is in the way
		}
		o, err := dirs.read(path)
		if err == nil {
			err = f.unlike(t, o.data)
		}
		if err != nil {
			return refused(path, err)
		}
	}
	return nil
}

// refused names the path, and not the system call.
func refused(path string, err error) error {
	var known *fs.PathError
	if errors.As(err, &known) {
		err = hint.Add(known.Err, hint.Of(err))
	}
	return advised(fmt.Errorf("%s is not replaced: %w", path, err))
}

// advised is err, with advice where it has none.
func advised(err error) error {
	if err == nil || hint.Of(err) != "" {
		return err
	}
	return hint.Add(err, "move it away, or name another file")
}

// unlike says why data is certainly no file of this format, or one with more in it
// than a bundle.
func (f format) unlike(t Target, data []byte) error {
	if len(bytes.TrimSpace(data)) == 0 {
		return nil
	}
	return f.other(t, data)
}

// mostLabels is more than any server has in a file: a store of CAs has more.
const mostLabels = 50

var label = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`-----BEGIN ([A-Z0-9 ]+)-----`) })

// labels are what the PEM blocks in data are called, also those that are damaged.
func labels(data []byte) []string {
	var found []string
	for _, match := range label().FindAllSubmatch(data, -1) {
		found = append(found, string(match[1]))
	}
	return found
}

func isKey(label string) bool {
	return strings.HasSuffix(label, "PRIVATE KEY") && label != "OPENSSH PRIVATE KEY"
}

func isCertificate(label string) bool {
	return label == "CERTIFICATE" || label == "X509 CERTIFICATE" || label == "TRUSTED CERTIFICATE"
}

// pemWith is the function other of a PEM format.
func pemWith(what string, counts ...func(label string) bool) func(Target, []byte) error {
	return func(_ Target, data []byte) error {
		found := labels(data)
		if len(found) > mostLabels {
			return fmt.Errorf("it holds %d PEM blocks, as a store of CAs does", len(found))
		}
		for _, label := range found {
			for _, count := range counts {
				if count(label) {
					return nil
				}
			}
		}
		return fmt.Errorf("it is no PEM with %s", what)
	}
}
