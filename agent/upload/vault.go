package upload

import (
	"context"
	"crypto/sha1"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"dvagent/internal/bundle"
)

// Vault is where an account keeps pairs for its products.
type Vault interface {
	// List reads what is kept, every page, without keys.
	List(ctx context.Context) ([]Entry, error)
	// Holds says that an entry is the leaf with its key.
	Holds(ctx context.Context, e Entry, leaf *x509.Certificate) (bool, error)
	// Put sends a pair, the key in the body of that one request. After ErrTaken, or
	// an error that MayHaveBeenApplied, look before it is sent again.
	Put(ctx context.Context, name string, b *bundle.Bundle) (Entry, error)
}

// ErrTaken says that the account has a certificate of that name.
var ErrTaken = errors.New("the name is taken")

// Entry is a certificate that a Vault keeps.
type Entry struct {
	ID          int64
	Name        string
	Identifier  string // what other products call it; "" where the API does not tell
	Fingerprint string // SHA-1 of the leaf, 40 hex digits; anything else: not told
	Keyless     bool   // the list says that its key is not there
}

// mayBe says that an entry is worth a look: its fingerprint is the leaf's, or is
// not told.
func (e Entry) mayBe(leaf *x509.Certificate) bool {
	want := bundle.SHA1(leaf)
	told, err := hex.DecodeString(e.Fingerprint)
	return !e.Keyless && (err != nil || len(told) != sha1.Size || strings.EqualFold(e.Fingerprint, want))
}

// Bring sees to it that a vault has the pair of a certificate, and says where.
// Found says that it was there already.
func Bring(ctx context.Context, v Vault, certificate string, b *bundle.Bundle) (kept Entry, found bool, err error) {
	p := pair{certificate: certificate, bundle: b,
		listed: func() ([]Entry, error) { return v.List(ctx) },
		begin:  func(string) error { return nil },
	}
	return p.bring(ctx, v)
}

// pair is what is to be brought into a Vault.
type pair struct {
	certificate string // the configured name
	bundle      *bundle.Bundle
	listed      func() ([]Entry, error) // what the vault kept a while ago; it counts for the first look
	begin       func(name string) error // notes that it is sent
}

// mostTries bounds how often a pair is sent. Each time the vault is looked at
// before.
const mostTries = 3

// bring gives a pair names that depend on the certificate and its version alone,
// so that what is sent twice is refused once.
func (p pair) bring(ctx context.Context, v Vault) (kept Entry, found bool, err error) {
	for try := range mostTries {
		look := p.listed
		if try > 0 {
			look = func() ([]Entry, error) { return v.List(ctx) }
		}
		entries, listErr := look()
		if listErr != nil {
			return kept, false, listErr
		}
		if kept, found, err = find(ctx, v, entries, p.bundle.Leaf); found || err != nil {
			return kept, found, err
		}
		name := p.freeName(entries)
		if err := p.begin(name); err != nil {
			return kept, false, err
		}
		if kept, err = v.Put(ctx, name, p.bundle); !mustLook(err) {
			return kept, false, err
		}
	}
	return kept, false, err
}

func find(ctx context.Context, v Vault, entries []Entry, leaf *x509.Certificate) (Entry, bool, error) {
	for _, e := range entries {
		if !e.mayBe(leaf) {
			continue
		}
		if holds, err := v.Holds(ctx, e, leaf); holds || err != nil {
			return e, holds, err
		}
	}
	return Entry{}, false, nil
}

// mustLook says that the pair may be there, or its name is.
func mustLook(err error) bool {
	var fault interface{ MayHaveBeenApplied() bool }
	return errors.Is(err, ErrTaken) || errors.As(err, &fault) && fault.MayHaveBeenApplied()
}

// freeName is the first of the pair's names that no other certificate has.
func (p pair) freeName(entries []Entry) string {
	taken := map[string]bool{}
	for _, e := range entries {
		taken[e.Name] = true
	}
	for n := 1; ; n++ {
		if name := Name(p.certificate, p.bundle.ID(), n); !taken[name] {
			return name
		}
	}
}

// Name is the nth name for a version of a certificate: letters, digits and
// underscores, 63 at most. The version stays whole, which tells certificates
// apart whose names become the same.
func Name(certificate, version string, n int) string {
	const longest = 63
	end := "_" + version
	if n > 1 {
		end += fmt.Sprintf("_%d", n)
	}
	certificate = certificate[:min(len(certificate), longest-len(end))]
	return strings.NewReplacer(".", "_", "-", "_").Replace(certificate + end)
}
