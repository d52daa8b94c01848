package demo

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// webServer is what the certificate is installed on.
type webServer struct {
	kind            string // as people are told
	address         string // host:port
	fullchain, key  string // paths
	check, reloader []string
	stop            func()
}

// startWebServer starts nginx where it is installed, and a Server elsewhere,
// with a placeholder certificate.
func startWebServer(ctx context.Context, dir string) (*webServer, error) {
	s := &webServer{fullchain: filepath.Join(dir, "server.pem"), key: filepath.Join(dir, "server.key")}
	if err := s.placeholder(); err != nil {
		return nil, err
	}
	if path := findNginx(); path != "" {
		return s, s.startNginx(ctx, path, filepath.Join(dir, "nginx"))
	}
	return s, s.startBuiltIn(filepath.Join(dir, "reload"))
}

func (s *webServer) startBuiltIn(mark string) error {
	server, err := Serve(s.fullchain, s.key, mark)
	if err != nil {
		return err
	}
	s.kind = "a built-in TLS server (nginx is not installed)"
	s.address, s.reloader, s.stop = server.Address(), server.ReloadCommand(), server.Close
	return nil
}

// deployment is the part of agent.toml that installs on this server.
func (s *webServer) deployment() string {
	text := fmt.Sprintf("\n  [[certificate.deploy]]\n  fullchain = %q\n  key = %q\n", s.fullchain, s.key)
	if s.check != nil {
		text += "  check = " + tomlList(s.check)
	}
	return text + "  reload = " + tomlList(s.reloader) + "  probe = " + tomlList([]string{s.address})
}

func tomlList(items []string) string {
	var quoted []string
	for _, item := range items {
		quoted = append(quoted, fmt.Sprintf("%q", item))
	}
	return "[" + strings.Join(quoted, ", ") + "]\n"
}

// placeholder writes a self-signed pair, since a server cannot start without one.
func (s *webServer) placeholder() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"example.com"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(0, 0, 1),
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(s.fullchain, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate}), 0o600),
		os.WriteFile(s.key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600))
}
