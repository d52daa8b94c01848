package demo

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// traffic is a steady stream of clients, each of which makes a whole TLS
// handshake of its own.
type traffic struct {
	done, failed atomic.Int64
}

const (
	trafficClients = 2
	trafficPause   = 10 * time.Millisecond
)

// start sends clients to address until ctx is done or stop is called, which
// waits for the last of them. They trust only the authority whose certificate is
// in caFile, so a handshake succeeds only with a certificate that it issued.
func (t *traffic) start(ctx context.Context, address, caFile string) (stop func(), err error) {
	roots, err := loadRoots(caFile)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	var clients sync.WaitGroup
	for range trafficClients {
		clients.Go(func() {
			for more := true; more; more = pause(ctx, trafficPause) {
				t.visit(address, roots)
			}
		})
	}
	return func() {
		cancel()
		clients.Wait()
	}, nil
}

// visit makes one handshake and counts it. The end of the demo does not cut it
// short, since it would count as failed.
func (t *traffic) visit(address string, roots *x509.CertPool) {
	dialer := &net.Dialer{Timeout: 5 * time.Second}
	conn, err := tls.DialWithDialer(dialer, "tcp", address, &tls.Config{RootCAs: roots, ServerName: "example.com"})
	t.done.Add(1)
	if err != nil {
		t.failed.Add(1)
		return
	}
	conn.Close()
}

// counts returns the handshakes so far and how many of them failed.
func (t *traffic) counts() (done, failed int64) { return t.done.Load(), t.failed.Load() }

func loadRoots(caFile string) (*x509.CertPool, error) {
	text, err := os.ReadFile(caFile)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s holds no certificate", caFile)
	}
	return roots, nil
}

// pause waits, and says whether ctx is still in force afterwards.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
