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

// Listener is what one address serves. A probe by a host name leads to a
// listener at each of its addresses.
type Listener struct {
	Probe      string      // the text of Target.Probe
	Handshakes []Handshake // at least one; several after a reload
}

// Shows says whether every handshake showed b's leaf.
func (l Listener) Shows(b *bundle.Bundle) bool { return l.shown(b) == len(l.Handshakes) }

func (l Listener) shown(b *bundle.Bundle) int {
	n := 0
	for _, h := range l.Handshakes {
		if h.Shows(b) {
			n++
		}
	}
	return n
}

// telling is the first handshake that does not show b's leaf, or the last one.
func (l Listener) telling(b *bundle.Bundle) Handshake {
	if i := slices.IndexFunc(l.Handshakes, func(h Handshake) bool { return !h.Shows(b) }); i >= 0 {
		return l.Handshakes[i]
	}
	return l.Handshakes[len(l.Handshakes)-1]
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

// failing lists the listeners for which a target does not count as served:
// those that do not show b's leaf. An address of a host name that takes no
// connection does not count while another one shows the leaf, as for a
// localhost of which only one family is listened at.
func failing(served []Listener, b *bundle.Bundle) []Listener {
	return slices.DeleteFunc(slices.Clone(served), func(l Listener) bool {
		return l.Shows(b) || spare(l, served, b)
	})
}

func spare(l Listener, served []Listener, b *bundle.Bundle) bool {
	return l.refuses() && slices.ContainsFunc(served, func(other Listener) bool {
		return other.Probe == l.Probe && other.Shows(b)
	})
}

// offer is one handshake of several: after which pause it comes, and up to
// which version of TLS.
type offer struct {
	pause  time.Duration
	newest uint16
}

var (
	// once is how a server is looked at that should serve what it served.
	once = []offer{{0, tls.VersionTLS13}}
	// inBoth is how one is looked at that may be reloaded: what works now is
	// to work then.
	inBoth = []offer{{0, tls.VersionTLS13}, {0, tls.VersionTLS12}}
	// closely is how one is looked at that was reloaded. A server that hands
	// over to new workers answers from old ones too for a while, as nginx does
	// for a tenth of a second; and it may have one leaf for TLS 1.2 and another
	// for 1.3.
	closely = []offer{{0, tls.VersionTLS13}, {50 * time.Millisecond, tls.VersionTLS12},
		{100 * time.Millisecond, tls.VersionTLS13}, {50 * time.Millisecond, tls.VersionTLS12}}
)

// examine asks each for the listeners at all of places, side by side, and
// returns them in that order.
func examine(places []string, each func(place string) []Listener) []Listener {
	found := make([][]Listener, len(places))
	var group sync.WaitGroup
	for i, place := range places {
		group.Go(func() { found[i] = each(place) })
	}
	group.Wait()
	return slices.Concat(found...)
}

// listen makes the handshakes with each listener that a probe leads to.
func listen(ctx context.Context, text, serverName string, offers []offer) []Listener {
	p, err := parseProbe(text)
	if err != nil {
		return []Listener{{text, []Handshake{{Address: text, Err: err}}}}
	}
	hosts, err := p.hosts(ctx)
	if err != nil {
		return []Listener{{text, []Handshake{{Address: text, Err: fmt.Errorf("resolve: %w", err)}}}}
	}
	return examine(hosts, func(host string) []Listener {
		return []Listener{{text, p.handshakes(ctx, host, serverName, offers)}}
	})
}

// handshakes ends at one that fails, unless by TLS 1.2. No handshake is cut short by a target's
// deadline: a broken one must be the server's doing.
func (p probe) handshakes(ctx context.Context, host, serverName string, offers []offer) []Handshake {
	var made []Handshake
	for _, o := range offers {
		if o.pause > 0 && !sleep(ctx, o.pause, time.Now().Add(o.pause)) {
			break
		}
		h := p.handshake(ctx, host, serverName, o.newest)
		made = append(made, h)
		if h.Err != nil && !h.refused12() {
			break
		}
	}
	return made
}

// refused12 is true of a server that speaks TLS 1.3 alone, too.
func (h Handshake) refused12() bool {
	return h.Err != nil && h.Connected && h.newest == tls.VersionTLS12
}

// without12 leaves out the handshakes by TLS 1.2 that were refused where that
// is no news. The first handshake with a listener is never one of them.
func without12(seen []Listener, news func(Handshake) bool) []Listener {
	for i := range seen {
		seen[i].Handshakes = slices.DeleteFunc(seen[i].Handshakes, func(h Handshake) bool { return h.refused12() && !news(h) })
	}
	return seen
}

// mostHosts bounds the addresses of one name.
const mostHosts = 32

// hosts are the addresses of the probe's host, which may be one itself.
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
