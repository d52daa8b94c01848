package main

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
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// demoServer is a TLS server process with its pair: nginx when it is there.
type demoServer struct {
	kind, address   string
	fullchain, key  string
	process         *exec.Cmd
	check, reloader []string
}

func startDemoServer(ctx context.Context, dir string) (*demoServer, error) {
	s := &demoServer{fullchain: filepath.Join(dir, "server.pem"), key: filepath.Join(dir, "server.key")}
	if err := s.placeholder(); err != nil {
		return nil, err
	}
	var err error
	if s.address, err = freeAddress(); err != nil {
		return nil, err
	}
	if nginx := findNginx(); nginx != "" {
		err = s.nginx(nginx, dir)
	} else {
		err = s.builtIn(dir)
	}
	if err != nil {
		return nil, err
	}
	if err := s.process.Start(); err != nil {
		return nil, err
	}
	return s, s.waitUntilUp(ctx)
}

func findNginx() string {
	for _, name := range []string{"nginx", "/usr/sbin/nginx", "/usr/local/sbin/nginx"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

// nginxConfig takes a directory for everything that nginx writes, the address,
// and the two files of the pair.
const nginxConfig = `daemon off;
pid %[1]s/nginx.pid;
error_log %[1]s/error.log warn;
events { }
http {
    access_log off;
    client_body_temp_path %[1]s/body;
    proxy_temp_path %[1]s/proxy;
    fastcgi_temp_path %[1]s/fastcgi;
    uwsgi_temp_path %[1]s/uwsgi;
    scgi_temp_path %[1]s/scgi;
    server {
        listen %[2]s ssl;
        ssl_certificate %[3]s;
        ssl_certificate_key %[4]s;
        location / { return 200 "hello\n"; }
    }
}
`

func (s *demoServer) nginx(path, dir string) error {
	s.kind = "nginx"
	home := filepath.Join(dir, "nginx")
	if err := os.Mkdir(home, 0o700); err != nil {
		return err
	}
	file := filepath.Join(home, "nginx.conf")
	text := fmt.Sprintf(nginxConfig, home, s.address, s.fullchain, s.key)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return err
	}
	base := []string{path, "-p", home, "-e", filepath.Join(home, "error.log"), "-c", file}
	s.check, s.reloader = append(base[:len(base):len(base)], "-t"), append(base[:len(base):len(base)], "-s", "reload")
	s.process = exec.Command(base[0], base[1:]...)
	return nil
}

func (s *demoServer) builtIn(dir string) error {
	s.kind = "a built-in TLS server (nginx is not installed)"
	self, err := os.Executable()
	if err != nil {
		return err
	}
	pid := filepath.Join(dir, "server.pid")
	s.reloader = []string{self, "serve-tls", "--reload", "--pid-file", pid}
	s.process = exec.Command(self, "serve-tls", "--listen", s.address, "--cert", s.fullchain, "--key", s.key, "--pid-file", pid)
	return nil
}

// deployment is the part of agent.toml that installs on this server.
func (s *demoServer) deployment() string {
	text := fmt.Sprintf("\n  [[certificate.deploy]]\n  fullchain = %q\n  key = %q\n", s.fullchain, s.key)
	if s.check != nil {
		text += "  check = " + tomlList(s.check)
	}
	return text + "  reload = " + tomlList(s.reloader) + fmt.Sprintf("  probe = [%q]\n", s.address)
}

func tomlList(items []string) string {
	text := "["
	for i, item := range items {
		if i > 0 {
			text += ", "
		}
		text += fmt.Sprintf("%q", item)
	}
	return text + "]\n"
}

// placeholder writes a self-signed pair, for a server cannot start without one.
func (s *demoServer) placeholder() error {
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

// freeAddress finds a port that nobody listens on.
func freeAddress() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer listener.Close()
	return listener.Addr().String(), nil
}

func (s *demoServer) waitUntilUp(ctx context.Context) error {
	for range 100 {
		if conn, err := net.DialTimeout("tcp", s.address, time.Second); err == nil {
			return conn.Close()
		}
		if sleepFor(ctx, 50*time.Millisecond) != nil {
			break
		}
	}
	s.stop()
	return fmt.Errorf("%s did not come up at %s", s.kind, s.address)
}

// stop ends the process that was started, and waits for its end.
func (s *demoServer) stop() {
	if s.process == nil || s.process.Process == nil || s.process.ProcessState != nil {
		return
	}
	s.process.Process.Signal(syscall.SIGTERM)
	kill := time.AfterFunc(5*time.Second, func() { s.process.Process.Kill() })
	defer kill.Stop()
	s.process.Wait()
}

func sleepFor(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

func loadRoots(caFile string) (*x509.CertPool, error) {
	text, err := os.ReadFile(caFile)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s holds no certificate", caFile)
	}
	return roots, nil
}
