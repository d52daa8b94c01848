package seal

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"sync"
	"syscall"

	"dvagent/internal/atomicfile"
)

// Book is the seals of a state directory. It is safe for concurrent use.
type Book struct {
	path string

	mu      sync.Mutex
	salt    salt
	ledgers Sum             // under which no ledger wanted anything done for a certificate that is sealed; zero: under none
	seals   map[string]Seal // by certificate
	changed bool
}

// salt is in each sum, which so tells nobody what a password is.
type salt [16]byte

// Open is Read, and clears what a killed process left of the next book. It is for the
// holder of the lock.
func Open(path string) *Book {
	_ = atomicfile.DiscardAt(path) // Save tells what is wrong with the directory
	return Read(path)
}

// Read reads the book at path, which lies where nobody else can put anything. One that
// cannot be read is an empty one.
func Read(path string) *Book {
	b := &Book{path: path, seals: map[string]Seal{}}
	data, err := read(path)
	if err == nil {
		err = b.decode(data)
	}
	if err != nil {
		b.seals, b.ledgers = map[string]Seal{}, Sum{}
		_, _ = rand.Read(b.salt[:]) // it never fails
	}
	return b
}

// Of is the seal of a certificate.
func (b *Book) Of(certificate string) (Seal, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s, found := b.seals[certificate]
	return s, found
}

// Empty says that no certificate is sealed.
func (b *Book) Empty() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.seals) == 0
}

// Put seals a certificate.
func (b *Book) Put(certificate string, s Seal) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.seals[certificate], b.changed = s, true
}

// Ledgers is what the ledgers were like when they wanted nothing done for any
// certificate that is sealed; zero where that is not known.
func (b *Book) Ledgers() Sum {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.ledgers
}

// PutLedgers notes that they want nothing done; or, with zero, that they may.
func (b *Book) PutLedgers(ledgers Sum) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.changed = b.changed || b.ledgers != ledgers
	b.ledgers = ledgers
}

// Names are the certificates that are sealed.
func (b *Book) Names() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Collect(maps.Keys(b.seals))
}

// Drop forgets a certificate.
func (b *Book) Drop(certificate string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.seals, certificate)
	b.changed = true
}

// Save writes what has changed. It syncs nothing: what is lost is made anew.
func (b *Book) Save() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.changed {
		return nil
	}
	err := atomicfile.Write(atomicfile.File{Path: b.path, Data: b.encode(), Mode: 0o600, UID: atomicfile.Keep, GID: atomicfile.Keep, Volatile: true})
	if err != nil {
		return fmt.Errorf("keep what was looked at: %w", err)
	}
	b.changed = false
	return nil
}

const (
	mark = "dvagent-seals 1\n"
	most = 1 << 28 // bytes; a million certificates have less
)

var errForeign = errors.New("it is no book of seals")

func read(path string) ([]byte, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() || info.Size() > most {
		return nil, errForeign
	}
	data := make([]byte, info.Size())
	_, err = io.ReadFull(file, data)
	return data, err
}

// encode is a mark, the salt, the sum of the ledgers and the seals, and at last the sum of all that.
func (b *Book) encode() []byte {
	data := append(append([]byte(mark), b.salt[:]...), b.ledgers[:]...)
	for certificate, s := range b.seals {
		data = append(binary.AppendUvarint(data, uint64(len(certificate))), certificate...)
		data = append(data, s.Sum[:]...)
		for _, at := range []int64{s.Looked, s.Until, s.Renews, s.Ends} {
			data = binary.AppendVarint(data, at)
		}
	}
	sum := sha256.Sum256(data)
	return append(data, sum[:]...)
}

func (b *Book) decode(data []byte) error {
	end := len(data) - sha256.Size
	if end < len(mark)+len(b.salt)+len(b.ledgers) || string(data[:len(mark)]) != mark || sha256.Sum256(data[:end]) != [sha256.Size]byte(data[end:]) {
		return errForeign
	}
	rest := data[len(mark):end]
	rest = rest[copy(b.salt[:], rest):]
	rest = rest[copy(b.ledgers[:], rest):]
	b.seals = make(map[string]Seal, len(rest)/64)
	for len(rest) > 0 {
		var certificate string
		var s Seal
		var err error
		if certificate, s, rest, err = next(rest); err != nil {
			return err
		}
		b.seals[certificate] = s
	}
	return nil
}

// next takes a seal off the front.
func next(rest []byte) (certificate string, s Seal, after []byte, err error) {
	length, n := binary.Uvarint(rest)
	if n <= 0 || length > uint64(len(rest)-n) || len(rest)-n-int(length) < len(s.Sum) {
		return "", s, nil, errForeign
	}
	certificate, rest = string(rest[n:n+int(length)]), rest[n+int(length):]
	rest = rest[copy(s.Sum[:], rest):]
	for _, at := range []*int64{&s.Looked, &s.Until, &s.Renews, &s.Ends} {
		if *at, n = binary.Varint(rest); n <= 0 {
			return "", s, nil, errForeign
		}
		rest = rest[n:]
	}
	return certificate, s, rest, nil
}
