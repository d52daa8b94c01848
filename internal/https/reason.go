package https

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"syscall"
)

// Reason is why a request got no whole answer, without a word of the server's:
// net/http and others quote what they cannot read, and a server may repeat there
// what it was sent.
func Reason(err error) error {
	var timeout net.Error
	var unknown *net.DNSError
	var number syscall.Errno
	var alert tls.AlertError
	switch {
	case errors.Is(err, context.Canceled):
		return context.Canceled
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return errors.New("no answer in time")
	case errors.As(err, &unknown):
		return errors.New("the name of the server is not known")
	case errors.As(err, &number):
		return number
	case errors.As(err, &alert):
		return alert
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("the connection ended early (EOF)")
	}
	return distrust(err)
}

// distrust is what is wrong with the server's certificate, if that is it.
func distrust(err error) error {
	var unknown x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	var name x509.HostnameError
	switch {
	case errors.As(err, &unknown):
		return errors.New("the server's certificate is signed by an unknown authority")
	case errors.As(err, &invalid):
		return errors.New("the server's certificate is not valid now")
	case errors.As(err, &name):
		return errors.New("the server's certificate is for another name")
	}
	return errors.New("the answer cannot be read")
}
