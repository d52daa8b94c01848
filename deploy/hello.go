package deploy

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"slices"
	"strings"
)

// sought is what a probe looks for.
type sought struct {
	name string            // sent as SNI
	leaf *x509.Certificate // nil for whatever is served
}

// hello is what a handshake offers. A server may choose its leaf by it, or not
// answer one that asks for more than it understands.
type hello struct {
	newest     uint16                // version of TLS; the oldest is 1.0
	suites     []uint16              // below TLS 1.3
	signatures []tls.SignatureScheme // for TLS 1.3 alone; nil for Go's own
	groups     []tls.CurveID         // nil for Go's own, which with ML-KEM are too long for some networks
	second     bool                  // after version 2 of the PROXY protocol's header, where the probe has one
}

// wide offers all that some client may offer. What is weak does no harm: no more
// than the leaf is wanted.
func wide(newest uint16) hello { return hello{newest: newest, suites: suites(everyKey)} }

// narrower are for a server that does not answer the wide hello.
func narrower(newest uint16) []hello {
	var all []hello
	for _, version := range []uint16{tls.VersionTLS13, tls.VersionTLS12, tls.VersionTLS11} {
		if version <= newest {
			all = append(all, hello{newest: version, suites: suites(everyKey),
				groups: []tls.CurveID{tls.X25519, tls.CurveP256, tls.CurveP384}})
		}
	}
	return all
}

// fitting are hellos that only a leaf of the same kind fits: in TLS 1.3 by their
// signature algorithms, below by their cipher suites. The first is for the version
// that the server speaks.
func fitting(leaf *x509.Certificate, version uint16, second bool) []hello {
	old := hello{newest: tls.VersionTLS12, second: second}
	recent := hello{newest: tls.VersionTLS13, second: second}
	switch key := leaf.PublicKey.(type) {
	case *rsa.PublicKey:
		old.suites = suites(func(suite string) bool { return !forECDSA(suite) })
		recent.signatures = []tls.SignatureScheme{tls.PSSWithSHA256, tls.PSSWithSHA384, tls.PSSWithSHA512}
	case *ecdsa.PublicKey:
		c := curves[key.Params().Name]
		old.suites, old.groups = suites(forECDSA), []tls.CurveID{tls.X25519, c.group}
		recent.signatures = []tls.SignatureScheme{c.signature}
	default:
		return nil
	}
	if version < tls.VersionTLS13 {
		return []hello{old}
	}
	return []hello{recent, old}
}

var curves = map[string]struct {
	group     tls.CurveID
	signature tls.SignatureScheme
}{
	"P-256": {tls.CurveP256, tls.ECDSAWithP256AndSHA256},
	"P-384": {tls.CurveP384, tls.ECDSAWithP384AndSHA384},
	"P-521": {tls.CurveP521, tls.ECDSAWithP521AndSHA512},
}

// kind is the same for keys between which no hello tells.
func kind(key crypto.PublicKey) string {
	switch key := key.(type) {
	case *rsa.PublicKey:
		return "RSA"
	case *ecdsa.PublicKey:
		return "ECDSA " + key.Params().Name
	}
	return ""
}

func everyKey(string) bool { return true }

func forECDSA(suite string) bool { return strings.Contains(suite, "_ECDSA_") }

// suites are those that Go knows, the insecure ones too, by their names.
func suites(fit func(name string) bool) []uint16 {
	var ids []uint16
	for _, suite := range slices.Concat(tls.CipherSuites(), tls.InsecureCipherSuites()) {
		if fit(suite.Name) {
			ids = append(ids, suite.ID)
		}
	}
	return ids
}

// config takes any certificate: the leaf is to be compared.
func (h hello) config(serverName string) *tls.Config {
	return &tls.Config{ServerName: serverName, InsecureSkipVerify: true,
		MinVersion: tls.VersionTLS10, MaxVersion: h.newest, CipherSuites: h.suites, CurvePreferences: h.groups}
}
