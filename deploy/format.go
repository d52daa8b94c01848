package deploy

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"

	"dvagent/internal/bundle"
)

// format is one way to put a bundle, or a part of it, into a file.
type format struct {
	name   string // as the configuration calls it
	keptAs string // the name of an original that is kept
	path   func(Target) string
	secret bool // it holds the key

	// encode makes the file anew. A key store keeps what else it held before.
	encode func(t Target, b *bundle.Bundle, before []byte) ([]byte, error)
	// text is what encode makes of a version, without decoding it; nil: it has to be.
	text func(bundle.Text) []byte

	// decode returns what a file holds as PEM; nil for a part that the format
	// has not.
	decode func(t Target, data []byte) (certificates, key []byte, err error)
	// other says why data, which is not empty, is certainly none of this format, or
	// holds more than a bundle.
	other func(t Target, data []byte) error
	// opaque: two encodings of one bundle differ, so files are compared decoded.
	opaque bool
}

// formats stand in the order of writing.
var formats = []format{
	{name: "key", keptAs: bundle.KeyFile, secret: true, encode: encodeKey, text: keyText, decode: onlyKey,
		other: pemWith("a private key", isKey), path: func(t Target) string { return t.Key }},
	{name: "chain", keptAs: bundle.ChainFile, encode: part((*bundle.Bundle).ChainPEM), text: chainText, decode: neither,
		other: pemWith("certificates", isCertificate), path: func(t Target) string { return t.Chain }},
	{name: "cert", keptAs: bundle.CertFile, encode: part((*bundle.Bundle).CertPEM), text: certText, decode: onlyCertificates,
		other: pemWith("certificates", isCertificate), path: func(t Target) string { return t.Cert }},
	{name: "fullchain", keptAs: bundle.FullchainFile, encode: part((*bundle.Bundle).FullchainPEM), text: fullchainText, decode: onlyCertificates,
		other: pemWith("certificates", isCertificate), path: func(t Target) string { return t.Fullchain }},
	{name: "combined", keptAs: "combined.pem", secret: true, encode: encodeCombined, text: combinedText, decode: both,
		other: pemWith("a private key or certificates", isKey, isCertificate), path: func(t Target) string { return t.Combined }},
	{name: "pfx", keptAs: "bundle.pfx", secret: true, encode: encodePFX, decode: decodePFX, opaque: true,
		other: otherThanPFX, path: func(t Target) string { return t.PFX }},
	{name: "jks", keptAs: "bundle.jks", secret: true, encode: encodeJKS, decode: decodeJKS, opaque: true,
		other: otherThanJKS, path: func(t Target) string { return t.JKS }},
}

func part(pem func(*bundle.Bundle) []byte) func(Target, *bundle.Bundle, []byte) ([]byte, error) {
	return func(_ Target, b *bundle.Bundle, _ []byte) ([]byte, error) { return pem(b), nil }
}

func onlyKey(_ Target, data []byte) ([]byte, []byte, error)          { return nil, data, nil }
func onlyCertificates(_ Target, data []byte) ([]byte, []byte, error) { return data, nil, nil }
func both(_ Target, data []byte) ([]byte, []byte, error)             { return data, data, nil }
func neither(Target, []byte) ([]byte, []byte, error)                 { return nil, nil, nil }

func encodeKey(t Target, b *bundle.Bundle, _ []byte) ([]byte, error) {
	switch t.KeyFormat {
	case "":
		return b.KeyPEM(), nil
	case "pkcs1":
		key, ok := b.Key.(*rsa.PrivateKey)
		if !ok {
			return nil, errors.New("key_format pkcs1 is for RSA keys, and this is another")
		}
		der := x509.MarshalPKCS1PrivateKey(key)
		return pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: der}), nil
	case "pkcs8":
		der, err := x509.MarshalPKCS8PrivateKey(b.Key)
		if err != nil {
			return nil, err
		}
		return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
	}
	return nil, fmt.Errorf("key_format %q is neither pkcs1 nor pkcs8", t.KeyFormat)
}

func encodeCombined(t Target, b *bundle.Bundle, _ []byte) ([]byte, error) {
	key, err := encodeKey(t, b, nil)
	if err != nil {
		return nil, err
	}
	return append(key, b.FullchainPEM()...), nil
}

// holds says whether data is b in this format.
func (f format) holds(t Target, data []byte, b *bundle.Bundle) bool {
	if !f.opaque {
		want, err := f.encode(t, b, nil)
		return err == nil && bytes.Equal(data, want)
	}
	certificates, key, err := f.parts(t, data)
	if err != nil {
		return false
	}
	held, err := bundle.Parse(certificates, key)
	return err == nil && bytes.Equal(held.FullchainPEM(), b.FullchainPEM())
}
