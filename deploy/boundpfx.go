package deploy

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha256"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"

	"software.sslmate.com/src/go-pkcs12"
)

// The parts of a PKCS #12 file (RFC 7292) that say what decoding it costs.
type (
	pfxFile struct {
		Version int
		Content pfxContent
		MAC     pfxMAC `asn1:"optional"`
	}
	pfxContent struct {
		Type    asn1.ObjectIdentifier
		Content asn1.RawValue `asn1:"tag:0,explicit,optional"`
	}
	pfxMAC struct {
		Digest     pfxDigest
		Salt       []byte
		Iterations int `asn1:"optional,default:1"`
	}
	pfxDigest struct {
		Algorithm pkix.AlgorithmIdentifier
		Digest    []byte
	}
	pfxEncrypted struct {
		Version int
		Info    struct {
			Type      asn1.ObjectIdentifier
			Algorithm pkix.AlgorithmIdentifier
			Content   asn1.RawValue `asn1:"optional"`
		}
	}
	pfxBag struct {
		ID         asn1.ObjectIdentifier
		Value      asn1.RawValue `asn1:"tag:0,explicit"`
		Attributes asn1.RawValue `asn1:"optional"`
	}
	pfxKey struct {
		Algorithm pkix.AlgorithmIdentifier
		Content   []byte
	}
)

var (
	plainSafe     = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 1}
	encryptedSafe = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 6}
	keyBag        = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 12, 10, 1, 1}
	shroudedBag   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 12, 10, 1, 2}
	pbkdf2Hash    = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 12}
	hmacSHA256    = asn1.ObjectIdentifier{1, 2, 840, 113549, 2, 9}
	pbmac1        = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 14}
	macs          = []asn1.ObjectIdentifier{pbmac1, {1, 3, 14, 3, 2, 26}, {2, 16, 840, 1, 101, 3, 4, 2, 1}, {2, 16, 840, 1, 101, 3, 4, 2, 3}}
)

// boundPFX returns a file that has the same content as a PKCS #12 file, and
// costs no more than a real one to decode. What it costs to decrypt the key is
// to be seen before anything is decrypted: one that lies within what is encrypted
// itself is refused, and the safe with the key comes first, so that the library
// refuses another one in the second unseen.
func boundPFX(data []byte, password string) ([]byte, error) {
	var file pfxFile
	if err := whole(data, &file); err != nil {
		return nil, err
	}
	var safes []pfxContent
	if err := within(file.Content.Content.Bytes, &safes); err != nil {
		return nil, err
	}
	if err := boundHash(file.MAC.Digest.Algorithm.Parameters, file.MAC.Iterations); err != nil {
		return nil, err
	}
	first := -1
	for i, safe := range safes {
		hasKey, err := safe.bound()
		if err != nil {
			return nil, err
		}
		if hasKey && first < 0 {
			first = i
		}
	}
	switch {
	case first < 0:
		return nil, errors.New("it has no key outside of what is encrypted")
	case first == 0:
		return data, nil
	case len(safes) > 2:
		return nil, errors.New("it has more than two safes")
	}
	if err := checkMAC(file, data, password); err != nil {
		return nil, err
	}
	slices.Reverse(safes)
	return file.with(safes, password)
}

// whole reads all of DER into what it is of.
func whole(der []byte, into any) error {
	rest, err := asn1.Unmarshal(der, into)
	if err == nil && len(rest) > 0 {
		err = errors.New("it goes on after its end")
	}
	return err
}

// within reads the DER in an octet string.
func within(der []byte, into any) error {
	var inner []byte
	if err := whole(der, &inner); err != nil {
		return err
	}
	return whole(inner, into)
}

// bound says whether there is a key in plain sight in a safe, or why the safe
// costs more than a real one.
func (c pfxContent) bound() (hasKey bool, err error) {
	if c.Type.Equal(encryptedSafe) {
		var e pfxEncrypted
		if err := whole(c.Content.Bytes, &e); err != nil {
			return false, err
		}
		return false, boundHash(e.Info.Algorithm.Parameters, 0)
	}
	if !c.Type.Equal(plainSafe) {
		return false, fmt.Errorf("safes of kind %s are not known", c.Type)
	}
	var bags []pfxBag
	if err := within(c.Content.Bytes, &bags); err != nil {
		return false, err
	}
	for _, bag := range bags {
		isKey, err := bag.bound()
		if err != nil {
			return false, err
		}
		hasKey = hasKey || isKey
	}
	return hasKey, nil
}

