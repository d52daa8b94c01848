// Package https carries requests to servers that others run: with TLS 1.2 or
// later, through the proxy of the environment, and also where a long TLS hello
// is dropped on the way. It builds no request and judges no answer.
package https

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync/atomic"
	"time"

	"dvagent/internal/network"
)

// Transport is an http.RoundTripper. A hello that offers ML-KEM fills two
// packets, and some networks drop such a one. So a handshake that fails, but not
// on the server's certificate, is tried once more without ML-KEM; where that
// works, it stays so. Nothing of a request was sent before.
type Transport struct {
	usual, short *http.Transport
	shortHelped  atomic.Bool
}

// ErrHandshake is in the error of a request whose TLS handshake failed in both
// ways, other than on the server's certificate.
var ErrHandshake = errors.New("no TLS handshake")

const (
	dialTimeout      = 10 * time.Second
	handshakeTimeout = 10 * time.Second
	maxHeader        = 64 << 10 // bytes of an answer's header
)

// classical are the key exchanges whose share fits into one packet.
var classical = []tls.CurveID{tls.X25519, tls.CurveP256, tls.CurveP384, tls.CurveP521}

// NewTransport trusts roots, or the system's where there are none. It stays with
// HTTP/1.1: GODEBUG=http2debug would print what is signed and secret.
func NewTransport(roots *x509.CertPool) *Transport {
	return &Transport{
		usual: newTransport(&tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots}),
		short: newTransport(&tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, CurvePreferences: classical}),
	}
}

func newTransport(config *tls.Config) *http.Transport {
	return &http.Transport{
		Proxy:                  proxy,
		DialContext:            dial,
		TLSClientConfig:        config,
		TLSHandshakeTimeout:    handshakeTimeout,
		MaxIdleConnsPerHost:    16,
		IdleConnTimeout:        20 * time.Second, // before the server closes: a write there would go unanswered
		MaxResponseHeaderBytes: maxHeader,
	}
}

func dial(ctx context.Context, protocol, address string) (net.Conn, error) {
	own := &net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}
	return network.Of(ctx, own).DialContext(ctx, protocol, address)
}

// proxy is the environment's, for what is encrypted alone. The rest is for this
// host or its instance's metadata service, whose answers hold keys: a proxy
// would read them, and could answer in their place.
func proxy(request *http.Request) (*url.URL, error) {
	if request.URL.Scheme != "https" {
		return nil, nil
	}
	return http.ProxyFromEnvironment(request)
}

// RoundTrip is http.RoundTripper's.
func (t *Transport) RoundTrip(request *http.Request) (*http.Response, error) {
	if t.shortHelped.Load() {
		return t.short.RoundTrip(request)
	}
	response, failed, err := watched(t.usual, request)
	if !failed {
		return response, err
	}
	again, rewound := rewind(request)
	if !rewound {
		return nil, fmt.Errorf("%w: %w", ErrHandshake, err)
	}
	response, failed, err = watched(t.short, again)
	if failed {
		return nil, fmt.Errorf("%w: %w", ErrHandshake, err)
	}
	if err == nil {
		t.shortHelped.Store(true)
	}
	return response, err
}

// CloseIdleConnections closes those that no request uses.
func (t *Transport) CloseIdleConnections() {
	t.usual.CloseIdleConnections()
	t.short.CloseIdleConnections()
}

// watched also says that the request failed for want of a handshake.
func watched(through *http.Transport, request *http.Request) (response *http.Response, failed bool, err error) {
	var broken atomic.Bool
	ctx := httptrace.WithClientTrace(request.Context(), &httptrace.ClientTrace{
		TLSHandshakeDone: func(_ tls.ConnectionState, err error) { broken.Store(isBroken(request.Context(), err)) },
	})
	response, err = through.RoundTrip(request.WithContext(ctx))
	return response, err != nil && broken.Load(), err
}

// isBroken leaves out a certificate that is not trusted, and a ctx that ended.
func isBroken(ctx context.Context, err error) bool {
	var untrusted *tls.CertificateVerificationError
	return err != nil && ctx.Err() == nil && !errors.As(err, &untrusted)
}

// rewind is the request with its body from the beginning; false where that
// cannot be had again.
func rewind(request *http.Request) (*http.Request, bool) {
	again := request.Clone(request.Context())
	if request.Body == nil || request.Body == http.NoBody {
		return again, true
	}
	if request.GetBody == nil {
		return nil, false
	}
	body, err := request.GetBody()
	again.Body = body
	return again, err == nil
}
