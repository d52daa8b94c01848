package deploy

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net"
	"slices"
	"strings"
	"testing"
	"time"
)

// fault 167
func TestAServerWithAKeyBeyondAnyRealOneHoldsUpNoProbe(t *testing.T) {
	b := issued(t)
	n := new(big.Int).Lsh(big.NewInt(1), 999_999)
	template := &x509.Certificate{SerialNumber: big.NewInt(7), NotBefore: time.Now(), NotAfter: time.Now().AddDate(0, 3, 0)}
	million, err := x509.CreateCertificate(rand.Reader, template, template, &rsa.PublicKey{N: n.Add(n, big.NewInt(1)), E: 65537}, b.Key)
	if err != nil {
		t.Fatal(err)
	}
	for name, chain := range map[string][][]byte{"as its leaf": {million}, "as an issuer": {b.Leaf.Raw, million}} {
		t.Run(name, func(t *testing.T) {
			listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{{Certificate: chain, PrivateKey: b.Key}}})
			if err != nil {
				t.Fatal(err)
			}
			defer listener.Close()
			go func() {
				for {
					conn, err := listener.Accept()
					if err != nil {
						return
					}
					_ = conn.(*tls.Conn).Handshake() // the client's verdict is what is tested
					conn.Close()
				}
			}()
			begun := time.Now()
			Probe(t.Context(), listener.Addr().String(), "example.com", b.Leaf)
			if took := time.Since(begun); took > 2*handshakeTimeout {
				t.Errorf("it took %s", took)
			}
		})
	}
}

// talker is a connection to a server that says the same without end.
type talker struct {
	net.Conn
	text []byte
	said int
}

func (s *talker) Read(into []byte) (int, error) {
	if len(s.text) == 0 {
		return 0, io.EOF
	}
	n := copy(into, s.text[s.said%len(s.text):])
	s.said += n
	return n, nil
}

func (*talker) Write(text []byte) (int, error) { return len(text), nil }

func (*talker) LocalAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }

// fault 167: whatever a server says before TLS, the dialogue ends, and the error
// is short.
func FuzzSTARTTLS(f *testing.F) {
	names := schemes()
	for _, text := range []string{"220 mail\r\n", "220-\r\n", "250-\r\n220 x\r\n", "* OK\r\na OK\r\n", "* OK\r\n", "+OK\r\n", "-ERR\r\n", "S", "N", "\n", ""} {
		for i := range names {
			f.Add(uint8(i), []byte(text))
		}
	}
	f.Fuzz(func(t *testing.T, scheme uint8, text []byte) {
		prelude := preludes[strings.TrimSuffix(names[int(scheme)%len(names)], "://")]
		if prelude == nil { // of proxy://, which hears nothing
			return
		}
		server := &talker{text: slices.Clone(text)}
		err := prelude(server)
		if most := 4 * mostLines * 2 * 4096; server.said > most {
			t.Errorf("%d bytes were read", server.said)
		}
		if err != nil && len(err.Error()) > 1200 {
			t.Errorf("an error of %d bytes", len(err.Error()))
		}
	})
}
