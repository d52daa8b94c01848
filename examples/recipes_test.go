package examples_test

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"dvagent/agent/config"
	"dvagent/deploy"
	"dvagent/internal/bundle/bundletest"
)

// site is what one recipe has here in place of /etc and of its port.
type site struct{ dir, address string }

func (s site) path(name string) string { return filepath.Join(s.dir, name) }

func (s site) port() string {
	_, port, _ := net.SplitHostPort(s.address)
	return port
}

// recipes are the servers that docs/recipes.md names. Each one writes the configuration
// of its server, and returns the command that runs it in the foreground and
// the deployment's table.
var recipes = []struct {
	name  string
	needs []string // programs
	set   func(t *testing.T, s site) (server []string, table string)
}{
	{name: "nginx", needs: []string{"nginx"}, set: setNginx},
	{name: "nginx, by an agent without root", needs: []string{"nginx"}, set: setUnprivileged},
	{name: "apache2", needs: []string{"apache2"}, set: setApache},
	{name: "haproxy", needs: []string{"haproxy", "socat"}, set: setHaproxy},
	{name: "tomcat", needs: []string{"java", tomcatHome + "/bin/catalina.sh"}, set: setTomcat},
	{name: "dovecot", needs: []string{"dovecot", "doveadm"}, set: setDovecot},
}

func TestTheServerOfARecipeServesWhatDvagentInstalls(t *testing.T) {
	for _, r := range recipes {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			for _, program := range r.needs {
				need(t, program)
			}
			s := newSite(t)
			argv, table := r.set(t, s)
			h := newHost(t, table)
			h.placeholder(t)
			stop := s.start(t, argv)
			roots := h.roots(t)
			if _, err := s.handshake(roots); err == nil {
				t.Fatal("a certificate of the sandbox is served before one was ordered")
			}

			h.renew(t)
			first := s.mustServe(t, roots)
			h.renew(t, "--force")
			second := s.mustServe(t, roots)
			if second.Equal(first) {
				t.Error("after the renewal the first certificate is still served")
			}
			stop()
			s.start(t, argv)
			if !s.mustServe(t, roots).Equal(second) {
				t.Error("a restart brings back another certificate")
			}
			if applied := h.sandbox.Applied(); applied != 2 {
				t.Errorf("%d applications for two certificates", applied)
			}
		})
	}
}

// newSite makes a directory that a server without root can reach, of a name
// that is short enough for a socket in it.
func newSite(t *testing.T) site {
	t.Helper()
	dir, err := os.MkdirTemp("", "dvagent-site-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return site{dir, freeAddress(t)}
}

// freeAddress is where a server can listen later. Its port lies below those that
// the kernel gives away, or another test might get it meanwhile.
func freeAddress(t *testing.T) string {
	t.Helper()
	for range 100 {
		address := fmt.Sprintf("127.0.0.1:%d", 20000+rand.IntN(12000))
		listener, err := net.Listen("tcp", address)
		if err != nil {
			continue
		}
		listener.Close()
		return address
	}
	t.Fatal("no port is free")
	return ""
}

// placeholder writes what the server starts with: a pair that ends too soon to
// be taken over, in the files and formats of the recipe.
func (h host) placeholder(t *testing.T) {
	t.Helper()
	cfg, err := config.Load(h.config)
	if err != nil {
		t.Fatal(err)
	}
	target := cfg.Certificates[0].Deploy[0]
	target.Check, target.Reload, target.Probe = nil, nil, nil
	b := bundletest.NewCA(t, "Old").Issue(t, bundletest.Leaf{
		Names: []string{"example.com", "*.example.com"}, NotBefore: time.Now().AddDate(0, 0, -89), NotAfter: time.Now().Add(time.Hour),
	})
	for _, result := range deploy.Install(t.Context(), []deploy.Job{{Certificate: "old", Target: target, Bundle: b}}) {
		if result.Err != nil {
			t.Fatal(result.Err)
		}
	}
}

// start runs the server until it is stopped, at the test's end at the latest,
// and waits until it listens.
func (s site) start(t *testing.T, argv []string) (stop func()) {
	t.Helper()
	log, err := os.Create(s.path("output"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	process := exec.Command(argv[0], argv[1:]...)
	process.Dir, process.Stdout, process.Stderr = s.dir, log, log
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	stop = func() {
		_ = process.Process.Signal(syscall.SIGTERM)
		_ = process.Wait() // its status is not what is tested
	}
	t.Cleanup(stop)
	for range 6000 {
		if conn, err := net.Dial("tcp", s.address); err == nil {
			conn.Close()
			return stop
		}
		time.Sleep(5 * time.Millisecond)
	}
	output, _ := os.ReadFile(s.path("output"))
	t.Fatalf("%s does not come up: %s", argv[0], output)
	return nil
}

func (h host) roots(t *testing.T) *x509.CertPool {
	t.Helper()
	roots := x509.NewCertPool()
	if pem, err := os.ReadFile(h.sandbox.Ready().CAFile); err != nil || !roots.AppendCertsFromPEM(pem) {
		t.Fatalf("read the sandbox's CA: %v", err)
	}
	return roots
}

func (h host) renew(t *testing.T, flags ...string) {
	t.Helper()
	argv := append([]string{"--config", h.config, "renew", "--timeout", "1m"}, flags...)
	if out, err := exec.Command(dvagent, argv...).CombinedOutput(); err != nil {
		t.Fatalf("dvagent renew: %v: %s", err, out)
	}
}

// handshake returns the leaf, which a client that trusts the roots accepts.
func (s site) handshake(roots *x509.CertPool) (*x509.Certificate, error) {
	dialer := &net.Dialer{Timeout: 5 * time.Second}
	conn, err := tls.DialWithDialer(dialer, "tcp", s.address, &tls.Config{RootCAs: roots, ServerName: "www.example.com"})
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0], nil
}

func (s site) mustServe(t *testing.T, roots *x509.CertPool) *x509.Certificate {
	t.Helper()
	leaf, err := s.handshake(roots)
	if err != nil {
		t.Fatal(err)
	}
	return leaf
}

// list is a command as agent.toml has it.
func list(argv ...string) string { return `["` + strings.Join(argv, `", "`) + `"]` }
