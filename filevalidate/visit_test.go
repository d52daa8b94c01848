package filevalidate

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"dvagent/internal/bundle/bundletest"
	"dvagent/internal/network"
)

const (
	where = "example.com/" + path
	token = "2026112700000000abcdef"
)

// internet is a little Internet: what listens at which address and port.
type internet struct {
	mu     sync.Mutex
	at     map[string]string // "ADDRESS:PORT" to a listener on loopback
	errors map[string]error
	dialed []string
}

func (n *internet) DialContext(ctx context.Context, protocol, address string) (net.Conn, error) {
	n.mu.Lock()
	n.dialed = append(n.dialed, address)
	listener, err := n.at[address], n.errors[address]
	n.mu.Unlock()
	switch {
	case err != nil:
		return nil, &net.OpError{Op: "dial", Err: err}
	case listener == "":
		return nil, fmt.Errorf("nobody is to ask %s", address)
	}
	return new(net.Dialer).DialContext(ctx, protocol, listener)
}

// look asks these addresses for the file.
func (n *internet) look(t *testing.T, addresses ...string) (Verdict, error) {
	t.Helper()
	v := Visitor{func(context.Context, string) ([]string, error) { return addresses, nil }}
	return v.Look(network.With(t.Context(), n), where, token)
}

// serve starts a web server that is reached at an address's port.
func serve(t *testing.T, n *internet, at string, handle http.HandlerFunc) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(handle)
	t.Cleanup(server.Close)
	n.at[at] = server.Listener.Addr().String()
	return server
}

func newInternet() *internet { return &internet{at: map[string]string{}, errors: map[string]error{}} }

// fault 117
func TestTheVerdictOnAnAddressSaysWhatACASees(t *testing.T) {
	redirect := func(to string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, to, http.StatusFound) }
	}
	for _, tt := range []struct {
		name   string
		handle http.HandlerFunc
		want   string
	}{
		{"it is there", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, token) }, "192.0.2.1 shows the file"},
		{"it is there with a newline", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, token+"\r\n") }, "192.0.2.1 shows the file"},
		{"it is not there", http.NotFound, "192.0.2.1 does not have the file (404)"},
		{"there is another content", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>\x1b[2J") }, `192.0.2.1 shows another content ("<html> [2J")`},
		{"the content goes on", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, token, "x") }, `192.0.2.1 shows another content ("` + token + `x")`},
		{"it is forbidden", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }, "192.0.2.1 answers with an error (403)"},
		{"the server is broken", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusBadGateway)
			fmt.Fprint(w, token)
		}, "192.0.2.1 answers with an error (502)"},
		{"another host has it", redirect("http://other.example/" + path), "192.0.2.1 redirects elsewhere (http://other.example/" + path + ")"},
		{"another port has it", redirect("http://example.com:8080/"), "192.0.2.1 redirects elsewhere (http://example.com:8080/)"},
		{"another scheme has it", redirect("ftp://example.com/"), "192.0.2.1 redirects elsewhere (ftp://example.com/)"},
		{"a host has it that begins alike", redirect("http://example.com.evil.example/"), "192.0.2.1 redirects elsewhere (http://example.com.evil.example/)"},
		{"a user has it", redirect("http://example.com@evil.example/"), "192.0.2.1 redirects elsewhere (http://example.com@evil.example/)"},
		{"the redirects do not end", redirect("/" + path), "192.0.2.1 redirects elsewhere (its redirects do not end)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := newInternet()
			serve(t, n, "192.0.2.1:80", tt.handle)
			verdict, err := n.look(t, "192.0.2.1")
			if want := "http://" + where + ": " + tt.want; err != nil || verdict.String() != want {
				t.Errorf("got %s, %v", verdict, err)
			}
			if verdict.Visible() != strings.HasSuffix(tt.want, "shows the file") {
				t.Errorf("visible is %t", verdict.Visible())
			}
		})
	}
}

