package tls13

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dvagent/internal/bundle"
	"dvagent/internal/bundle/bundletest"
)

var (
	pss    = []tls.SignatureScheme{tls.PSSWithSHA256, tls.PSSWithSHA384, tls.PSSWithSHA512}
	onP256 = []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256}
	onP384 = []tls.SignatureScheme{tls.ECDSAWithP384AndSHA384}
)

// pairs are one for each kind of key.
func pairs(t testing.TB) map[string]*bundle.Bundle {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	long, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ca, all := bundletest.NewCA(t, "Test"), map[string]*bundle.Bundle{}
	for name, key := range map[string]crypto.Signer{"RSA": key, "P-256": bundletest.NewKey(t), "P-384": long} {
		all[name] = ca.Issue(t, bundletest.Leaf{Names: []string{"example.com"}, Key: key})
	}
	return all
}

func pairOf(t testing.TB, b *bundle.Bundle) tls.Certificate {
	t.Helper()
	pair, err := tls.X509KeyPair(b.FullchainPEM(), b.KeyPEM())
	if err != nil {
		t.Fatal(err)
	}
	return pair
}

// dial connects to a server that does this with its end.
func dial(t *testing.T, serve func(net.Conn)) net.Conn {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if conn, err := listener.Accept(); err == nil {
			serve(conn)
			_ = conn.Close()
		}
	}()
	conn, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = conn.Close()
		_ = listener.Close()
		<-ended
	})
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return conn
}

// fault 149
func TestTheLeafGoesWithTheSignatureAlgorithms(t *testing.T) {
	all := pairs(t)
	both := []tls.Certificate{pairOf(t, all["RSA"]), pairOf(t, all["P-256"]), pairOf(t, all["P-384"])}
	wrong := pairOf(t, all["P-256"])
	wrong.PrivateKey = bundletest.NewKey(t)
	for _, tt := range []struct {
		name       string
		algorithms []tls.SignatureScheme
		config     *tls.Config
		want, err  string
	}{
		{"RSA", pss, &tls.Config{Certificates: both}, "RSA", ""},
		{"P-256", onP256, &tls.Config{Certificates: both}, "P-256", ""},
		{"P-384", onP384, &tls.Config{Certificates: both}, "P-384", ""},
		{"one of another kind alone", onP256, &tls.Config{Certificates: both[:1]}, "", "handshake failure"},
		{"a client's certificate is asked for", pss, &tls.Config{Certificates: both, ClientAuth: tls.RequireAnyClientCert}, "RSA", ""},
		{"the group P-384", pss, &tls.Config{Certificates: both, CurvePreferences: []tls.CurveID{tls.CurveP384}}, "RSA", ""},
		{"a group that was not offered", pss, &tls.Config{Certificates: both, CurvePreferences: []tls.CurveID{tls.CurveP521}}, "", "handshake failure"},
		{"a key that does not match", onP256, &tls.Config{Certificates: []tls.Certificate{wrong}}, "", "the server's signature is not by its certificate's key"},
		{"TLS 1.2", pss, &tls.Config{Certificates: both, MaxVersion: tls.VersionTLS12}, "", "protocol version"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			asked := ""
			tt.config.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
				asked = hello.ServerName
				return nil, nil
			}
			conn := dial(t, func(conn net.Conn) { _ = tls.Server(conn, tt.config).Handshake() })
			got, err := Certificates(conn, "example.com.", tt.algorithms)
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Errorf("%v, want %q", err, tt.err)
				}
				return
			}
			if err != nil || !got[0].Equal(all[tt.want].Leaf) || len(got) != 2 || asked != "example.com" {
				t.Errorf("%d certificates, asked for %q: %v", len(got), asked, err)
			}
		})
	}
}

