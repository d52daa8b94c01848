// Package secret says where a secret is, and reads it when it is needed. It
// keeps nothing of what it reads, and reads no file that others may read or
// change. A file that systemd hands over to the service is read where it is handed
// over, in the service and outside of it.
package secret

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"regexp"
	"strings"
	"sync"
)

// Secret is where a secret is: in Literal itself, in a File, or in the
// environment variable Env; one of them at most. Formatting, marshalling or
// logging it shows the place and never the secret.
type Secret struct {
	Literal, File, Env string
}

// maxBytes is how long a secret's file may be.
const maxBytes = 1 << 20

// IsZero says that no place is given.
func (s Secret) IsZero() bool { return s == Secret{} }

// Check refuses a second place.
func (s Secret) Check() error {
	given := 0
	for _, place := range []string{s.Literal, s.File, s.Env} {
		if place != "" {
			given++
		}
	}
	if given > 1 {
		return errors.New("a secret has one place: the text itself, a file, or an environment variable")
	}
	return nil
}

// Resolve reads the secret as it is now, without trailing newlines, wherever it
// stands: they come with files, and with variables that are filled from files.
// An empty one is an error.
func (s Secret) Resolve() (string, error) {
	found := s.Literal
	switch {
	case s.File != "":
		data, err := readFile(s.File)
		if err != nil {
			return "", err
		}
		found = string(data)
	case s.Env != "":
		found = os.Getenv(s.Env)
	}
	if found = strings.TrimRight(found, "\r\n"); found == "" {
		return "", fmt.Errorf("%s is empty", s)
	}
	return found, nil
}

// Reach fails where Resolve would, but for what is empty or is no file. It keeps
// nothing of what it reads.
func (s Secret) Reach() error {
	if s.File == "" {
		return nil
	}
	_, err := readFile(s.File)
	return err
}

// usual is how variables are named, and secrets are not.
var usual = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Z_][A-Z0-9_]*$`) })

// String tells the place. The name of a variable that is not in capitals it does not
// tell: somebody may have written the secret itself there.
func (s Secret) String() string {
	switch {
	case s.File != "":
		return fmt.Sprintf("file %q", s.File)
	case usual().MatchString(s.Env):
		return "environment variable " + s.Env
	case s.Env != "":
		return "environment variable whose name is not shown"
	case s.Literal != "":
		return "literal"
	}
	return "unset"
}

// Format is String for every verb.
func (s Secret) Format(f fmt.State, _ rune) { io.WriteString(f, s.String()) }

// MarshalText is String.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// LogValue is String.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }
