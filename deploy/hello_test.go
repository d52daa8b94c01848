package deploy_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"

	"dvagent/deploy"
	"dvagent/internal/bundle"
	"dvagent/internal/bundle/bundletest"
)

// keys are one of each kind that servers have pairs of.
func keys(t testing.TB) map[string]crypto.Signer {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	long, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]crypto.Signer{"RSA": key, "P-256": bundletest.NewKey(t), "P-384": long}
}

func (h *host) issueFor(t testing.TB, key crypto.Signer) *bundle.Bundle {
	t.Helper()
	return h.ca.Issue(t, bundletest.Leaf{Names: []string{"example.com"}, Key: key})
}

// fault 149
func TestALeafBesideAnotherOfTheServerIsSeen(t *testing.T) {
	keys := keys(t)
	for _, test := range []struct {
		name, ours, other string
		oldest, newest    uint16
		shown             bool
	}{
		{"ECDSA behind RSA", "P-256", "RSA", 0, tls.VersionTLS13, true},
		{"RSA behind ECDSA", "RSA", "P-256", 0, tls.VersionTLS13, true},
		{"a curve behind another", "P-384", "P-256", 0, tls.VersionTLS13, true},
		{"ECDSA behind RSA in TLS 1.2", "P-256", "RSA", 0, tls.VersionTLS12, true},
		{"RSA behind ECDSA in TLS 1.2", "RSA", "P-256", 0, tls.VersionTLS12, true},
		{"RSA behind ECDSA in TLS 1.0", "RSA", "P-256", 0, tls.VersionTLS10, true},
		{"ECDSA behind RSA in TLS 1.3 alone", "P-256", "RSA", tls.VersionTLS13, tls.VersionTLS13, true},
		{"RSA behind ECDSA in TLS 1.3 alone", "RSA", "P-256", tls.VersionTLS13, tls.VersionTLS13, true},
		{"a curve behind another in TLS 1.3 alone", "P-384", "P-256", tls.VersionTLS13, tls.VersionTLS13, true},
		{"an old one of our kind behind another", "P-256", "RSA", 0, tls.VersionTLS13, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := newHost(t)
			ours := h.put(t, h.issueFor(t, keys[test.ours]))
			second := ours
			if !test.shown {
				second = h.issueFor(t, keys[test.ours])
			}
			h.serveBy(t, "127.0.0.1:0", &tls.Config{MinVersion: max(test.oldest, tls.VersionTLS10), MaxVersion: test.newest,
				Certificates: []tls.Certificate{*pairOf(t, h.issueFor(t, keys[test.other])), *pairOf(t, second)}})
			drift := deploy.Inspect(t.Context(), h.target(), ours)
			if drift.Shown != test.shown {
				t.Errorf("shown %v: %v", drift.Shown, drift.Served)
			}
			job := h.job(ours)
			job.Target.Timeout = 300 * time.Millisecond
			want := ""
			if !test.shown {
				want = "1 of 1 probes do not show the new certificate"
			}
			checkError(t, install(t, job).Err, want)
		})
	}
}

// fault 149
func TestALeafBesideAnotherOfNginxIsSeen(t *testing.T) {
	need(t, "nginx")
	keys := keys(t)
	for _, test := range []struct{ ours, other, versions string }{
		{"RSA", "P-256", ""}, {"P-256", "RSA", ""}, {"RSA", "P-256", "ssl_protocols TLSv1.3;\n"}, {"P-256", "RSA", "ssl_protocols TLSv1.3;\n"},
	} {
		t.Run(test.ours+" "+test.versions, func(t *testing.T) {
			h := newHost(t)
			h.put(t, h.issueFor(t, keys[test.ours]))
			beside := h.issueFor(t, keys[test.other])
			write(t, h.path("beside.pem"), beside.FullchainPEM())
			write(t, h.path("beside.key"), beside.KeyPEM())
			b := h.issueFor(t, keys[test.ours])
			job := h.job(b)
			startNginx(t, h, &job.Target)
			config := strings.Replace(nginxConfig(h, job.Target), "server_name",
				"ssl_certificate "+h.path("beside.pem")+";\nssl_certificate_key "+h.path("beside.key")+";\n"+test.versions+"server_name", 1)
			write(t, h.path("nginx.conf"), []byte(config))
			output(t, job.Target.Reload...)
			settled(t, h.address, test.versions == "")
			checkError(t, install(t, job).Err, "")
			if drift := deploy.Inspect(t.Context(), job.Target, b); !drift.InPlace {
				t.Errorf("%v", drift.Served)
			}
			if drift := deploy.Inspect(t.Context(), job.Target, beside); !drift.Shown {
				t.Errorf("the other: %v", drift.Served)
			}
		})
	}
}

// settled waits until all workers of a reloaded nginx speak TLS 1.2, or none.
func settled(t *testing.T, address string, speaks bool) {
	t.Helper()
	alike := 0
	for range 1000 {
		conn, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12})
		if err == nil {
			_ = conn.Close()
		}
		if alike++; (err == nil) != speaks {
			alike = 0
		}
		if alike == 20 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("nginx does not reload")
}