// fault 149
func TestOpenSSLShowsTheLeafThatFits(t *testing.T) {
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("openssl is not installed: a server of its own kind was not asked")
	}
	all, dir := pairs(t), t.TempDir()
	for name, b := range all {
		if err := os.WriteFile(filepath.Join(dir, name), append(b.FullchainPEM(), b.KeyPEM()...), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, flags := range []string{"-ciphersuites TLS_AES_128_GCM_SHA256", "-ciphersuites TLS_AES_256_GCM_SHA384",
		"-ciphersuites TLS_CHACHA20_POLY1305_SHA256", "-groups P-256", "-groups P-384", "-Verify 1", "-serverpref"} {
		t.Run(flags, func(t *testing.T) {
			address := start(t, append([]string{"-tls1_3", "-cert", filepath.Join(dir, "RSA"), "-dcert", filepath.Join(dir, "P-256"),
				"-dkey", filepath.Join(dir, "P-256")}, strings.Fields(flags)...))
			for name, algorithms := range map[string][]tls.SignatureScheme{"RSA": pss, "P-256": onP256} {
				conn, err := net.Dial("tcp", address)
				if err != nil {
					t.Fatal(err)
				}
				got, err := Certificates(conn, "", algorithms)
				_ = conn.Close()
				if err != nil || !got[0].Equal(all[name].Leaf) {
					t.Errorf("%s: %v", name, err)
				}
			}
		})
	}
}

func start(t *testing.T, flags []string) (address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address = listener.Addr().String()
	_ = listener.Close()
	server := exec.Command("openssl", append([]string{"s_server", "-quiet", "-accept", address}, flags...)...)
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
			return address
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatal("openssl takes no connection")
	return ""
}

// tampered changes a byte of what a server sends, and ends after some.
type tampered struct {
	net.Conn
	at, end, read int
}

func (c *tampered) Read(b []byte) (int, error) {
	if c.read >= c.end {
		return 0, io.EOF
	}
	n, err := c.Conn.Read(b[:min(len(b), c.end-c.read)])
	if i := c.at - c.read; i >= 0 && i < n {
		b[i] ^= 0x41
	}
	c.read += n
	return n, err
}

// fault 149
func TestWhatIsTamperedWithShowsNoOtherLeaf(t *testing.T) {
	b := pairs(t)["P-256"]
	config := &tls.Config{Certificates: []tls.Certificate{pairOf(t, b)}}
	const sent = 1200 // bytes, about
	for at := 0; at < sent; at += 7 {
		for _, end := range []int{sent * 2, at} {
			conn := dial(t, func(conn net.Conn) { _ = tls.Server(conn, config).Handshake() })
			got, err := Certificates(&tampered{Conn: conn, at: at, end: end}, "example.com", onP256)
			if err == nil && !got[0].Equal(b.Leaf) {
				t.Errorf("byte %d of %d", at, end)
			}
			_ = conn.Close()
		}
	}
}

// fault 149
func TestAServerThatDoesNotEndIsGivenUp(t *testing.T) {
	for name, text := range map[string]string{
		"a message without end": "\x16\x03\x03\x40\x00\x02\xff\xff\xff" + strings.Repeat("x", 1<<14-4),
		"empty changes":         "\x14\x03\x03\x00\x01\x01",
		"a record too long":     "\x16\x03\x03\xff\xff",
		"another protocol":      "220 mx.example.com ESMTP\r\n",
	} {
		conn := dial(t, func(conn net.Conn) {
			for err := error(nil); err == nil; {
				_, err = conn.Write([]byte(text))
			}
		})
		if _, err := Certificates(conn, "", pss); err == nil {
			t.Errorf("%s: no error", name)
		}
		_ = conn.Close()
	}
}

func FuzzMessages(f *testing.F) {
	f.Add([]byte("\x02\x00\x00\x2a\x03\x03"))
	f.Add([]byte("\x0b\x00\x00\x04\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, message []byte) {
		if len(message) < headerLength {
			return
		}
		if chosen, err := parseServerHello(message); err == nil && chosen.suite.seal == nil {
			t.Error("no suite")
		}
		if all, err := parseCertificates(message); err == nil && len(all) == 0 {
			t.Error("no certificate")
		}
	})
}
