package examples_test

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"dvagent/internal/bundle/bundletest"
)

// nginxConfig takes a directory for all that nginx writes, and the file with
// the server.
const nginxConfig = `daemon off;
pid %[1]s/nginx.pid;
error_log %[1]s/error.log;
events { }
http {
    access_log off;
    client_body_temp_path %[1]s/body;
    proxy_temp_path %[1]s/proxy;
    fastcgi_temp_path %[1]s/fastcgi;
    uwsgi_temp_path %[1]s/uwsgi;
    scgi_temp_path %[1]s/scgi;
    include %[2]s;
}
`

// nginx is a running one that serves the example's server.
type nginx struct {
	dir, address string
	argv         []string
}

func startNginx(t *testing.T) nginx {
	t.Helper()
	dir := t.TempDir()
	n := nginx{dir: dir, address: freeAddress(t)}
	n.argv = []string{"nginx", "-p", dir, "-e", filepath.Join(dir, "error.log"), "-c", filepath.Join(dir, "nginx.conf")}
	server := filepath.Join(dir, "www.conf")
	write(t, server, adapted(t, "nginx/www.conf", "/etc/nginx/tls", dir, "listen 443", "listen "+n.address))
	write(t, n.argv[6], fmt.Sprintf(nginxConfig, dir, server))
	n.placeholder(t)
	if out, err := exec.Command(n.argv[0], append(n.argv[1:], "-t")...).CombinedOutput(); err != nil {
		t.Fatalf("nginx -t: %v: %s", err, out)
	}
	process := exec.Command(n.argv[0], n.argv[1:]...)
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = process.Process.Signal(syscall.SIGTERM)
		_ = process.Wait() // its status is not what is tested
	})
	n.waitUntilUp(t)
	return n
}

// placeholder writes the pair that nginx starts with, which ends too soon to
// be taken over.
func (n nginx) placeholder(t *testing.T) {
	t.Helper()
	b := bundletest.NewCA(t, "Old").Issue(t, bundletest.Leaf{
		Names: []string{"example.com", "*.example.com"}, NotBefore: time.Now().AddDate(0, 0, -89), NotAfter: time.Now().Add(time.Hour),
	})
	write(t, filepath.Join(n.dir, "www.pem"), string(b.FullchainPEM()))
	write(t, filepath.Join(n.dir, "www.key"), string(b.KeyPEM()))
}

func (n nginx) waitUntilUp(t *testing.T) {
	t.Helper()
	for range 1000 {
		if conn, err := net.Dial("tcp", n.address); err == nil {
			conn.Close()
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatal("nginx does not come up")
}

// deployment is the example's table for this nginx.
func (n nginx) deployment(t *testing.T) string {
	t.Helper()
	list := func(argv []string) string { return `["` + strings.Join(argv, `", "`) + `"]` }
	argv := n.argv[:len(n.argv):len(n.argv)]
	return adapted(t, "nginx/deploy.toml",
		`["nginx", "-t"]`, list(append(argv, "-t")),
		`["systemctl", "reload", "nginx"]`, list(append(argv, "-s", "reload")),
		"/etc/nginx/tls", n.dir, "127.0.0.1:443", n.address)
}

func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

func TestNginxServesWhatDvagentInstalls(t *testing.T) {
	need(t, "nginx")
	n := startNginx(t)
	h := newHost(t, n.deployment(t))
	roots := x509.NewCertPool()
	if pem, err := os.ReadFile(h.sandbox.Ready().CAFile); err != nil || !roots.AppendCertsFromPEM(pem) {
		t.Fatalf("read the sandbox's CA: %v", err)
	}
	if _, err := n.handshake(roots); err == nil {
		t.Fatal("nginx serves a certificate of the sandbox before one was ordered")
	}

	h.renew(t)
	first, err := n.handshake(roots)
	if err != nil {
		t.Fatalf("after the first order: %v", err)
	}
	h.renew(t, "--force")
	second, err := n.handshake(roots)
	if err != nil {
		t.Fatalf("after the renewal: %v", err)
	}
	if second.Equal(first) {
		t.Error("after the renewal nginx still serves the first certificate")
	}
	if used := h.sandbox.Submitted(); used != 2 {
		t.Errorf("%d instances were used for two certificates", used)
	}
}

func (h host) renew(t *testing.T, flags ...string) {
	t.Helper()
	argv := append([]string{"--config", h.config, "renew", "--timeout", "1m"}, flags...)
	if out, err := exec.Command(dvagent, argv...).CombinedOutput(); err != nil {
		t.Fatalf("dvagent renew: %v: %s", err, out)
	}
}

// handshake returns the leaf, which a client that trusts the roots accepts.
func (n nginx) handshake(roots *x509.CertPool) (*x509.Certificate, error) {
	dialer := &net.Dialer{Timeout: 5 * time.Second}
	conn, err := tls.DialWithDialer(dialer, "tcp", n.address, &tls.Config{RootCAs: roots, ServerName: "www.example.com"})
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0], nil
}
