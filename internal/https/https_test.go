package https

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"
)

// TestMain sets the proxy, since net/http reads it once.
func TestMain(m *testing.M) {
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY"} {
		os.Setenv(name, "http://proxy.example.com:3128")
	}
	os.Exit(m.Run())
}

// onePacket is what a network lets through that drops long hellos, in bytes.
const onePacket = 1200

// narrow is a listener behind such a network: of a connection that begins with
// a longer hello nothing is answered. With breaks it is cut off.
type narrow struct {
	net.Listener
	limit  int
	breaks bool
	hellos chan int // their lengths; holds a hundred
}

func (n *narrow) Accept() (net.Conn, error) {
	conn, err := n.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &first{Conn: conn, network: n}, nil
}

// first is a connection whose first read is looked at.
type first struct {
	net.Conn
	network *narrow
	passed  bool
	head    []byte
}

func (f *first) Read(into []byte) (int, error) {
	if !f.passed {
		record := make([]byte, 5) // type, version, length
		if _, err := io.ReadFull(f.Conn, record); err != nil {
			return 0, err
		}
		length := int(record[3])<<8 | int(record[4])
		f.network.hellos <- length
		if length > f.network.limit {
			if f.network.breaks {
				return 0, f.Conn.Close()
			}
			_, err := io.Copy(io.Discard, f.Conn)
			return 0, err
		}
		f.passed, f.head = true, record
	}
	if len(f.head) > 0 {
		n := copy(into, f.head)
		f.head = f.head[n:]
		return n, nil
	}
	return f.Conn.Read(into)
}

// serve answers with what it was sent, behind a network of the given limit.
func serve(t *testing.T, limit int, breaks bool) (*narrow, *httptest.Server) {
	t.Helper()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) }))
	network := &narrow{Listener: server.Listener, limit: limit, breaks: breaks, hellos: make(chan int, 100)}
	server.Listener = network
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	return network, server
}

func newTestTransport(t *testing.T, trusted *httptest.Server) *Transport {
	t.Helper()
	roots := x509.NewCertPool()
	if trusted != nil {
		roots.AddCert(trusted.Certificate())
	}
	transport := NewTransport(roots)
	transport.usual.TLSHandshakeTimeout, transport.short.TLSHandshakeTimeout = time.Second/2, time.Second/2
	t.Cleanup(transport.CloseIdleConnections)
	return transport
}

func post(t *testing.T, transport *Transport, url, body string) (string, error) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	return string(answer), err
}

// fault 156
func TestALongHelloThatIsDroppedIsFollowedByAShortOne(t *testing.T) {
	for _, tt := range []struct {
		name   string
		limit  int
		breaks bool
		hellos int // for two requests on connections of their own
	}{
		{"a network that lets it through sees no other", 1 << 14, false, 2},
		{"one that drops it sees a short one, and then short ones alone", onePacket, false, 3},
		{"so does one that breaks the connection", onePacket, true, 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			network, server := serve(t, tt.limit, tt.breaks)
			transport := newTestTransport(t, server)
			for range 2 {
				if got, err := post(t, transport, server.URL, "the whole body"); got != "the whole body" || err != nil {
					t.Errorf("got %q, %v", got, err)
				}
				transport.CloseIdleConnections()
			}
			if len(network.hellos) != tt.hellos {
				t.Errorf("%d hellos, want %d", len(network.hellos), tt.hellos)
			}
			if longest := <-network.hellos; longest <= onePacket {
				t.Errorf("the first hello has %d bytes: it does not offer ML-KEM", longest)
			}
		})
	}
}

// fault 156
func TestAHandshakeThatFailsInBothWaysIsSaid(t *testing.T) {
	network, server := serve(t, 0, false)
	_, err := post(t, newTestTransport(t, server), server.URL, "")
	var timeout net.Error
	if !errors.Is(err, ErrHandshake) || !errors.As(err, &timeout) || !timeout.Timeout() || len(network.hellos) != 2 {
		t.Errorf("got %v after %d hellos", err, len(network.hellos))
	}
}

func TestACertificateThatIsNotTrustedIsNoReasonForASecondHello(t *testing.T) {
	network, server := serve(t, 1<<14, false)
	_, err := post(t, newTestTransport(t, nil), server.URL, "")
	var untrusted *tls.CertificateVerificationError
	if !errors.As(err, &untrusted) || errors.Is(err, ErrHandshake) || len(network.hellos) != 1 {
		t.Errorf("got %v after %d hellos", err, len(network.hellos))
	}
}

// fault 157
func TestOnlyWhatIsEncryptedGoesThroughAProxy(t *testing.T) {
	for _, tt := range []struct{ name, url, through string }{
		{"a question to the metadata service", "http://100.100.100.200/latest/meta-data/", ""},
		{"any other that is plain", "http://keys.example.com/", ""},
		{"an encrypted one", "https://cas.aliyuncs.com/", "http://proxy.example.com:3128"},
		{"one to this host", "https://127.0.0.1/", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			request := httptest.NewRequest(http.MethodGet, tt.url, nil)
			transport := NewTransport(nil)
			for _, each := range []*http.Transport{transport.usual, transport.short} {
				through := ""
				found, err := each.Proxy(request)
				if found != nil {
					through = found.String()
				}
				if through != tt.through || err != nil {
					t.Errorf("through %q, %v", through, err)
				}
			}
		})
	}
}
