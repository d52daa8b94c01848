package deploy

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"time"

	"dvagent/internal/bundle"
)

// Handshake is what one TLS handshake showed.
type Handshake struct {
	Address             string
	Connected           bool     // the address took the connection, whatever came then
	Fingerprint         string   // of the leaf, as bundle.Fingerprint; "" without one
	Chain               []string // the fingerprints of what came after the leaf, in that order
	NotBefore, NotAfter time.Time
	Err                 error // nil when the handshake succeeded
}

// handshakeTimeout bounds one look, connecting included.
const handshakeTimeout = 5 * time.Second

// Probe makes one TLS handshake (1.2 or newer) with address (host:port), sending
// serverName. The certificate is not held against any root: it is to be compared
// with a bundle's.
func Probe(ctx context.Context, address, serverName string) Handshake {
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	h := Handshake{Address: address}
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		h.Err = fmt.Errorf("connect: %w", err)
		return h
	}
	defer conn.Close()
	h.Connected = true
	h.shake(ctx, conn, serverName)
	return h
}

func (h *Handshake) shake(ctx context.Context, conn net.Conn, serverName string) {
	asked := false
	client := tls.Client(conn, &tls.Config{
		ServerName:         serverName,
		MinVersion:         tls.VersionTLS12,
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
		h.Err = fmt.Errorf("handshake with %s: %w", h.Address, err)
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
