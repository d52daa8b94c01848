package secret

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"dvagent/internal/hint"
	"dvagent/internal/openat"
	"dvagent/internal/unit"
)

// ErrNotHanded says that the service is handed a file's secret by its unit's
// LoadCredential, and this process is not, and cannot read it by itself.
var ErrNotHanded = errors.New("the service is handed it by its unit, and this process is not")

// handedVariable holds the descriptors that HandOver has opened, by the paths of
// the sources, in JSON.
const handedVariable = "DVAGENT_HANDED"

// credentials is where systemd puts them: /run/credentials/UNIT/NAME.
const credentials = "/run/credentials"

// credential is what a unit hands over.
type credential struct {
	name   string
	source string // the file that it is loaded from; empty where that is not known
}

// credentialAt is the credential that a path stands for: by the place where the
// service finds it, or by its source.
func credentialAt(path string) (credential, bool) {
	path = filepath.Clean(path)
	for _, u := range unit.All() {
		for name, source := range u.Credentials {
			if path == filepath.Clean(source) || path == filepath.Join(credentials, u.Name, name) {
				return credential{name, source}, true
			}
		}
	}
	below, found := strings.CutPrefix(path, credentials+"/")
	if of, name, nested := strings.Cut(below, "/"); found && nested && !strings.Contains(name, "/") && of != "" {
		return credential{name: name}, true
	}
	return credential{}, false
}

// readFile reads a secret's file, or what this process was handed in its place.
func readFile(path string) ([]byte, error) {
	file, err := openat.ReadPrivate(path, maxBytes)
	if err == nil || !errors.Is(err, fs.ErrPermission) && !errors.Is(err, fs.ErrNotExist) {
		return file.Data, err
	}
	c, found := credentialAt(path)
	if !found || c.source == path && errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if data, handed := c.handed(); handed {
		return data, nil
	}
	dir, service := os.LookupEnv("CREDENTIALS_DIRECTORY")
	if service {
		file, err := openat.ReadPrivate(filepath.Join(dir, c.name), maxBytes)
		return file.Data, err
	}
	if c.source != "" && c.source != path {
		if file, err = openat.ReadPrivate(c.source, maxBytes); err == nil || !errors.Is(err, fs.ErrPermission) {
			return file.Data, err
		}
	}
	return nil, hint.Add(fmt.Errorf("%w: %w", ErrNotHanded, err), "run it as root, who reads it and then becomes the service's user")
}

// handed reads the descriptor of a credential, wherever others have read it to.
func (c credential) handed() ([]byte, bool) {
	descriptors := map[string]int{}
	if json.Unmarshal([]byte(os.Getenv(handedVariable)), &descriptors) != nil {
		return nil, false
	}
	fd, found := descriptors[c.source]
	if !found {
		return nil, false
	}
	data := make([]byte, maxBytes)
	n, err := unix.Pread(fd, data, 0)
	return data[:max(n, 0)], err == nil
}

// HandOver reads what the units load as credentials, as root can, for the program
// that this process execs as another user. It returns the variable that tells
// that program of it. Nothing of it is on a disk.
func HandOver(units []unit.Unit) (string, error) {
	descriptors := map[string]int{}
	for _, u := range units {
		for name, source := range u.Credentials {
			file, err := openat.ReadPrivate(source, maxBytes)
			if err != nil || descriptors[source] != 0 {
				continue // whoever wants it says what is wrong
			}
			fd, err := unix.MemfdCreate(name, 0)
			if err == nil {
				_, err = unix.Pwrite(fd, file.Data, 0)
			}
			if err != nil {
				return "", fmt.Errorf("hand over the credential %s: %w", name, err)
			}
			descriptors[source] = fd
		}
	}
	text, _ := json.Marshal(descriptors) // strings and numbers can be
	return handedVariable + "=" + string(text), nil
}
