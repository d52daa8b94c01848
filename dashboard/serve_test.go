package dashboard

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"dvagent/agent/config"
	"dvagent/agent/view"
	"dvagent/internal/bundle"
	"dvagent/internal/bundle/bundletest"
	"dvagent/internal/secret"
)

const canary = "canary-0123456789"

// ask sends one GET and returns the status code and the text.
func ask(t *testing.T, address string, change func(*http.Request)) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "GET", address, nil)
	if err != nil {
		t.Fatal(err)
	}
	change(r)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(text)
}

// serve runs the dashboard as Serve does, and returns its address.
func (h *host) serve(t *testing.T, settings config.Service) (address string, end func() error) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	h.must(err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- h.board.serve(ctx, listener, h.service, settings, slog.New(slog.DiscardHandler)) }()
	t.Cleanup(cancel)
	return listener.Addr().String(), func() error {
		cancel()
		return <-ended
	}
}

func TestOnlyThisHostsNamesAreAnswered(t *testing.T) {
	own, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	address, end := newHost(t).serve(t, config.Service{Listen: "127.0.0.1:0"})
	for _, tt := range []struct {
		name, host string
		code       int
	}{
		{"its address", "127.0.0.1:9321", 200},
		{"its address without a port", "127.0.0.1", 200},
		{"the other family", "[::1]:9321", 200},
		{"localhost", "localhost:9321", 200},
		{"its own name", own, 200},
		{"a name that a stranger lets point here", "rebind.example.net:9321", 421},
		{"a name that begins like an address", "127.0.0.1.example.net", 421},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if code, _ := ask(t, "http://"+address, func(r *http.Request) { r.Host = tt.host }); code != tt.code {
				t.Errorf("got %d", code)
			}
		})
	}
	if err := end(); err != nil {
		t.Errorf("it did not end well: %v", err)
	}
}

func TestTheTokenIsWantedForEverything(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(canary+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	address, _ := newHost(t).serve(t, config.Service{Listen: "127.0.0.1:0", Token: secret.Secret{File: file}})
	bearer := func(token string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) }
	}
	password := func(token string) func(*http.Request) {
		return func(r *http.Request) { r.SetBasicAuth("anyone", token) }
	}
	for _, tt := range []struct {
		name   string
		change func(*http.Request)
		code   int
	}{
		{"nothing is given", func(*http.Request) {}, 401},
		{"the bearer has it", bearer(canary), 200},
		{"the bearer has another", bearer(canary + "0"), 401},
		{"the bearer has none", bearer(""), 401},
		{"it is the password", password(canary), 200},
		{"the password is another", password("canary"), 401},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, path := range []string{"/", "/metrics", "/status", "/healthz"} {
				code, text := ask(t, "http://"+address+path, tt.change)
				if code != tt.code || strings.Contains(text, canary) {
					t.Errorf("%s: %d %s", path, code, text)
				}
			}
		})
	}
	t.Run("a rotated one counts at once", func(t *testing.T) {
		if err := os.WriteFile(file, []byte("canary-9876543210\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if code, _ := ask(t, "http://"+address, bearer(canary)); code != 401 {
			t.Errorf("the old one: %d", code)
		}
		if code, _ := ask(t, "http://"+address, bearer("canary-9876543210")); code != 200 {
			t.Errorf("the new one: %d", code)
		}
	})
	t.Run("one that cannot be read lets nobody in", func(t *testing.T) {
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
		if code, _ := ask(t, "http://"+address, bearer("")); code != 503 {
			t.Errorf("got %d", code)
		}
	})
}

