package sandbox

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/miekg/dns"
)

const (
	visitTime     = 2 * time.Second
	mostRedirects = 5
	mostOfFile    = 64 << 10
)

// served tells whether every address of a file's host shows it. The name servers
// say the addresses; a host that they do not know is this machine.
func (v *validator) served(ctx context.Context, p Proof) bool {
	host, _, _ := strings.Cut(p.Name, "/")
	return !slices.ContainsFunc(v.addresses(ctx, host), func(at netip.Addr) bool { return !v.visit(ctx, at, p) })
}

// addresses are the loopback ones of a host: nothing else is ever visited.
func (v *validator) addresses(ctx context.Context, host string) []netip.Addr {
	var all []netip.Addr
	for _, qtype := range []uint16{dns.TypeA, dns.TypeAAAA} {
		m, err := v.query(ctx, v.servers[0], host, qtype)
		if err != nil {
			continue
		}
		for _, rr := range m.Answer {
			switch rr := rr.(type) {
			case *dns.A:
				all = append(all, netip.MustParseAddr(rr.A.String()))
			case *dns.AAAA:
				all = append(all, netip.MustParseAddr(rr.AAAA.String()))
			}
		}
	}
	if len(all) == 0 {
		all = append(all, netip.AddrFrom4([4]byte{127, 0, 0, 1}))
	}
	return all
}

var errElsewhere = errors.New("redirected elsewhere")

// visit asks one address for a file as a browser would, and follows redirects to
// the same host at the usual port, also to HTTPS, whatever certificate it has.
func (v *validator) visit(ctx context.Context, at netip.Addr, p Proof) bool {
	if !at.IsLoopback() {
		return false
	}
	host, _, _ := strings.Cut(p.Name, "/")
	ctx, cancel := context.WithTimeout(ctx, visitTime)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.Name, nil)
	if err != nil {
		return false
	}
	client := http.Client{
		Transport: &http.Transport{
			DisableKeepAlives: true,
			TLSClientConfig:   &tls.Config{InsecureSkipVerify: true},
			DialContext: func(ctx context.Context, network, target string) (net.Conn, error) {
				port := v.httpPort
				if strings.HasSuffix(target, ":443") {
					port = v.httpsPort
				}
				return v.network.DialContext(ctx, network, net.JoinHostPort(at.String(), strconv.Itoa(port)))
			},
		},
		CheckRedirect: func(next *http.Request, via []*http.Request) error {
			usual := map[string]string{"http": "80", "https": "443"}[next.URL.Scheme]
			if len(via) > mostRedirects || next.URL.Hostname() != host || cmp.Or(next.URL.Port(), usual) != usual {
				return errElsewhere
			}
			return nil
		},
	}
	answer, err := client.Do(r)
	if err != nil {
		return false
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, mostOfFile))
	return err == nil && answer.StatusCode == http.StatusOK && strings.TrimSpace(string(body)) == p.Value
}
