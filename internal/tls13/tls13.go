// Package tls13 asks a server of TLS 1.3 (RFC 8446) for the leaf that goes with
// chosen signature algorithms. A server with pairs of several kinds of key decides
// by these which one it shows, and crypto/tls lets no client choose them.
//
// The handshake goes as far as the server's proof that it has the leaf's key, and
// no further: nothing can be sent or received by it. Whether the leaf is trusted
// is not asked.
package tls13

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
)

// Certificates are what the server shows first, the leaf and what it sends after
// it, to a client that knows only these signature algorithms. Those of RSA are
// PSS. A serverName that is empty or an address is not sent. The caller bounds the time, by a deadline
// or by closing the connection, and closes it afterwards.
func Certificates(conn net.Conn, serverName string, algorithms []tls.SignatureScheme) ([]*x509.Certificate, error) {
	own, err := newShares()
	if err != nil {
		return nil, err
	}
	hello, err := clientHello(serverName, algorithms, own)
	if err != nil {
		return nil, err
	}
	if _, err := conn.Write(record(hello)); err != nil {
		return nil, fmt.Errorf("send the hello: %w", err)
	}
	in := &reader{conn: conn}
	answer, err := in.message(typeServerHello)
	if err != nil {
		return nil, err
	}
	chosen, err := parseServerHello(answer)
	if err != nil {
		return nil, err
	}
	shared, err := own.agree(chosen.group, chosen.share)
	if err != nil {
		return nil, err
	}
	said := chosen.suite.hash.New()
	said.Write(hello)
	said.Write(answer)
	if err := in.decrypt(chosen.suite, shared, said.Sum(nil)); err != nil {
		return nil, err
	}
	return in.certificates(said, algorithms)
}
