package bundle

import (
	"bytes"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"syscall"

	"dvagent/internal/untouched"
)

// The files of a version.
const (
	CertFile      = "cert.pem"
	ChainFile     = "chain.pem"
	FullchainFile = "fullchain.pem"
	KeyFile       = "privkey.pem"
)

// Load reads the fullchain.pem and privkey.pem of a version's directory.
func Load(dir string) (*Bundle, error) {
	fullchain, err := read(dir, FullchainFile)
	if err != nil {
		return nil, fmt.Errorf("load version: %w", err)
	}
	key, err := read(dir, KeyFile)
	if err != nil {
		return nil, fmt.Errorf("load version: %w", err)
	}
	b, err := Parse(fullchain, key)
	if err != nil {
		return nil, fmt.Errorf("load version %s: %w", dir, err)
	}
	return b, nil
}

var (
	leaves  untouched.Files[*x509.Certificate] // by cert.pem
	matches untouched.Files[[sha256.Size]byte] // by privkey.pem, the sum of the leaf whose key it is
)

// LoadLeaf reads the cert.pem of a version's directory, and no more. What it answers is
// shared, and not to be changed.
func LoadLeaf(dir string) (*x509.Certificate, error) {
	return leaves.Of(filepath.Join(dir, CertFile), func() (*x509.Certificate, error) { return loadLeaf(dir) })
}

func loadLeaf(dir string) (*x509.Certificate, error) {
	data, err := read(dir, CertFile)
	if err != nil {
		return nil, fmt.Errorf("load leaf: %w", err)
	}
	certificates, err := parseCertificates(data)
	if err != nil {
		return nil, fmt.Errorf("load leaf in %s: %w", dir, err)
	}
	return certificates[0], nil
}

// KeyMatches is nil when the privkey.pem in a version's directory is the key of
// the leaf that LoadLeaf read there. It compares public parts and does not
// prove that the rest of the key is sound; Load does.
func KeyMatches(dir string, leaf *x509.Certificate) error {
	sum := sha256.Sum256(leaf.Raw)
	match := func() ([sha256.Size]byte, error) { return sum, keyMatches(dir, leaf) }
	matched, err := matches.Of(filepath.Join(dir, KeyFile), match)
	if err == nil && matched != sum {
		_, err = match()
	}
	return err
}

func keyMatches(dir string, leaf *x509.Certificate) error {
	data, err := read(dir, KeyFile)
	if err != nil {
		return fmt.Errorf("match key: %w", err)
	}
	block, err := keyBlock(data)
	if err != nil {
		return fmt.Errorf("match key in %s: %w", dir, err)
	}
	if public, ok := leaf.PublicKey.(*rsa.PublicKey); ok {
		if n := modulus(block.Type, block.Bytes); n != nil && n.Cmp(public.N) == 0 {
			return nil
		}
	}
	key, err := decodeKey(block)
	if err != nil {
		return fmt.Errorf("match key in %s: %w", dir, err)
	}
	if !SameKey(leaf.PublicKey, key.Public()) {
		return fmt.Errorf("match key in %s: the private key does not belong to the certificate", dir)
	}
	return nil
}

// modulus reads an RSA key's modulus without the checks and tables of a full
// decoding, which cost a hundred times as much. It is nil for what it does not
// understand. Elements after those named here are ignored by encoding/asn1.
func modulus(blockType string, der []byte) *big.Int {
	if blockType == pkcs8 {
		var outer struct {
			Version   int
			Algorithm asn1.RawValue
			Key       []byte
		}
		if _, err := asn1.Unmarshal(der, &outer); err != nil {
			return nil
		}
		der = outer.Key
	}
	var key struct {
		Version int
		N       *big.Int
	}
	if _, err := asn1.Unmarshal(der, &key); err != nil {
		return nil
	}
	return key.N
}

func read(dir, name string) ([]byte, error) { return ReadFile(filepath.Join(dir, name)) }

// ReadFile reads a regular file of the state directory, where nobody else can put
// anything (see package openat for other places), of at most MaxBytes. It follows
// no symlink in the file's place, and does not wait for the writer of a FIFO.
func ReadFile(path string) ([]byte, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "read", Path: path, Err: errors.New("not a regular file")}
	}
	if info.Size() > MaxBytes {
		return nil, &fs.PathError{Op: "read", Path: path, Err: syscall.EFBIG}
	}
	data := bytes.NewBuffer(make([]byte, 0, info.Size()+bytes.MinRead)) // room for its end, too
	_, err = data.ReadFrom(io.LimitReader(file, MaxBytes))
	return data.Bytes(), err
}
