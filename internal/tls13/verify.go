package tls13

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"hash"
	"slices"
	"strings"

	"golang.org/x/crypto/cryptobyte"
)

// mostCertificates bounds a chain.
const mostCertificates = 32

// certificates reads what follows the hello, up to the proof that the server has
// the leaf's key. said is the transcript so far.
func (r *reader) certificates(said hash.Hash, algorithms []tls.SignatureScheme) ([]*x509.Certificate, error) {
	extensions, err := r.message(typeEncryptedExtensions)
	if err != nil {
		return nil, err
	}
	said.Write(extensions)
	message, err := r.message(typeCertificateRequest, typeCertificate)
	if err == nil && message[0] == typeCertificateRequest {
		said.Write(message)
		message, err = r.message(typeCertificate)
	}
	if err != nil {
		return nil, err
	}
	said.Write(message)
	shown, err := parseCertificates(message)
	if err != nil {
		return nil, err
	}
	proof, err := r.message(typeCertificateVerify)
	if err != nil {
		return nil, err
	}
	return shown, verify(shown[0], said.Sum(nil), proof, algorithms)
}

func parseCertificates(message []byte) ([]*x509.Certificate, error) {
	s := cryptobyte.String(message[headerLength:])
	var context, list cryptobyte.String
	if !s.ReadUint8LengthPrefixed(&context) || !s.ReadUint24LengthPrefixed(&list) || !s.Empty() {
		return nil, errMalformed
	}
	var all []*x509.Certificate
	for !list.Empty() {
		var der, extensions cryptobyte.String
		if !list.ReadUint24LengthPrefixed(&der) || !list.ReadUint16LengthPrefixed(&extensions) || len(all) == mostCertificates {
			return nil, errMalformed
		}
		certificate, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, fmt.Errorf("the server's certificate: %w", err)
		}
		all = append(all, certificate)
	}
	if len(all) == 0 {
		return nil, errors.New("the server shows no certificate")
	}
	return all, nil
}

// longestKey bounds what a signature costs, as in crypto/tls.
const longestKey = 8192

var hashes = map[tls.SignatureScheme]crypto.Hash{
	tls.PSSWithSHA256: crypto.SHA256, tls.PSSWithSHA384: crypto.SHA384, tls.PSSWithSHA512: crypto.SHA512,
	tls.ECDSAWithP256AndSHA256: crypto.SHA256, tls.ECDSAWithP384AndSHA384: crypto.SHA384, tls.ECDSAWithP521AndSHA512: crypto.SHA512,
}

// verify checks the server's signature of all that was said (RFC 8446, 4.4.3).
func verify(leaf *x509.Certificate, said, proof []byte, algorithms []tls.SignatureScheme) error {
	s := cryptobyte.String(proof[headerLength:])
	var algorithm uint16
	var signature cryptobyte.String
	if !s.ReadUint16(&algorithm) || !s.ReadUint16LengthPrefixed(&signature) || !s.Empty() {
		return errMalformed
	}
	scheme := tls.SignatureScheme(algorithm)
	hash, known := hashes[scheme]
	if !known || !slices.Contains(algorithms, scheme) {
		return fmt.Errorf("the server signed by %v, which was not offered", scheme)
	}
	h := hash.New()
	fmt.Fprintf(h, "%sTLS 1.3, server CertificateVerify\x00%s", strings.Repeat(" ", 64), said)
	valid := false
	switch key := leaf.PublicKey.(type) {
	case *rsa.PublicKey:
		valid = key.N.BitLen() <= longestKey && isPSS(scheme) &&
			rsa.VerifyPSS(key, hash, h.Sum(nil), signature, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}) == nil
	case *ecdsa.PublicKey:
		valid = !isPSS(scheme) && ecdsa.VerifyASN1(key, h.Sum(nil), signature)
	}
	if !valid {
		return errors.New("the server's signature is not by its certificate's key")
	}
	return nil
}

func isPSS(scheme tls.SignatureScheme) bool {
	return slices.Contains([]tls.SignatureScheme{tls.PSSWithSHA256, tls.PSSWithSHA384, tls.PSSWithSHA512}, scheme)
}