func TestThePairIsReadAgainWhenItChanges(t *testing.T) {
	dir, ca := t.TempDir(), bundletest.NewCA(t, "test")
	settings := config.Service{Listen: "127.0.0.1:0",
		TLSCert: filepath.Join(dir, bundle.FullchainFile), TLSKey: filepath.Join(dir, bundle.KeyFile)}
	address, _ := newHost(t).serve(t, settings)
	shown := func() string {
		conn, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			return "nothing"
		}
		defer conn.Close()
		return bundle.Fingerprint(conn.ConnectionState().PeerCertificates[0])
	}
	if got := shown(); got != "nothing" {
		t.Errorf("without a pair it shows %s", got)
	}
	changed := time.Now().Add(-time.Hour)
	put := func(cert, key []byte) {
		t.Helper()
		changed = changed.Add(time.Minute)
		for path, text := range map[string][]byte{settings.TLSCert: cert, settings.TLSKey: key} {
			if err := os.WriteFile(path, text, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chtimes(path, changed, changed); err != nil {
				t.Fatal(err)
			}
		}
	}
	first, second := ca.Issue(t, bundletest.Leaf{Names: []string{"a.example.com"}}), ca.Issue(t, bundletest.Leaf{Names: []string{"b.example.com"}})
	put(first.FullchainPEM(), first.KeyPEM())
	if got := shown(); got != bundle.Fingerprint(first.Leaf) {
		t.Errorf("the first pair is not shown, but %s", got)
	}
	put(second.FullchainPEM(), first.KeyPEM())
	if got := shown(); got != bundle.Fingerprint(first.Leaf) {
		t.Errorf("halfway through a change it shows %s", got)
	}
	put(second.FullchainPEM(), second.KeyPEM())
	if got := shown(); got != bundle.Fingerprint(second.Leaf) {
		t.Errorf("the second pair is not shown, but %s", got)
	}
}

func TestStatusIsLookedUpOnceForAllWhoAsk(t *testing.T) {
	var looks atomic.Int32
	s := &lastStatus{look: func() (view.Status, error) {
		looks.Add(1)
		return view.Status{StateDir: "/var/lib/dvagent"}, nil
	}}
	for range 3 {
		var status view.Status
		text, err := s.get()
		if err != nil || json.Unmarshal(text, &status) != nil || status.StateDir != "/var/lib/dvagent" {
			t.Errorf("got %s, %v", text, err)
		}
	}
	if looks.Load() != 1 {
		t.Errorf("%d looks", looks.Load())
	}
	s.forget()
	if _, err := s.get(); err != nil || looks.Load() != 2 {
		t.Errorf("%d looks, %v", looks.Load(), err)
	}
}

func TestHealthTellsWhatIsWrong(t *testing.T) {
	url := newHost(t, past{name: "old", age: 95 * day, left: 5 * day}).open()
	if code, text := ask(t, url+"/healthz", func(*http.Request) {}); code != 503 || !strings.HasPrefix(text, "certificate old ends on ") {
		t.Errorf("%d %s", code, text)
	}
	url = newHost(t, past{name: "new", age: day, left: 99 * day}).open()
	if code, text := ask(t, url+"/healthz", func(*http.Request) {}); code != 200 || text != "ok\n" {
		t.Errorf("%d %s", code, text)
	}
}

func TestNothingCanBeChanged(t *testing.T) {
	url := newHost(t).open()
	for _, path := range []string{"/", "/status", "/metrics", "/healthz"} {
		answer, err := http.Post(url+path, "text/plain", strings.NewReader("x"))
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != http.StatusMethodNotAllowed {
			t.Errorf("POST %s: %s", path, answer.Status)
		}
	}
}

func TestWhoIsRefusedHoldsNoConnection(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(canary), 0o600); err != nil {
		t.Fatal(err)
	}
	address, _ := newHost(t).serve(t, config.Service{Listen: "127.0.0.1:0", Token: secret.Secret{File: file}})
	closes := func(name string, code int, change func(*http.Request)) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+address, nil)
		if err != nil {
			t.Fatal(err)
		}
		change(r)
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != code || !answer.Close {
			t.Errorf("%s: %d, closes: %v", name, answer.StatusCode, answer.Close)
		}
	}
	closes("no token", 401, func(*http.Request) {})
	closes("another host's name", 421, func(r *http.Request) { r.Host = "rebind.example.net" })
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	closes("no token can be read", 503, func(*http.Request) {})
}
