package dashboard

import (
	"crypto/tls"
	"log/slog"
	"sync"

	"dvagent/internal/bundle"
	"dvagent/internal/openat"
)

// pair is the certificate and the key that the dashboard is served with. It is
// taken anew when its files have changed; a pair that does not fit, as in the
// middle of a change, leaves the one before in use.
type pair struct {
	cert, key string
	log       *slog.Logger

	mu     sync.Mutex
	seen   files // that were taken last
	loaded *tls.Certificate
	err    error
}

// files are what the files of a pair held, and why one could not be read.
type files struct{ cert, key, err string }

// get is for tls.Config. Without any pair yet, the handshake fails.
func (p *pair) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now, err := p.read(); now != p.seen {
		p.seen, p.err = now, err
		p.load()
	}
	if p.loaded == nil {
		return nil, p.err
	}
	return p.loaded, nil
}

func (p *pair) read() (files, error) {
	cert, err := openat.ReadFile(p.cert, bundle.MaxBytes)
	if err != nil {
		return files{err: err.Error()}, err
	}
	key, err := openat.ReadPrivate(p.key, bundle.MaxBytes)
	if err != nil {
		return files{err: err.Error()}, err
	}
	return files{cert: string(cert.Data), key: string(key.Data)}, nil
}

func (p *pair) load() {
	var fresh tls.Certificate
	if p.err == nil {
		_, p.err = bundle.KeyID([]byte(p.seen.key)) // which bounds it
	}
	if p.err == nil {
		fresh, p.err = tls.X509KeyPair([]byte(p.seen.cert), []byte(p.seen.key))
	}
	if p.err != nil {
		p.log.Warn("the certificate of service.listen cannot be used", "error", p.err, "old_one_in_use", p.loaded != nil)
		return
	}
	p.loaded = &fresh
}
