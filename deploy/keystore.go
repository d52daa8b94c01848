package deploy

import (
	"bytes"
	"cmp"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"

	"dvagent/internal/bundle"

	"github.com/pavlo-v-chernykh/keystore-go/v4"
	"software.sslmate.com/src/go-pkcs12"
)

// DefaultJKSAlias is the name of a Java key store's entry of which a Target does
// not say any. A server uses the only entry when its configuration names none.
const DefaultJKSAlias = "dvagent"

func (t Target) alias() string { return cmp.Or(t.JKSAlias, DefaultJKSAlias) }

func encodePFX(t Target, b *bundle.Bundle, _ []byte) ([]byte, error) {
	password, err := t.password()
	if err != nil {
		return nil, err
	}
	encoder := pkcs12.Modern
	if t.LegacyPFX {
		encoder = pkcs12.Legacy
	}
	return encoder.Encode(b.Key, b.Leaf, b.Chain, password)
}

func decodePFX(t Target, data []byte) (certificates, key []byte, err error) {
	password, err := t.password()
	if err != nil {
		return nil, nil, err
	}
	if data, err = boundPFX(data, password); err != nil {
		return nil, nil, fmt.Errorf("decode pfx: %w", err)
	}
	private, leaf, chain, err := pkcs12.DecodeChain(data, password)
	if err != nil {
		return nil, nil, fmt.Errorf("decode pfx: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, nil, errors.New("decode pfx: a key of an unknown kind")
	}
	raw := [][]byte{leaf.Raw}
	for _, issuer := range chain {
		raw = append(raw, issuer.Raw)
	}
	return certificatesPEM(raw), pkcs8PEM(der), nil
}

// encodeJKS keeps what a key store that is there holds beside the entry.
func encodeJKS(t Target, b *bundle.Bundle, before []byte) ([]byte, error) {
	password, err := t.javaPassword()
	if err != nil {
		return nil, err
	}
	store, err := openJKS(before, password)
	if err != nil {
		store = keystore.New()
	}
	der, err := x509.MarshalPKCS8PrivateKey(b.Key)
	if err != nil {
		return nil, err
	}
	entry := keystore.PrivateKeyEntry{CreationTime: b.Leaf.NotBefore, PrivateKey: der}
	for _, c := range append([]*x509.Certificate{b.Leaf}, b.Chain...) {
		entry.CertificateChain = append(entry.CertificateChain, keystore.Certificate{Type: "X509", Content: c.Raw})
	}
	if err := store.SetPrivateKeyEntry(t.alias(), entry, password); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err = store.Store(&out, password)
	return out.Bytes(), err
}

func openJKS(data, password []byte) (keystore.KeyStore, error) {
	store := keystore.New()
	if err := boundJKS(data); err != nil {
		return store, fmt.Errorf("decode jks: %w", err)
	}
	if err := store.Load(bytes.NewReader(data), password); err != nil {
		return store, fmt.Errorf("decode jks: %w", err)
	}
	return store, nil
}

func decodeJKS(t Target, data []byte) (certificates, key []byte, err error) {
	password, err := t.javaPassword()
	if err != nil {
		return nil, nil, err
	}
	store, err := openJKS(data, password)
	if err != nil {
		return nil, nil, err
	}
	entry, err := store.GetPrivateKeyEntry(t.alias(), password)
	if err != nil {
		return nil, nil, fmt.Errorf("decode jks: its entry %q: %w", t.alias(), err)
	}
	var raw [][]byte
	for _, c := range entry.CertificateChain {
		raw = append(raw, c.Content)
	}
	return certificatesPEM(raw), pkcs8PEM(entry.PrivateKey), nil
}

func certificatesPEM(raw [][]byte) []byte {
	var out bytes.Buffer
	for _, der := range raw {
		out.Write(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	}
	return out.Bytes()
}

func pkcs8PEM(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}
