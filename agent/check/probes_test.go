package check

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"testing"

	"dvagent/agent/config"
	"dvagent/agent/state"
	"dvagent/deploy"
	"dvagent/internal/bundle"
	"dvagent/internal/bundle/bundletest"
	"dvagent/internal/hint"
)

// serve shows b on loopback, after a line that begins with what it wants, if it
// wants any.
func serve(t *testing.T, b *bundle.Bundle, wants string) (address string) {
	t.Helper()
	pair, err := tls.X509KeyPair(b.FullchainPEM(), b.KeyPEM())
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	t.Cleanup(func() {
		_ = listener.Close()
		<-ended
	})
	go func() {
		defer close(ended)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			if wants == "" || strings.HasPrefix(firstLine(conn), wants) {
				_ = tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{pair}}).HandshakeContext(t.Context())
			}
			_ = conn.Close()
		}
	}()
	return listener.Addr().String()
}

// firstLine reads not a byte more.
func firstLine(conn net.Conn) string {
	var all []byte
	for one := make([]byte, 1); len(all) < 200 && !strings.HasSuffix(string(all), "\n"); all = append(all, one[0]) {
		if _, err := io.ReadFull(conn, one); err != nil {
			break
		}
	}
	return string(all)
}

// faults 151 and 152
func TestEachProbeIsTriedOnceAndOnlyWarned(t *testing.T) {
	ca := bundletest.NewCA(t, "Test")
	ours, other := ca.Issue(t, bundletest.Leaf{Names: []string{"example.com"}}), ca.Issue(t, bundletest.Leaf{Names: []string{"example.com"}})
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := closed.Addr().String()
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	proxied := serve(t, ours, "PROXY ")
	for _, tt := range []struct {
		name, probe     string
		current         *bundle.Bundle
		ok, warns, hint string
	}{
		{"it shows the certificate", serve(t, ours, ""), ours, "serves the certificate of", "", ""},
		{"it shows another one", serve(t, other, ""), ours, "", ", which is not dvagent's", "dvagent renew installs it"},
		{"it shows another one before the first order", serve(t, other, ""), nil, "serves the certificate of", "", ""},
		{"nobody listens", nobody, ours, "", "connect: ", "start the server that listens there"},
		{"nobody listens before the first order", nobody, nil, "", "connect: ", "start the server that listens there"},
		{"it wants the PROXY protocol", proxied, ours, "", "handshake with", `write probe = ["proxy://` + proxied + `"]`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			target := deploy.Target{Fullchain: t.TempDir() + "/www.pem", Probe: []string{tt.probe}, ServerName: "example.com"}
			host := state.NewHost(&config.Config{StateDir: t.TempDir(), Certificates: []config.Certificate{
				{Name: "www", Deploy: []deploy.Target{target, target}},
			}}, nil, nil)
			if tt.current != nil {
				store := host.Dir.Store("www")
				id, err := store.Put(tt.current)
				if err := errors.Join(err, store.Switch(id)); err != nil {
					t.Fatal(err)
				}
			}
			found := New(host, nil).probes(t.Context())
			if len(found) != 1 || found[0].Subject != "www" {
				t.Fatalf("%+v", found)
			}
			f := found[0]
			if tt.ok != "" && (f.Err != nil || !strings.Contains(f.OK, tt.ok)) {
				t.Errorf("%+v", f)
			}
			if tt.warns != "" && (f.Err == nil || !f.Warning || !strings.Contains(f.Err.Error(), tt.warns) || !strings.Contains(hint.Of(f.Err), tt.hint)) {
				t.Errorf("%+v, hint %q", f, hint.Of(f.Err))
			}
		})
	}
}
