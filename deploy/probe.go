package deploy

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"dvagent/internal/address"
	"dvagent/internal/bundle"
	"dvagent/internal/network"
	"dvagent/internal/tls13"
	"dvagent/internal/words"
)

// Handshake is what one TLS handshake showed.
type Handshake struct {
	Address             string   // host:port, with the scheme of its probe
	Connected           bool     // the address took the connection, whatever happened then
	Fingerprint         string   // of the leaf, as bundle.Fingerprint; "" without one
	Chain               []string // the fingerprints of the certificates after the leaf, in that order
	NotBefore, NotAfter time.Time
	Err                 error // nil when the handshake succeeded

	newest  uint16 // version of TLS that was offered
	second  bool   // by version 2 of the PROXY protocol
	begun   bool   // a hello was sent
	version uint16 // of TLS that the server chose; 0 if it did not answer the hello
	kind    string // of the leaf's key
}

// handshakeTimeout bounds one handshake, with the connection and STARTTLS;
// otherwiseTimeout bounds all those with a server that did not answer it.
const (
	handshakeTimeout = 5 * time.Second
	otherwiseTimeout = 2 * time.Second
)

// connections bounds how many are open at once in this process, so that
// thousands of probes without an answer do not use up the file descriptors.
var connections = make(chan struct{}, 128)

// probe is the parts of one of Target.Probe.
type probe struct {
	scheme     string // with "://"; what messages begin with
	prelude    func(net.Conn) error
	proxied    bool // the PROXY protocol comes first
	host, port string
}

// CheckProbe says why text is no probe: host:port for TLS from the first byte,
// or with smtp://, imap://, pop3:// or postgres:// in front for STARTTLS. With
// proxy:// or proxy+smtp:// and so on the PROXY protocol comes before that.
func CheckProbe(text string) error {
	_, err := parseProbe(text)
	return err
}

func parseProbe(text string) (p probe, err error) {
	place := text
	if scheme, rest, found := strings.Cut(text, "://"); found {
		p.scheme, place = scheme+"://", rest
		inner, proxied := strings.CutPrefix(scheme+"+", "proxy+")
		p.proxied, p.prelude = proxied, preludes[strings.TrimSuffix(inner, "+")]
		if p.prelude == nil && (!proxied || inner != "") {
			return p, fmt.Errorf("%q begins with none of %s, or proxy+ and one of these", text, strings.Join(schemes(), ", "))
		}
	}
	if p.host, p.port, err = address.Split(place); err != nil {
		return p, fmt.Errorf("%q %w", text, err)
	}
	return p, nil
}

// Probe looks with one probe, as CheckProbe describes it, at what its server
// shows to a client that sends serverName. Where the server has leaves of several
// kinds, it is the one of leaf's kind, if it is leaf; nil takes any. The
// certificate is not verified: it is to be compared.
func Probe(ctx context.Context, text, serverName string, leaf *x509.Certificate) Handshake {
	p, err := parseProbe(text)
	if err != nil {
		return Handshake{Address: text, Err: err}
	}
	return p.handshake(ctx, p.host, sought{serverName, leaf}, tls.VersionTLS13)
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
	for _, offered := range fitting(what.leaf, h.version, h.second) {
		fit := p.offer(ctx, host, what.name, offered)
		if fit.Err != nil {
			continue
		}
		if fit.Fingerprint == bundle.Fingerprint(what.leaf) {
			fit.newest = newest
			return fit
		}
		break
	}
	return h
}

// answer offers one thing after another until the server answers.
func (p probe) answer(ctx context.Context, host, serverName string, newest uint16) Handshake {
	first := p.offer(ctx, host, serverName, wide(newest))
	ctx, cancel := context.WithTimeout(ctx, otherwiseTimeout)
	defer cancel()
	for _, offered := range p.otherwise(first) {
		if h := p.offer(ctx, host, serverName, offered); h.answered() {
			h.newest = newest
			return h
		}
	}
	return first
}

// otherwise is what to offer where the first handshake was not answered.
func (p probe) otherwise(first Handshake) []hello {
	var all []hello
	if first.answered() || !first.Connected {
		return nil
	}
	if p.proxied {
		second := wide(first.newest)
		second.second = true
		all = append(all, second)
	}
	if p.proxied || first.begun {
		all = append(all, narrower(first.newest)...)
	}
	return all
}

// offer makes one connection and one handshake.
func (p probe) offer(ctx context.Context, host, serverName string, offered hello) Handshake {
	h := Handshake{Address: p.at(host), newest: offered.newest, second: offered.second}
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	conn, err := network.Of(ctx, new(net.Dialer)).DialContext(ctx, "tcp", net.JoinHostPort(host, p.port))
	if err != nil {
		h.fail("connect", fmt.Errorf("connect: %w", err))
		return h
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })() // what comes before TLS knows no context
	h.Connected = true
	if step, err := p.begin(conn, offered.second); err != nil {
		h.fail(step, fmt.Errorf("%s with %s: %w", step, h.Address, err))
		return h
	}
	if offered.signatures != nil {
		h.ask(conn, serverName, offered.signatures)
	} else {
		h.shake(ctx, conn, offered.config(serverName))
	}
	return h
}

// begin brings a new connection to the point where TLS begins. With an error
// comes the step that failed.
func (p probe) begin(conn net.Conn, second bool) (step string, err error) {
	if p.proxied {
		header := proxied(conn)
		if second {
			header = local
		}
		if _, err := io.WriteString(conn, header); err != nil {
			return "PROXY protocol", err
		}
	}
	if p.prelude == nil {
		return "", nil
	}
	return "STARTTLS", p.prelude(conn)
}

// fail notes err, whose cause is the step that failed and the address.
func (h *Handshake) fail(step string, err error) { h.Err = failure{err, h.Address + ": " + step} }

// at is an address of the probe as messages name it.
func (p probe) at(host string) string { return p.scheme + net.JoinHostPort(host, p.port) }

func (h *Handshake) shake(ctx context.Context, conn net.Conn, config *tls.Config) {
	asked := false
	config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		asked = true
		return new(tls.Certificate), nil
	}
	client := tls.Client(conn, config)
	h.begun = true
	err := client.HandshakeContext(ctx)
	state := client.ConnectionState()
	h.version = state.Version
	// The server asks after it has proved that it has its key, unless that is what
	// keys are exchanged by. If it then refuses us because we have no certificate,
	// its own is still good.
	proved := asked && !strings.HasPrefix(tls.CipherSuiteName(state.CipherSuite), "TLS_RSA_")
	if err != nil && !proved {
		h.fail(h.only()+"handshake", fmt.Errorf("%shandshake with %s: %w", h.only(), h.Address, err))
		return
	}
	h.note(state.PeerCertificates)
}

// ask goes no further than the server's proof that it has the leaf's key.
func (h *Handshake) ask(conn net.Conn, serverName string, signatures []tls.SignatureScheme) {
	certificates, err := tls13.Certificates(conn, serverName, signatures)
	if err != nil {
		h.fail("handshake", fmt.Errorf("handshake with %s: %w", h.Address, err))
		return
	}
	h.note(certificates)
}

// answered says that the server took up the hello, whatever happened then.
func (h Handshake) answered() bool { return h.version != 0 }

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
		h.Address, words.Date(h.NotBefore), h.Fingerprint[len(h.Fingerprint)-4:])
}
