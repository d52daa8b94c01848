package deploy

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"dvagent/internal/bundle"
)

// Listener is what one address serves. A probe that names a host has a listener
// for each of the host's addresses.
type Listener struct {
	Probe      string      // the text of Target.Probe
	Handshakes []Handshake // at least one; several after a reload
}

// shows says whether every handshake showed b's leaf.
func (l Listener) shows(b *bundle.Bundle) bool { return l.shown(b) == len(l.Handshakes) }

func (l Listener) shown(b *bundle.Bundle) int {
	n := 0
	for _, h := range l.Handshakes {
		if h.shows(b) {
			n++
		}
	}
	return n
}

// telling is the first handshake that does not show b's leaf, or the last one.
func (l Listener) telling(b *bundle.Bundle) Handshake {
	if i := slices.IndexFunc(l.Handshakes, func(h Handshake) bool { return !h.shows(b) }); i >= 0 {
		return l.Handshakes[i]
	}
	return l.Handshakes[len(l.Handshakes)-1]
}

// cause is the cause of a failure to show b's leaf: see Result.
func (l Listener) cause(b *bundle.Bundle) string {
	h := l.telling(b)
	if h.Err != nil {
		return causeOf(h.Err)
	}
	return h.String()
}

// Describe says in a few words what the listener serves, compared with b. Each
// handshake counts as one worker of the server.
func (l Listener) Describe(b *bundle.Bundle) string {
	text := l.telling(b).String()
	if shown := l.shown(b); shown > 0 && shown < len(l.Handshakes) {
		text += fmt.Sprintf(", %d of %d workers new", shown, len(l.Handshakes))
	}
	return text
}

// refuses says that the address takes no connection.
func (l Listener) refuses() bool { return !l.Handshakes[0].Connected }

// failing lists the listeners because of which a target is not served: those
// that do not show b's leaf. It leaves spare ones out.
func failing(served []Listener, b *bundle.Bundle) []Listener {
	return slices.DeleteFunc(slices.Clone(served), func(l Listener) bool {
		return l.shows(b) || spare(l, served, b)
	})
}

// spare says whether l takes no connection while another address of the same
// host shows the leaf, as when a server listens on only one of localhost's two.
func spare(l Listener, served []Listener, b *bundle.Bundle) bool {
	return l.refuses() && slices.ContainsFunc(served, func(other Listener) bool {
		return other.Probe == l.Probe && other.shows(b)
	})
}

// offer is one of several handshakes: the pause before it, and the newest
// version of TLS that it offers.
type offer struct {
	pause  time.Duration
	newest uint16
}

var (
	// once is for a server that was not reloaded.
	once = []offer{{0, tls.VersionTLS13}}
	// inBoth is for a server that may be reloaded: what works now must work
	// then.
	inBoth = []offer{{0, tls.VersionTLS13}, {0, tls.VersionTLS12}}
	// closely is for a server that was reloaded. While it hands over to new
	// workers, old ones still answer, with nginx for a tenth of a second; and it
	// may have one leaf for TLS 1.2 and another for 1.3.
	closely = []offer{{0, tls.VersionTLS13}, {50 * time.Millisecond, tls.VersionTLS12},
		{100 * time.Millisecond, tls.VersionTLS13}, {50 * time.Millisecond, tls.VersionTLS12}}
)

// gather calls probe for all addresses side by side, and returns the listeners
// in their order.
func gather(addresses []string, probe func(address string) []Listener) []Listener {
	found := make([][]Listener, len(addresses))
	var group sync.WaitGroup
	for i, address := range addresses {
		group.Go(func() { found[i] = probe(address) })
	}
	group.Wait()
	return slices.Concat(found...)
}

// probeListeners makes the offered handshakes with each listener of a probe.
func probeListeners(ctx context.Context, text string, what sought, offers []offer) []Listener {
	p, err := parseProbe(text)
	if err != nil {
		return []Listener{{text, []Handshake{{Address: text, Err: err}}}}
	}
	hosts, err := p.hosts(ctx)
	if err != nil {
		err = failure{fmt.Errorf("resolve: %w", err), text + ": resolve"}
		return []Listener{{text, []Handshake{{Address: text, Err: err}}}}
	}
	return gather(hosts, func(host string) []Listener {
		return []Listener{{text, p.handshakes(ctx, host, what, offers)}}
	})
}

// handshakes stops at the first that fails, unless TLS 1.2 was refused. It does
// not cut a handshake short at the target's deadline, so that one that fails is
// the server's doing.
func (p probe) handshakes(ctx context.Context, host string, what sought, offers []offer) []Handshake {
	var made []Handshake
	for _, o := range offers {
		if o.pause > 0 && !sleep(ctx, o.pause, time.Now().Add(o.pause)) {
			break
		}
		h := p.handshake(ctx, host, what, o.newest)
		made = append(made, h)
		if h.Err != nil && !h.refused12() {
			break
		}
	}
	return made
}

// refused12 says whether a handshake by TLS 1.2 failed. That need not be an
// error: the server may speak only TLS 1.3.
func (h Handshake) refused12() bool {
	return h.Err != nil && h.Connected && h.newest == tls.VersionTLS12
}

// withoutRefused12 leaves out the handshakes by TLS 1.2 that were refused and had
// not worked before. The first handshake with a listener is never one of them.
func withoutRefused12(seen []Listener, worked func(Handshake) bool) []Listener {
	for i := range seen {
		seen[i].Handshakes = slices.DeleteFunc(seen[i].Handshakes, func(h Handshake) bool { return h.refused12() && !worked(h) })
	}
	return seen
}

// mostHosts bounds the addresses of one name.
const mostHosts = 32

// hosts are the addresses of the probe's host, which may itself be an address.
func (p probe) hosts(ctx context.Context) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	addresses, err := net.DefaultResolver.LookupNetIP(ctx, "ip", p.host)
	if err != nil {
		return nil, err
	}
	var hosts []string
	for _, address := range addresses[:min(len(addresses), mostHosts)] {
		if host := address.Unmap().String(); !slices.Contains(hosts, host) {
			hosts = append(hosts, host)
		}
	}
	return hosts, nil
}