func (b pfxBag) bound() (isKey bool, err error) {
	shrouded := b.ID.Equal(shroudedBag)
	if !shrouded && !b.ID.Equal(keyBag) {
		return false, nil
	}
	if len(b.Value.Bytes) > mostKeyBytes {
		return false, fmt.Errorf("a key of %d bytes is beyond any real one", len(b.Value.Bytes))
	}
	var key pfxKey
	if !shrouded {
		return true, nil
	}
	if err := whole(b.Value.Bytes, &key); err != nil {
		return false, err
	}
	return true, boundHash(key.Algorithm.Parameters, 0)
}

// boundHash bounds how often a password is hashed. All numbers among the
// parameters of an algorithm are such, or the length of a key.
func boundHash(parameters asn1.RawValue, iterations int) error {
	if iterations > mostIterations {
		return fmt.Errorf("%d iterations are beyond any real number", iterations)
	}
	if len(parameters.FullBytes) > mostParameters {
		return fmt.Errorf("%d bytes of parameters are beyond any real ones", len(parameters.FullBytes))
	}
	switch {
	case parameters.Class == asn1.ClassUniversal && parameters.Tag == asn1.TagInteger:
		var n int
		if err := whole(parameters.FullBytes, &n); err != nil {
			return err
		}
		return boundHash(asn1.RawValue{}, n)
	case parameters.IsCompound:
		for rest := parameters.Bytes; len(rest) > 0; {
			var inner asn1.RawValue
			var err error
			if rest, err = asn1.Unmarshal(rest, &inner); err != nil {
				return err
			}
			if err := boundHash(inner, 0); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkMAC lets the library compare the MAC of a file, which it does before it
// refuses one of two safes as no trust store.
func checkMAC(file pfxFile, data []byte, password string) error {
	known := func(mac asn1.ObjectIdentifier) bool { return mac.Equal(file.MAC.Digest.Algorithm.Algorithm) }
	if !slices.ContainsFunc(macs, known) {
		return errors.New("its MAC is of an unknown kind")
	}
	_, err := pkcs12.DecodeTrustStore(data, password)
	var noTrustStore pkcs12.NotImplementedError
	if errors.As(err, &noTrustStore) {
		return nil
	}
	return err
}

// with is the file with these safes, and a MAC for them.
func (f pfxFile) with(safes []pfxContent, password string) ([]byte, error) {
	inner, err := asn1.Marshal(safes)
	if err != nil {
		return nil, err
	}
	const length = sha256.Size
	key, err := pbkdf2.Key(sha256.New, password, f.MAC.Salt, 1, length)
	if err != nil {
		return nil, err
	}
	mac := hmac.New(sha256.New, key)
	mac.Write(inner)
	type hash struct {
		Salt               []byte
		Iterations, Length int
		Kind               pkix.AlgorithmIdentifier
	}
	type parameters struct {
		Hash struct {
			Algorithm  asn1.ObjectIdentifier
			Parameters hash
		}
		MAC pkix.AlgorithmIdentifier
	}
	kind := pkix.AlgorithmIdentifier{Algorithm: hmacSHA256}
	var p parameters
	p.Hash.Algorithm, p.Hash.Parameters, p.MAC = pbkdf2Hash, hash{f.MAC.Salt, 1, length, kind}, kind
	algorithm := pkix.AlgorithmIdentifier{Algorithm: pbmac1}
	if algorithm.Parameters.FullBytes, err = asn1.Marshal(p); err != nil {
		return nil, err
	}
	octets, err := asn1.Marshal(inner)
	if err != nil {
		return nil, err
	}
	f.Content.Content = asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 0, IsCompound: true, Bytes: octets}
	f.MAC = pfxMAC{Digest: pfxDigest{algorithm, mac.Sum(nil)}, Salt: []byte{}, Iterations: 1}
	return asn1.Marshal(f)
}
