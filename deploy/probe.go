package deploy

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"strings"
	"time"

	"dvagent/internal/bundle"
)

// Handshake is what one TLS handshake showed.
type Handshake struct {
	Address             string   // host:port, with the scheme of its probe
	Connected           bool     // the address took the connection, whatever came then
	Fingerprint         string   // of the leaf, as bundle.Fingerprint; "" without one
	Chain               []string // the fingerprints of what came after the leaf, in that order
	NotBefore, NotAfter time.Time
	Err                 error // nil when the handshake succeeded

	newest uint16 // version of TLS that was offered
}

// handshakeTimeout bounds one look, connecting and STARTTLS included.
const handshakeTimeout = 5 * time.Second

// connections bounds how many are open at once, whoever looks, so that
// thousands of probes that nobody answers do not keep the others waiting for
// file descriptors.
var connections = make(chan struct{}, 128)

// probe is a text of Target.Probe taken apart.
type probe struct{ scheme, host, port string }

// CheckProbe says why text is no probe: host:port for TLS from the first byte,
// or with smtp://, imap://, pop3:// or postgres:// in front for STARTTLS.
func CheckProbe(text string) error {
	_, err := parseProbe(text)
	return err
}

func parseProbe(text string) (p probe, err error) {
	address := text
	if scheme, rest, found := strings.Cut(text, "://"); found {
		if p.scheme, address = scheme, rest; preludes[scheme] == nil {
			return p, fmt.Errorf("%q begins with none of %s", text, strings.Join(schemes(), ", "))
		}
	}
	if p.host, p.port, err = net.SplitHostPort(address); err != nil || p.host == "" {
		return p, fmt.Errorf("%q is not host:port", text)
	}
	if _, err := net.LookupPort("tcp", p.port); err != nil {
		return p, fmt.Errorf("%q has no valid port", text)
	}
	return p, nil
}

// Probe makes one TLS handshake (1.2 or newer) with a probe, as CheckProbe
// describes it, sending serverName. The certificate is not held against any
// root: it is to be compared with a bundle's.
func Probe(ctx context.Context, text, serverName string) Handshake {
	p, err := parseProbe(text)
	if err != nil {
		return Handshake{Address: text, Err: err}
	}
	return p.handshake(ctx, p.host, serverName, tls.VersionTLS13)
}

// handshake offers TLS from 1.2 to newest at one of the probe's addresses.
func (p probe) handshake(ctx context.Context, host, serverName string, newest uint16) Handshake {
	h := Handshake{Address: p.at(host), newest: newest}
	select {
	case connections <- struct{}{}:
		defer func() { <-connections }()
	case <-ctx.Done():
		h.Err = fmt.Errorf("connect: %w", context.Cause(ctx))
		return h
	}
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", net.JoinHostPort(host, p.port))
	if err != nil {
		h.Err = fmt.Errorf("connect: %w", err)
		return h
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })() // STARTTLS knows no context
	h.Connected = true
	if prelude := preludes[p.scheme]; prelude != nil {
		if err := prelude(conn); err != nil {
			h.Err = fmt.Errorf("STARTTLS with %s: %w", h.Address, err)
			return h
		}
	}
	h.shake(ctx, conn, serverName)
	return h
}

// at is how an address of the probe is written in messages.
func (p probe) at(host string) string {
	if p.scheme == "" {
		return net.JoinHostPort(host, p.port)
	}
	return p.scheme + "://" + net.JoinHostPort(host, p.port)
}

func (h *Handshake) shake(ctx context.Context, conn net.Conn, serverName string) {
	asked := false
	client := tls.Client(conn, &tls.Config{
		ServerName:         serverName,
		MinVersion:         tls.VersionTLS12,
		MaxVersion:         h.newest,
		InsecureSkipVerify: true,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			asked = true
			return new(tls.Certificate), nil
		},
	})
	err := client.HandshakeContext(ctx)
	// We are asked after the server has proved its key: that it then refuses
	// us for having no certificate says nothing against its own.
	if err != nil && !asked {
		h.Err = fmt.Errorf("%shandshake with %s: %w", h.only(), h.Address, err)
		return
	}
	h.note(client.ConnectionState().PeerCertificates)
}

func (h *Handshake) note(certificates []*x509.Certificate) {
	leaf := certificates[0]
	h.Fingerprint, h.NotBefore, h.NotAfter = bundle.Fingerprint(leaf), leaf.NotBefore, leaf.NotAfter
	for _, c := range certificates[1:] {
		h.Chain = append(h.Chain, bundle.Fingerprint(c))
	}
}

// only names the version of a handshake that did not offer the newest.
func (h Handshake) only() string {
	if h.newest == tls.VersionTLS12 {
		return "TLS 1.2 "
	}
	return ""
}

// Shows says whether the handshake succeeded with b's leaf.
func (h Handshake) Shows(b *bundle.Bundle) bool {
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
