package aliyun

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
	"time"

	"dvagent/internal/clock"
	"dvagent/internal/https"
	"dvagent/internal/openat"
)

const maxAnswer = 8 << 20 // bytes of a body

// newTransport trusts what caFile holds beside the system's roots.
func newTransport(caFile string) (*https.Transport, error) {
	if caFile == "" {
		return https.NewTransport(nil), nil
	}
	roots, err := readRoots(caFile)
	if err != nil {
		return nil, err
	}
	return https.NewTransport(roots), nil
}

// maxRoots is how long ca_file may be. The roots of a whole system are 250 KiB.
const maxRoots = 16 << 20

// readRoots adds those of a file that nobody else can change.
func readRoots(file string) (*x509.CertPool, error) {
	found, err := openat.ReadFile(file, maxRoots)
	if err == nil && found.Others != nil {
		err = &fs.PathError{Op: "read", Path: file, Err: found.Others}
	}
	if err != nil {
		return nil, fmt.Errorf("read ca_file: %w", err)
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	if !roots.AppendCertsFromPEM(found.Data) {
		return nil, fmt.Errorf("read ca_file: %s holds no PEM certificate", file)
	}
	return roots, nil
}

// exchange is the http.RoundTripper of one request. It keeps the answer for
// us and gives the SDK an empty one, so that the SDK never parses, follows or
// prints what a server says.
type exchange struct {
	ctx       context.Context
	transport http.RoundTripper

	started bool
	written atomic.Bool // the server may have read the request
	status  int
	skew    time.Duration // our clock minus the server's; 0 without a Date
	body    []byte
	err     error // no whole answer: why
}

var errTooLong = errors.New("the answer is longer than 8 MiB")

// RoundTrip sends request under the caller's context instead of its own.
func (x *exchange) RoundTrip(request *http.Request) (*http.Response, error) {
	if x.started {
		return nil, errors.New("one exchange sends one request")
	}
	x.started = true
	ctx, cancel := context.WithTimeout(x.ctx, tryTimeout)
	defer cancel()
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		WroteHeaders: func() { x.written.Store(true) },
	})
	if x.err = x.receive(request.WithContext(ctx)); x.err != nil && ctx.Err() != nil {
		x.err = x.ctx.Err()
		if x.err == nil {
			x.err = fmt.Errorf("no answer within %s", tryTimeout)
		}
	}
	return &http.Response{
		StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{}, Body: http.NoBody, Request: request,
	}, nil
}

func (x *exchange) receive(request *http.Request) error {
	response, err := x.transport.RoundTrip(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	x.status = response.StatusCode
	if date, err := http.ParseTime(response.Header.Get("Date")); err == nil {
		x.skew = clock.Now().Sub(date)
	}
	var body bytes.Buffer
	n, err := body.ReadFrom(io.LimitReader(response.Body, maxAnswer+1))
	if n > maxAnswer {
		return errTooLong
	}
	x.body = body.Bytes()
	return err
}
