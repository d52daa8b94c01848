package deploy

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"strings"
	"time"

	"dvagent/internal/address"
	"dvagent/internal/bundle"
)

// Handshake is what one TLS handshake showed.
type Handshake struct {
	Address             string   // host:port, with the scheme of its probe
	Connected           bool     // the address took the connection, whatever happened then
	Fingerprint         string   // of the leaf, as bundle.Fingerprint; "" without one
	Chain               []string // the fingerprints of the certificates after the leaf, in that order
	NotBefore, NotAfter time.Time
	Err                 error // nil when the handshake succeeded

	newest   uint16 // version of TLS that was offered
	answered bool   // the server took up the hello, whatever happened then
	kind     string // of the leaf's key
}

// handshakeTimeout bounds one handshake, with the connection and STARTTLS;
// narrowerTimeout bounds all those with a server that did not answer it.
const (
	handshakeTimeout = 5 * time.Second
	narrowerTimeout  = 2 * time.Second
)

// connections bounds how many are open at once in this process, so that
// thousands of probes without an answer do not use up the file descriptors.
var connections = make(chan struct{}, 128)

// probe is the parts of one of Target.Probe.
type probe struct{ scheme, host, port string }

// CheckProbe says why text is no probe: host:port for TLS from the first byte,
// or with smtp://, imap://, pop3:// or postgres:// in front for STARTTLS.
func CheckProbe(text string) error {
	_, err := parseProbe(text)
	return err
}

func parseProbe(text string) (p probe, err error) {
	place := text
	if scheme, rest, found := strings.Cut(text, "://"); found {
		if p.scheme, place = scheme, rest; preludes[scheme] == nil {
			return p, fmt.Errorf("%q begins with none of %s", text, strings.Join(schemes(), ", "))
		}
	}
	if p.host, p.port, err = address.Split(place); err != nil {
		return p, fmt.Errorf("%q %w", text, err)
	}
	return p, nil
}

// Probe looks with one probe, as CheckProbe describes it, at what its server
// shows to a client that sends serverName. The certificate is not verified: it is
// to be compared with that of a bundle.
func Probe(ctx context.Context, text, serverName string) Handshake {
	p, err := parseProbe(text)
	if err != nil {
		return Handshake{Address: text, Err: err}
	}
	return p.handshake(ctx, p.host, sought{name: serverName}, tls.VersionTLS13)
}

// handshake is the one that tells what a client of TLS up to newest is shown at
// one of the probe's addresses: the first that is answered, or the first of all.
// Where it shows a leaf of another kind than the one that is sought, the server
// may have both: then it is one that the leaf fits, if that is what it shows.
func (p probe) handshake(ctx context.Context, host string, what sought, newest uint16) Handshake {
	select {
	case connections <- struct{}{}:
		defer func() { <-connections }()
	case <-ctx.Done():
		return Handshake{Address: p.at(host), newest: newest, Err: fmt.Errorf("connect: %w", context.Cause(ctx))}
	}
	h := p.answer(ctx, host, what.name, newest)
	if what.leaf == nil || h.Err != nil || h.kind == kind(what.leaf.PublicKey) {
		return h
	}
	fit := p.offer(ctx, host, what.name, fitting(what.leaf))
	if fit.Err != nil || fit.Fingerprint != bundle.Fingerprint(what.leaf) {
		return h
	}
	fit.newest = newest
	return fit
}

// answer offers less and less until the server answers.
func (p probe) answer(ctx context.Context, host, serverName string, newest uint16) Handshake {
	first := p.offer(ctx, host, serverName, wide(newest))
	if first.answered || !first.Connected {
		return first
	}
	ctx, cancel := context.WithTimeout(ctx, narrowerTimeout)
	defer cancel()
	for _, offer := range narrower(newest) {
		if h := p.offer(ctx, host, serverName, offer); h.answered {
			h.newest = newest
			return h
		}
	}
	return first
}

// offer makes one connection and one handshake.
func (p probe) offer(ctx context.Context, host, serverName string, offered hello) Handshake {
	h := Handshake{Address: p.at(host), newest: offered.newest}
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", net.JoinHostPort(host, p.port))
	if err != nil {
		h.fail("connect", fmt.Errorf("connect: %w", err))
		return h
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })() // STARTTLS knows no context
	h.Connected = true
	if prelude := preludes[p.scheme]; prelude != nil {
		if err := prelude(conn); err != nil {
			h.fail("STARTTLS", fmt.Errorf("STARTTLS with %s: %w", h.Address, err))
			return h
		}
	}
	h.shake(ctx, conn, offered.config(serverName))
	return h
}

// fail notes err, whose cause is the step that failed and the address.
func (h *Handshake) fail(step string, err error) { h.Err = failure{err, h.Address + ": " + step} }

// at is an address of the probe as messages name it.
func (p probe) at(host string) string {
	if p.scheme == "" {
		return net.JoinHostPort(host, p.port)
	}
	return p.scheme + "://" + net.JoinHostPort(host, p.port)
}

func (h *Handshake) shake(ctx context.Context, conn net.Conn, config *tls.Config) {
	asked := false
	config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		asked = true
		return new(tls.Certificate), nil
	}
	client := tls.Client(conn, config)
	err := client.HandshakeContext(ctx)
	h.answered = client.ConnectionState().Version != 0
	// The server asks after it has proved that it has its key. If it then refuses
	// us because we have no certificate, its own is still good.
	if err != nil && !asked {
		h.fail(h.only()+"handshake", fmt.Errorf("%shandshake with %s: %w", h.only(), h.Address, err))
		return
	}
	h.note(client.ConnectionState().PeerCertificates)
}

func (h *Handshake) note(certificates []*x509.Certificate) {
	leaf := certificates[0]
	h.Fingerprint, h.NotBefore, h.NotAfter, h.kind = bundle.Fingerprint(leaf), leaf.NotBefore, leaf.NotAfter, kind(leaf.PublicKey)
	for _, c := range certificates[1:] {
		h.Chain = append(h.Chain, bundle.Fingerprint(c))
	}
}

// only is "TLS 1.2 " for a handshake that did not offer TLS 1.3.
func (h Handshake) only() string {
	if h.newest == tls.VersionTLS12 {
		return "TLS 1.2 "
	}
	return ""
}

// shows says whether the handshake succeeded with b's leaf.
func (h Handshake) shows(b *bundle.Bundle) bool {
	return h.Err == nil && h.Fingerprint == bundle.Fingerprint(b.Leaf)
}

// String says in a few words what the address serves.
func (h Handshake) String() string {
	if h.Err != nil {
		return h.Err.Error()
	}
	return fmt.Sprintf("%s serves the certificate of %s (…%s)",
		h.Address, h.NotBefore.UTC().Format(time.DateOnly), h.Fingerprint[len(h.Fingerprint)-4:])
}
