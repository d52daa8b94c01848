package main

import (
	"context"
	"crypto/tls"
	"net"
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

// start sends clients to address until ctx is done or the returned function is
// called, which waits for the last of them. A client trusts the authority in
// caFile alone, so a handshake succeeds only with a certificate that it issued.
func (t *traffic) start(ctx context.Context, address, caFile string) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var clients sync.WaitGroup
	for range trafficClients {
		clients.Go(func() {
			for ctx.Err() == nil {
				t.visit(address, caFile)
				sleepFor(ctx, trafficPause)
			}
		})
	}
	return func() {
		cancel()
		clients.Wait()
	}
}

func (t *traffic) visit(address, caFile string) {
	roots, err := loadRoots(caFile)
	if err == nil {
		dialer := &tls.Dialer{
			NetDialer: &net.Dialer{Timeout: 5 * time.Second},
			Config:    &tls.Config{RootCAs: roots, ServerName: "example.com"},
		}
		var conn net.Conn
		// A visit that has begun is finished and counted, whenever the demo ends.
		if conn, err = dialer.DialContext(context.Background(), "tcp", address); err == nil {
			conn.Close()
		}
	}
	t.done.Add(1)
	if err != nil {
		t.failed.Add(1)
	}
}

// counts returns the handshakes so far and how many of them failed.
func (t *traffic) counts() (done, failed int64) { return t.done.Load(), t.failed.Load() }
