// Package fleet lets hosts share certificates through etcd. It keeps what one host
// tells the others, and seals what is secret with an identity that all of them have.
// It orders and installs nothing, and decides nothing about a certificate; where there
// is no [fleet], nothing of it runs.
//
// Keys stand below the prefix of the configuration, values are JSON:
//
//	bundles/NAME     the pair that all hosts install, its key sealed: Published
//	rollouts/NAME    which hosts try it first, and how they fared: Rollout
//	hosts/HOST       what a host serves: Host
//
//	orders/NAME/holder    the host that works on the order of a certificate, while its lease lasts: self
//	orders/NAME/order     what is known of its last order: written
//	instances/ACCOUNT/ID  the ledger of an instance, in the form of package order
//	restored              that an old backup was put back lately
//
// A key is written by a transaction on what was read of it, and on nothing else: see
// Entry and Fleet.Write. So a host that has slept changes nothing that another one has
// changed meanwhile.
package fleet

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"dvagent/agent/config"
	"dvagent/internal/openat"
)

// Fleet is the etcd of a configuration. It connects when it is first asked for
// something, and is safe for concurrent use.
type Fleet struct {
	settings config.Fleet
	failures failures        // of connections
	come     func() position // how far etcd had come; nil: nobody cares
	noticed  func(ctx context.Context, client *clientv3.Client, before, now position)

	mu     sync.Mutex
	client *clientv3.Client // nil until it is wanted, and after Close
}

// New contacts nothing. The settings are not those of a host that is alone.
func New(settings config.Fleet) *Fleet { return &Fleet{settings: settings} }

// How long etcd may take. A member that hangs is left for another one by the next try.
const (
	callTime  = 5 * time.Second // for one call
	aliveTime = 5 * time.Second // between two signs of life on a connection, and until one counts as missed
)

// Client is the connection, which is made when it is first wanted. It lives until
// Close, or until etcd refuses its credentials: see drop.
func (f *Fleet) Client() (*clientv3.Client, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.client != nil {
		return f.client, nil
	}
	options, err := f.options()
	if err != nil {
		return nil, err
	}
	client, err := clientv3.New(options)
	if err != nil {
		return nil, f.failed(nil, "connect to etcd", err)
	}
	f.client = client
	return client, nil
}

// Close ends the connection. The next call makes another one.
func (f *Fleet) Close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.client != nil {
		_ = f.client.Close() // nothing is under way that its caller would not hear of
	}
	f.client = nil
}

// drop ends a connection whose credentials are refused. The next call makes another one,
// unless that is there already, by credentials that are read anew.
func (f *Fleet) drop(client *clientv3.Client) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.client == client {
		f.client = nil
		go client.Close() // who waits for an answer of it is told by another goroutine
	}
}

func (f *Fleet) options() (clientv3.Config, error) {
	options := clientv3.Config{
		Endpoints: f.settings.Etcd, Username: f.settings.Username, Logger: zap.NewNop(),
		DialTimeout: callTime, DialKeepAliveTime: aliveTime, DialKeepAliveTimeout: aliveTime,
		DialOptions: []grpc.DialOption{grpc.WithNoProxy(), grpc.WithContextDialer(f.failures.dial),
			grpc.WithTransportCredentials(f.failures.watched(insecure.NewCredentials()))},
	}
	if f.settings.Username != "" {
		password, err := f.settings.Password.Resolve()
		if err != nil {
			return options, fmt.Errorf("read the password for etcd: %w", err)
		}
		options.Password = password
	}
	if !strings.HasPrefix(f.settings.Etcd[0], "https://") {
		return options, nil
	}
	security, err := f.security()
	if err != nil {
		return options, err
	}
	options.TLS = security
	options.DialOptions = append(options.DialOptions, grpc.WithTransportCredentials(f.failures.watched(credentials.NewTLS(security))))
	return options, nil
}

// mostFile is how long a file for TLS may be.
const mostFile = 1 << 20

// security is how etcd is known, and what this host shows it.
func (f *Fleet) security() (*tls.Config, error) {
	security := &tls.Config{MinVersion: tls.VersionTLS12}
	if f.settings.CAFile != "" {
		ca, err := openat.ReadFile(f.settings.CAFile, mostFile)
		if err != nil {
			return nil, fmt.Errorf("read the CA of etcd: %w", err)
		}
		security.RootCAs = x509.NewCertPool()
		if !security.RootCAs.AppendCertsFromPEM(ca.Data) {
			return nil, fmt.Errorf("read the CA of etcd: %s holds no certificate", f.settings.CAFile)
		}
	}
	if f.settings.CertFile != "" {
		security.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return f.shown() }
	}
	return security, nil
}

// errPair says that key_file is not the key of cert_file, or that one is no PEM.
var errPair = errors.New("it and its key are no pair")

// shown reads what this host shows to etcd, which may be renewed at any time.
func (f *Fleet) shown() (*tls.Certificate, error) {
	certificate, err := openat.ReadFile(f.settings.CertFile, mostFile)
	if err != nil {
		return nil, fmt.Errorf("read this host's certificate for etcd: %w", err)
	}
	key, err := f.settings.Key.Resolve()
	if err != nil {
		return nil, fmt.Errorf("read the key of this host's certificate for etcd: %w", err)
	}
	pair, err := tls.X509KeyPair(certificate.Data, []byte(key))
	if err != nil { // whose text says nothing of the key
		return nil, fmt.Errorf("%s: %w", f.settings.CertFile, errPair)
	}
	return &pair, nil
}

// call bounds one call of etcd.
func call(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, callTime)
}