// fault 117
func TestARedirectToHTTPSIsFollowedWhateverItsCertificate(t *testing.T) {
	n := newInternet()
	serve(t, n, "192.0.2.1:80", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "https://"+r.Host+r.URL.Path, http.StatusMovedPermanently)
	})
	secure := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/moved" {
			http.Redirect(w, r, "https://EXAMPLE.com:443/moved", http.StatusPermanentRedirect)
			return
		}
		fmt.Fprint(w, token)
	}))
	expired := bundletest.NewCA(t, "Old").Issue(t, bundletest.Leaf{Names: []string{"other.example"},
		NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(-time.Hour)})
	pair, err := tls.X509KeyPair(expired.FullchainPEM(), expired.KeyPEM())
	must(t, err)
	secure.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	secure.StartTLS()
	t.Cleanup(secure.Close)
	n.at["192.0.2.1:443"] = secure.Listener.Addr().String()
	verdict, err := n.look(t, "192.0.2.1")
	if err != nil || !verdict.Visible() || len(verdict.Visits[0].Hops) != 3 {
		t.Errorf("got %s, %v", verdict, err)
	}
	if hop := verdict.Visits[0].Hops[0]; hop.URL != "http://"+where || hop.Answer != "301 to https://"+where {
		t.Errorf("got %+v", hop)
	}
}

// fault 117
func TestEachAddressIsAskedAndNamed(t *testing.T) {
	n := newInternet()
	serve(t, n, "192.0.2.1:80", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, token) })
	n.errors["192.0.2.2:80"] = syscall.ECONNREFUSED
	n.errors["[2001:db8::1]:80"] = syscall.ENETUNREACH
	n.errors["192.0.2.3:80"] = context.DeadlineExceeded
	verdict, err := n.look(t, "192.0.2.1", "192.0.2.2", "192.0.2.3", "2001:db8::1")
	want := "http://" + where + ": 192.0.2.1 shows the file; 192.0.2.2 refuses the connection; 192.0.2.3 is silent; 2001:db8::1 cannot be reached from this host"
	if err != nil || verdict.String() != want || verdict.Visible() {
		t.Errorf("got %s, %v", verdict, err)
	}
	if verdict, _ = n.look(t, "192.0.2.1", "2001:db8::1"); !verdict.Visible() {
		t.Errorf("an address that this host has no way to keeps it from being seen: %s", verdict)
	}
	if verdict, _ = n.look(t, "2001:db8::1"); verdict.Visible() {
		t.Errorf("nobody showed it: %s", verdict)
	}
}

// fault 117
func TestAServerThatDoesNotEndIsNotListenedToForever(t *testing.T) {
	n := newInternet()
	served := make(chan int64, 1)
	serve(t, n, "192.0.2.1:80", func(w http.ResponseWriter, _ *http.Request) {
		written, _ := io.Copy(w, endless{})
		served <- written
	})
	verdict, err := n.look(t, "192.0.2.1")
	if err != nil || verdict.Visits[0].Answer != Other || len(verdict.Visits[0].Detail) > 2*shownBytes {
		t.Errorf("got %s, %v", verdict, err)
	}
	if written := <-served; written > 64<<20 {
		t.Errorf("%d bytes were taken", written)
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

func TestNoProxyOfTheEnvironmentIsUsed(t *testing.T) {
	t.Setenv("HTTP_PROXY", "http://192.0.2.9:3128")
	t.Setenv("http_proxy", "http://192.0.2.9:3128")
	n := newInternet()
	serve(t, n, "192.0.2.1:80", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, token) })
	if verdict, err := n.look(t, "192.0.2.1"); err != nil || !verdict.Visible() {
		t.Errorf("got %s, %v", verdict, err)
	}
	for _, address := range n.dialed {
		if address != "192.0.2.1:80" {
			t.Errorf("%s was asked", address)
		}
	}
}

func TestANameWithoutAnAddressIsAnError(t *testing.T) {
	none := errors.New("no address")
	v := Visitor{Addresses: func(context.Context, string) ([]string, error) { return nil, none }}
	if _, err := v.Look(t.Context(), where, token); !errors.Is(err, none) {
		t.Errorf("got %v", err)
	}
}
