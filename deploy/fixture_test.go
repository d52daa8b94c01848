package deploy_test

import (
	"crypto/tls"
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"dvagent/deploy"
	"dvagent/internal/bundle"
	"dvagent/internal/bundle/bundletest"
	"dvagent/internal/command"
)

func TestMain(m *testing.M) {
	command.Supervise()
	m.Run()
}

// host is a directory with a target's files and a TLS server that reads them
// when it starts and whenever a line is added to its reload file.
type host struct {
	dir     string
	address string
	ca      *bundletest.CA
	accepts func(*tls.Certificate) error // a reloaded pair; an error fails the handshakes
	ignores bool                         // reloads

	mu   sync.Mutex
	size int64
	pair *tls.Certificate
	err  error
}

func newHost(t testing.TB) *host {
	t.Helper()
	h := &host{dir: t.TempDir(), ca: bundletest.NewCA(t, "Test")}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h.address = listener.Addr().String()
	h.serve(t, tls.NewListener(listener, &tls.Config{GetCertificate: h.certificate}))
	return h
}

func (h *host) serve(t testing.TB, listener net.Listener) {
	var connections sync.WaitGroup
	connections.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			connections.Go(func() {
				_ = conn.(*tls.Conn).HandshakeContext(t.Context()) // the client's side is what tests look at
				_ = conn.Close()
			})
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		connections.Wait()
	})
}

func (h *host) certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if info, err := os.Stat(h.path("reloads")); err == nil && info.Size() != h.size && !h.ignores {
		h.size = info.Size()
		h.read()
	}
	return h.pair, h.err
}

func (h *host) read() {
	pair, err := tls.LoadX509KeyPair(h.path("fullchain.pem"), h.path("key.pem"))
	if err == nil && h.accepts != nil {
		err = h.accepts(&pair)
	}
	h.pair, h.err = &pair, err
}

func (h *host) path(name string) string { return filepath.Join(h.dir, name) }

// target is the host's usual one: two files, a reload and a probe.
func (h *host) target() deploy.Target {
	return deploy.Target{
		Fullchain: h.path("fullchain.pem"),
		Key:       h.path("key.pem"),
		Reload:    shell("echo reload >>" + h.path("reloads")),
		Probe:     []string{h.address},
		Timeout:   2 * time.Second,
	}
}

func (h *host) job(b *bundle.Bundle) deploy.Job {
	return deploy.Job{Certificate: "www", Target: h.target(), Bundle: b, Originals: h.path("originals")}
}

// reloads counts how often the reload command ran.
func (h *host) reloads() int { return lines(h.path("reloads")) }

func (h *host) issue(t testing.TB) *bundle.Bundle {
	t.Helper()
	return h.ca.Issue(t, bundletest.Leaf{Names: []string{"example.com", "*.example.com"}})
}

// put writes a pair as another program would, and starts serving it.
func (h *host) put(t testing.TB, b *bundle.Bundle) *bundle.Bundle {
	t.Helper()
	write(t, h.path("fullchain.pem"), b.FullchainPEM())
	write(t, h.path("key.pem"), b.KeyPEM())
	h.mu.Lock()
	defer h.mu.Unlock()
	h.read()
	return b
}

// holds fails the test unless the files are b's.
func (h *host) holds(t *testing.T, b *bundle.Bundle) {
	t.Helper()
	held, err := deploy.Held(h.target())
	if err != nil {
		t.Fatal(err)
	}
	if held.ID() != b.ID() {
		t.Errorf("the files are those of %s, want %s", held.ID(), b.ID())
	}
	if left, _ := filepath.Glob(h.path(".*")); len(left) > 0 {
		t.Errorf("left over: %v", left)
	}
}

// serves fails the test unless a handshake shows b.
func (h *host) serves(t *testing.T, b *bundle.Bundle) {
	t.Helper()
	if seen := deploy.Probe(t.Context(), h.address, "example.com", nil); !shows(seen, b) {
		t.Errorf("%s, want %s", seen, b.ID())
	}
}

// shows says whether a handshake succeeded with b's leaf.
func shows(h deploy.Handshake, b *bundle.Bundle) bool {
	return h.Err == nil && h.Fingerprint == bundle.Fingerprint(b.Leaf)
}

// shown says whether every handshake with a listener did.
func shown(l deploy.Listener, b *bundle.Bundle) bool {
	return !slices.ContainsFunc(l.Handshakes, func(h deploy.Handshake) bool { return !shows(h, b) })
}

func install(t testing.TB, job deploy.Job) deploy.Result {
	t.Helper()
	return deploy.Install(t.Context(), []deploy.Job{job})[0]
}

func shell(script string) []string { return []string{"/bin/sh", "-c", script} }

func lines(path string) int {
	data, _ := os.ReadFile(path)
	return strings.Count(string(data), "\n")
}

func write(t testing.TB, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

func checkError(t *testing.T, err error, part string) {
	t.Helper()
	switch {
	case part == "" && err != nil:
		t.Error(err)
	case part != "" && (err == nil || !strings.Contains(err.Error(), part)):
		t.Errorf("error %v, want %q", err, part)
	case err != nil && strings.ContainsAny(err.Error(), "\r\n"):
		t.Errorf("more than one line: %q", err)
	}
}

var errUnfit = errors.New("the server cannot use this pair")
