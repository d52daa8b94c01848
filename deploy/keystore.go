package deploy

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"

	"dvagent/internal/bundle"

	"github.com/pavlo-v-chernykh/keystore-go/v4"
	"software.sslmate.com/src/go-pkcs12"
)

// alias is the name of a Java keystore's only entry, which a server uses when its
// configuration names none.
const alias = "dvagent"

func (t Target) password() (string, error) {
	password, err := t.Password.Resolve()
	if err != nil {
		return "", fmt.Errorf("read the password: %w", err)
	}
	return password, nil
}

func encodePFX(t Target, b *bundle.Bundle) ([]byte, error) {
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

func encodeJKS(t Target, b *bundle.Bundle) ([]byte, error) {
	password, err := t.password()
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(b.Key)
	if err != nil {
		return nil, err
	}
	entry := keystore.PrivateKeyEntry{CreationTime: b.Leaf.NotBefore, PrivateKey: der}
	for _, c := range append([]*x509.Certificate{b.Leaf}, b.Chain...) {
		entry.CertificateChain = append(entry.CertificateChain, keystore.Certificate{Type: "X509", Content: c.Raw})
	}
	store := keystore.New(keystore.WithMinPasswordLen(minJKSPassword))
	if err := store.SetPrivateKeyEntry(alias, entry, []byte(password)); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err = store.Store(&out, []byte(password))
	return out.Bytes(), err
}

// minJKSPassword is keytool's limit: it opens no keystore with a shorter password.
const minJKSPassword = 6

func decodeJKS(t Target, data []byte) (certificates, key []byte, err error) {
	password, err := t.password()
	if err != nil {
		return nil, nil, err
	}
	store := keystore.New()
	if err := store.Load(bytes.NewReader(data), []byte(password)); err != nil {
		return nil, nil, fmt.Errorf("decode jks: %w", err)
	}
	for _, name := range store.Aliases() {
		if !store.IsPrivateKeyEntry(name) {
			continue
		}
		entry, err := store.GetPrivateKeyEntry(name, []byte(password))
		if err != nil {
			return nil, nil, fmt.Errorf("decode jks: %w", err)
		}
		var raw [][]byte
		for _, c := range entry.CertificateChain {
			raw = append(raw, c.Content)
		}
		return certificatesPEM(raw), pkcs8PEM(entry.PrivateKey), nil
	}
	return nil, nil, errors.New("decode jks: no entry with a private key")
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
