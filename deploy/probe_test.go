package deploy_test

import (
	"crypto/tls"
	"net"
	"testing"
	"time"

	"dvagent/deploy"
	"dvagent/internal/bundle/bundletest"
)

func TestProbe(t *testing.T) {
	b := bundletest.NewCA(t, "Test").Issue(t, bundletest.Leaf{Names: []string{"example.com"}})
	pair, err := tls.X509KeyPair(b.FullchainPEM(), b.KeyPEM())
	if err != nil {
		t.Fatal(err)
	}
	wrong := pair
	wrong.PrivateKey = bundletest.NewKey(t)
	rsaPair := *pairOf(t, newHost(t).issueFor(t, keys(t)["RSA"]))
	for _, test := range []struct {
		name   string
		config *tls.Config
		err    string
	}{
		{"TLS 1.3", &tls.Config{MinVersion: tls.VersionTLS13}, ""},
		{"TLS 1.2", &tls.Config{MaxVersion: tls.VersionTLS12}, ""},
		{"TLS 1.1", &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}, ""}, // fault 149
		{"a client certificate is asked for in TLS 1.2", &tls.Config{MaxVersion: tls.VersionTLS12, ClientAuth: tls.RequireAnyClientCert}, ""},
		{"a client certificate is asked for in TLS 1.3", &tls.Config{ClientAuth: tls.RequireAnyClientCert}, ""},
		{"a client certificate is asked for before the key is proved", &tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_GCM_SHA256},
			Certificates: []tls.Certificate{rsaPair}, ClientAuth: tls.RequireAnyClientCert}, "handshake with 127.0.0.1:"}, // fault 149
		{"a key that does not match, in TLS 1.2", &tls.Config{MaxVersion: tls.VersionTLS12, Certificates: []tls.Certificate{wrong}, ClientAuth: tls.RequireAnyClientCert}, "handshake with 127.0.0.1:"},
		{"a key that does not match, in TLS 1.3", &tls.Config{Certificates: []tls.Certificate{wrong}, ClientAuth: tls.RequireAnyClientCert}, "handshake with 127.0.0.1:"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.config.Certificates == nil {
				test.config.Certificates = []tls.Certificate{pair}
			}
			listener, err := tls.Listen("tcp", "127.0.0.1:0", test.config)
			if err != nil {
				t.Fatal(err)
			}
			new(host).serve(t, listener)
			got := deploy.Probe(t.Context(), listener.Addr().String(), "example.com", nil)
			checkError(t, got.Err, test.err)
			if !got.Connected || shows(got, b) != (test.err == "") {
				t.Errorf("got %+v", got)
			}
			if got.Err == nil && !got.NotAfter.Equal(b.Leaf.NotAfter) {
				t.Errorf("not after %s", got.NotAfter)
			}
		})
	}
}

func TestProbeOfASilentServerEnds(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	start := time.Now()
	got := deploy.Probe(t.Context(), listener.Addr().String(), "example.com", nil)
	if got.Err == nil || !got.Connected || time.Since(start) > 20*time.Second {
		t.Errorf("after %s: %+v", time.Since(start), got)
	}
}