// fault 149
func TestWhatSomeClientCanSpeakToIsProbed(t *testing.T) {
	h := newHost(t)
	b := h.issueFor(t, keys(t)["RSA"])
	for _, test := range []struct {
		name   string
		config *tls.Config
	}{
		{"RSA key exchange alone", &tls.Config{CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_GCM_SHA256}, MaxVersion: tls.VersionTLS12}},
		{"CBC alone", &tls.Config{CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_256_CBC_SHA}, MaxVersion: tls.VersionTLS12}},
		{"3DES alone", &tls.Config{CipherSuites: []uint16{tls.TLS_RSA_WITH_3DES_EDE_CBC_SHA}, MaxVersion: tls.VersionTLS12}},
		{"RC4 alone", &tls.Config{CipherSuites: []uint16{tls.TLS_RSA_WITH_RC4_128_SHA}, MaxVersion: tls.VersionTLS11}},
		{"TLS 1.1 alone", &tls.Config{MinVersion: tls.VersionTLS11, MaxVersion: tls.VersionTLS11}},
		{"TLS 1.0 alone", &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS10}},
	} {
		t.Run(test.name, func(t *testing.T) {
			config := test.config.Clone()
			config.Certificates, config.MinVersion = []tls.Certificate{*pairOf(t, b)}, tls.VersionTLS10
			h.serveBy(t, "127.0.0.1:0", config)
			h.serves(t, b)
			target := h.target()
			if drift := deploy.Inspect(t.Context(), target, b); !drift.Shown {
				t.Errorf("%v", drift.Served)
			}
		})
	}
}

// fault 149
func TestWhatOpenSSLOffersIsProbed(t *testing.T) {
	need(t, "openssl")
	keys := keys(t)
	for _, test := range []struct{ name, key, flags string }{
		{"RSA key exchange alone", "RSA", "-tls1_2 -cipher AES128-SHA"},
		{"old versions alone", "RSA", "-no_tls1_3 -no_tls1_2 -cipher ALL@SECLEVEL=0"},
		{"TLS 1.0 alone", "P-256", "-tls1 -cipher ALL@SECLEVEL=0"},
		{"TLS 1.3 alone", "P-384", "-tls1_3"},
		{"one group alone", "RSA", "-groups P-384"},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := newHost(t)
			b := h.put(t, h.issueFor(t, keys[test.key]))
			h.address = freeAddress(t)
			startServer(t, h.address, exec.Command("openssl", append([]string{"s_server", "-quiet", "-accept", h.address,
				"-cert", h.path("fullchain.pem"), "-key", h.path("key.pem")}, strings.Fields(test.flags)...)...))
			h.serves(t, b)
		})
	}
}

// startServer waits until it takes connections at the address.
func startServer(t *testing.T, address string, server *exec.Cmd) {
	t.Helper()
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = server.Process.Kill()
		_ = server.Wait() // its status is not what is tested
	})
	for range 1000 {
		if conn, err := net.Dial("tcp", address); err == nil {
			_ = conn.Close()
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatal("the server takes no connection")
}

// fault 149
func TestAServerThatDoesNotAnswerTheWideHelloGetsANarrowerOne(t *testing.T) {
	b := newHost(t).issueFor(t, keys(t)["RSA"])
	for _, test := range []struct {
		name   string
		config *tls.Config
		takes  func(hello []byte) bool // without their answer the connection ends
		silent bool                    // or it stays open
		shown  bool
	}{
		{"long hellos end a connection", new(tls.Config), short, false, true},
		{"long hellos are lost", new(tls.Config), short, true, true},
		{"TLS 1.3 alone, and long hellos are lost", &tls.Config{MinVersion: tls.VersionTLS13}, short, true, true},
		{"TLS 1.3 is not understood", &tls.Config{MaxVersion: tls.VersionTLS12},
			func(hello []byte) bool { return short(hello) && !strings.Contains(string(hello), "\x00\x2b\x00\x09") }, false, true},
		{"TLS 1.2 is not understood", &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11},
			func(hello []byte) bool { return binary.BigEndian.Uint16(hello[9:]) < tls.VersionTLS12 }, false, true},
		{"nothing is understood", new(tls.Config), func([]byte) bool { return false }, false, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			config := test.config.Clone()
			config.Certificates = []tls.Certificate{*pairOf(t, b)}
			address := speak(t, func(conn net.Conn) {
				hello := make([]byte, 5)
				if _, err := io.ReadFull(conn, hello); err != nil {
					return
				}
				hello = append(hello, make([]byte, binary.BigEndian.Uint16(hello[3:]))...)
				if _, err := io.ReadFull(conn, hello[5:]); err != nil {
					return
				}
				switch {
				case test.takes(hello):
					_ = tls.Server(heard{conn, io.MultiReader(strings.NewReader(string(hello)), conn)}, config).Handshake()
				case test.silent:
					_, _ = conn.Read(make([]byte, 1)) // until the client goes
				}
			})
			got := deploy.Probe(t.Context(), address, "example.com", nil)
			if shows(got, b) != test.shown {
				t.Errorf("%+v", got)
			}
		})
	}
}

func short(hello []byte) bool { return len(hello) < 600 }

// heard is a connection of which something has been read.
type heard struct {
	net.Conn
	all io.Reader
}

func (h heard) Read(b []byte) (int, error) { return h.all.Read(b) }
