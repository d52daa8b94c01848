package dashboard

import (
	"crypto/tls"
	"log/slog"
	"os"
	"sync"
	"time"
)

// pair is the certificate and the key that the dashboard is served with. It is
// read again when its files have changed; a pair that does not fit, as in the
// middle of a change, leaves the one before in use.
type pair struct {
	cert, key string
	log       *slog.Logger

	mu     sync.Mutex
	read   [2]time.Time // when the files were changed that were last read
	loaded *tls.Certificate
	err    error
}

// get is for tls.Config. Without any pair yet, the handshake fails.
func (p *pair) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if changed := [2]time.Time{changedAt(p.cert), changedAt(p.key)}; changed != p.read || p.err != nil {
		p.load(changed)
	}
	if p.loaded == nil {
		return nil, p.err
	}
	return p.loaded, nil
}

func (p *pair) load(changed [2]time.Time) {
	news := changed != p.read
	p.read = changed
	var fresh tls.Certificate
	if fresh, p.err = tls.LoadX509KeyPair(p.cert, p.key); p.err == nil {
		p.loaded = &fresh
		return
	}
	if news {
		p.log.Warn("the certificate of service.listen cannot be used", "error", p.err, "old_one_in_use", p.loaded != nil)
	}
}

// changedAt is zero for a file that cannot be looked at.
func changedAt(path string) time.Time {
	info, err := os.Stat(path)
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}
