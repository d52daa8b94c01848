package fleettest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Security are the files of a cluster with TLS.
type Security struct {
	CAFile            string
	CertFile, KeyFile string // of a client

	server, serverKey string
	roots             *x509.CertPool
	pair              tls.Certificate // of the client
}

// newSecurity makes a CA, and a pair for the members and one for clients.
func newSecurity(t testing.TB) *Security {
	t.Helper()
	dir := t.TempDir()
	s := &Security{CAFile: filepath.Join(dir, "ca.pem"), CertFile: filepath.Join(dir, "client.pem"), KeyFile: filepath.Join(dir, "client.key"),
		server: filepath.Join(dir, "server.pem"), serverKey: filepath.Join(dir, "server.key"), roots: x509.NewCertPool()}
	ca := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "etcd CA"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign}
	key := writePair(t, ca, ca, nil, s.CAFile, filepath.Join(dir, "ca.key"))
	usages := []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth} // etcd is a client of itself
	writePair(t, &x509.Certificate{SerialNumber: big.NewInt(2), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: usages}, ca, key, s.server, s.serverKey)
	writePair(t, &x509.Certificate{SerialNumber: big.NewInt(3), Subject: pkix.Name{CommonName: "host"}, ExtKeyUsage: usages}, ca, key, s.CertFile, s.KeyFile)
	text, err := os.ReadFile(s.CAFile)
	if err != nil {
		t.Fatal(err)
	}
	s.roots.AppendCertsFromPEM(text)
	if s.pair, err = tls.LoadX509KeyPair(s.CertFile, s.KeyFile); err != nil {
		t.Fatal(err)
	}
	return s
}

// writePair makes a certificate, signed by its own key where by is nil.
func writePair(t testing.TB, certificate, ca *x509.Certificate, by *ecdsa.PrivateKey, certFile, keyFile string) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if by == nil {
		by = key
	}
	certificate.NotBefore, certificate.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	der, err := x509.CreateCertificate(rand.Reader, certificate, ca, key.Public(), by)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for path, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: der}, keyFile: {Type: "PRIVATE KEY", Bytes: keyDER}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return key
}

func (s *Security) args() []string {
	if s == nil {
		return nil
	}
	return []string{"--cert-file", s.server, "--key-file", s.serverKey, "--trusted-ca-file", s.CAFile, "--client-cert-auth"}
}

func (s *Security) client() *tls.Config {
	if s == nil {
		return nil
	}
	return &tls.Config{RootCAs: s.roots, Certificates: []tls.Certificate{s.pair}}
}
