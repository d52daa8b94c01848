package share

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strings"
	"sync"
	"time"

	"dvagent/internal/atomicfile"
	"dvagent/internal/bundle"
)

// book is what a host remembers of its fleet, in a file of the state directory.
type book struct {
	path string
	mu   sync.Mutex
	kept kept
}

type kept struct {
	Host      string            `json:"host"`                 // by which the others know this one
	Followed  map[string]string `json:"followed,omitempty"`   // the publication that was rolled back to, by certificate
	DownSince time.Time         `json:"down_since,omitempty"` // since when etcd did not answer; zero: it did
}

// openBook reads the book, and makes one where there is none that can be read. It is for
// the holder of the lock. An error says that the host will be called differently the next
// time.
func openBook(path string) (*book, error) {
	b := &book{path: path}
	var is bool
	if b.kept, is = readKept(path); is {
		return b, nil
	}
	b.kept = kept{Host: newName(), Followed: map[string]string{}}
	return b, b.save()
}

// reread takes in what another process of this host has written meanwhile. It is for the
// holder of the lock. Where it cannot be read, what is known already stays.
func (b *book) reread() {
	now, is := readKept(b.path)
	if !is {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.kept = now
}

// readKept reads what is in the file, if that names a host.
func readKept(path string) (k kept, is bool) {
	_ = atomicfile.DiscardAt(path) // save tells what is wrong with the directory
	data, err := bundle.ReadFile(path)
	if err != nil || json.Unmarshal(data, &k) != nil || k.Host == "" {
		return kept{}, false
	}
	if k.Followed == nil {
		k.Followed = map[string]string{}
	}
	return k, true
}

// newName is the host's own and something that no other host has: hosts made of one image
// are called alike.
func newName() string {
	name, _ := os.Hostname() // without one, the rest is enough
	name = regexp.MustCompile(`[^a-z0-9.-]+`).ReplaceAllString(strings.ToLower(name), "-")
	if name == "" {
		name = "host"
	}
	unique := make([]byte, 4)
	_, _ = rand.Read(unique) // it never fails
	return name + "-" + hex.EncodeToString(unique)
}

func (b *book) host() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.kept.Host
}

// followed says that a publication was rolled back to before.
func (b *book) followed(certificate, publication string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.kept.Followed[certificate] == publication
}

func (b *book) follow(certificate, publication string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.kept.Followed[certificate] = publication
	return b.save()
}

// reached notes whether etcd answers this process, and returns since when it does not. An
// earlier process may have known that before, unless etcd has answered this one since.
func (b *book) reached(c contact) (downSince time.Time, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	known := b.kept.DownSince
	if !c.away.IsZero() && !known.IsZero() && known.After(c.heard) || c.away.Equal(known) {
		return known, nil
	}
	b.kept.DownSince = c.away
	return c.away, b.save()
}

func (b *book) save() error {
	data, err := json.Marshal(b.kept)
	if err == nil {
		err = atomicfile.Write(atomicfile.File{Path: b.path, Data: append(data, '\n'), Mode: 0o600, UID: atomicfile.Keep, GID: atomicfile.Keep})
	}
	if err != nil {
		return fmt.Errorf("remember the fleet: %w", err)
	}
	return nil
}
