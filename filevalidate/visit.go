package filevalidate

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"dvagent/internal/line"
	"dvagent/internal/network"
)

const (
	mostHops   = 10
	mostBytes  = 64 << 10 // of a body, and of a header
	atOnce     = 16       // addresses of one host that are asked at most
	visitTime  = 10 * time.Second
	dialTime   = 5 * time.Second
	shownBytes = 60 // of another content
)

// Visitor asks web servers for files as a CA does: over plain HTTP, at each address
// of the host. No proxy of the environment is used.
type Visitor struct {
	Addresses func(ctx context.Context, host string) ([]string, error) // IPv4 and IPv6
}

// Answer is what became of a visit to one address.
type Answer string

// The answers.
const (
	Shown       Answer = "shows the file"
	Absent      Answer = "does not have the file"
	Other       Answer = "shows another content"
	Elsewhere   Answer = "redirects elsewhere"
	Failed      Answer = "answers with an error"
	Refused     Answer = "refuses the connection"
	Silent      Answer = "is silent"
	Unreachable Answer = "cannot be reached from this host"
)

// Visit is what one address answered.
type Visit struct {
	Address string
	Answer  Answer
	Detail  string // may be empty
	Hops    []Hop  // in their order
}

func (v Visit) String() string {
	text := v.Address + " " + string(v.Answer)
	if v.Detail != "" {
		text += " (" + v.Detail + ")"
	}
	return text
}

// Hop is one request, and what came of it.
type Hop struct {
	URL      string
	Answer   string // such as "301 to https://example.com/"
	Duration time.Duration
}

// Verdict is what all addresses of a host answered.
type Verdict struct {
	URL    string // without its scheme
	Visits []Visit
}

// Visible says that each address shows the file that this host can reach, and that
// there is one.
func (v Verdict) Visible() bool {
	shown := 0
	for _, visit := range v.Visits {
		switch visit.Answer {
		case Shown:
			shown++
		case Unreachable:
		default:
			return false
		}
	}
	return shown > 0
}

func (v Verdict) String() string {
	var texts []string
	for _, visit := range v.Visits {
		texts = append(texts, visit.String())
	}
	return "http://" + v.URL + ": " + strings.Join(texts, "; ")
}

// Look asks for the URL, which has no scheme, at each address of its host, all at
// the same time. content is what it is to show. An error means that there was
// nobody to ask, or that ctx ended.
func (v Visitor) Look(ctx context.Context, url, content string) (Verdict, error) {
	host := ParsePlace(url).Host
	addresses, err := v.Addresses(ctx, host)
	if err != nil {
		return Verdict{}, fmt.Errorf("look for the file http://%s: %w", url, err)
	}
	addresses = addresses[:min(len(addresses), atOnce)]
	verdict := Verdict{URL: url, Visits: make([]Visit, len(addresses))}
	var group sync.WaitGroup
	for i, address := range addresses {
		group.Go(func() { verdict.Visits[i] = v.visit(ctx, address, "http://"+url, content) })
	}
	group.Wait()
	return verdict, ctx.Err()
}

// visit follows redirects within the host, as a CA does: also to HTTPS, whatever
// certificate is shown there, for a renewal may come late.
func (v Visitor) visit(ctx context.Context, address, at, content string) Visit {
	ctx, cancel := context.WithTimeout(ctx, visitTime)
	defer cancel()
	visit := Visit{Address: address}
	transport := transportTo(address)
	defer transport.CloseIdleConnections()
	for range mostHops {
		began := time.Now()
		reply, err := get(ctx, transport, at)
		hop := Hop{URL: at, Answer: reply.String(), Duration: time.Since(began)}
		if err != nil {
			visit.Answer, visit.Detail = unanswered(err)
			hop.Answer = cmp.Or(visit.Detail, string(visit.Answer))
			visit.Hops = append(visit.Hops, hop)
			return visit
		}
		visit.Hops = append(visit.Hops, hop)
		if reply.location == "" {
			visit.Answer, visit.Detail = reply.judge(content)
			return visit
		}
		next, ok := follow(at, reply.location)
		if !ok {
			visit.Answer, visit.Detail = Elsewhere, shortened(next)
			return visit
		}
		at = next
	}
	visit.Answer, visit.Detail = Elsewhere, "its redirects do not end"
	return visit
}

// transportTo connects to that address, whatever the name in a URL resolves to.
func transportTo(address string) *http.Transport {
	return &http.Transport{
		DialContext: func(ctx context.Context, protocol, target string) (net.Conn, error) {
			_, port, err := net.SplitHostPort(target)
			if err != nil {
				return nil, err
			}
			ctx, cancel := context.WithTimeout(ctx, dialTime)
			defer cancel()
			return network.Of(ctx, new(net.Dialer)).DialContext(ctx, protocol, net.JoinHostPort(address, port))
		},
		TLSClientConfig:        &tls.Config{InsecureSkipVerify: true}, // the file is public, and so is whether it is there
		DisableKeepAlives:      true,
		DisableCompression:     true,
		MaxResponseHeaderBytes: mostBytes,
	}
}

// reply is what was answered to one request.
type reply struct {
	status   int
	location string // of a redirect
	body     string
}

func (r reply) String() string {
	if r.location != "" {
		return fmt.Sprintf("%d to %s", r.status, shortened(r.location))
	}
	return fmt.Sprintf("%d, %d bytes", r.status, len(r.body))
}

func get(ctx context.Context, transport *http.Transport, at string) (reply, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return reply{}, err
	}
	r.Header.Set("User-Agent", "dvagent")
	answer, err := transport.RoundTrip(r)
	if err != nil {
		return reply{}, err
	}
	defer answer.Body.Close()
	got := reply{status: answer.StatusCode}
	switch answer.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		got.location = answer.Header.Get("Location")
		return got, nil
	}
	body, err := io.ReadAll(io.LimitReader(answer.Body, mostBytes))
	got.body = string(body)
	return got, err
}

// judge compares a body with what the CA wants to see, around which it takes blanks.
func (r reply) judge(content string) (Answer, string) {
	switch {
	case r.status == http.StatusNotFound || r.status == http.StatusGone:
		return Absent, fmt.Sprint(r.status)
	case r.status != http.StatusOK:
		return Failed, fmt.Sprint(r.status)
	case strings.TrimSpace(r.body) == strings.TrimSpace(content):
		return Shown, ""
	}
	return Other, fmt.Sprintf("%q", shortened(r.body))
}

// follow is where a redirect leads, and whether a CA goes there: to the same host
// at the usual port.
func follow(from, location string) (next string, ok bool) {
	base, err := url.Parse(from)
	if err != nil {
		return location, false
	}
	to, err := base.Parse(location)
	if err != nil || to.User != nil {
		return location, false
	}
	usual := map[string]string{"http": "80", "https": "443"}[to.Scheme]
	sameHost := strings.EqualFold(strings.TrimSuffix(to.Hostname(), "."), base.Hostname())
	return to.String(), usual != "" && sameHost && cmp.Or(to.Port(), usual) == usual
}

// unanswered puts into words why there was no answer.
func unanswered(err error) (Answer, string) {
	var timeout net.Error
	switch {
	case errors.Is(err, unix.ECONNREFUSED):
		return Refused, ""
	case errors.Is(err, unix.ENETUNREACH), errors.Is(err, unix.EHOSTUNREACH), errors.Is(err, unix.EADDRNOTAVAIL), errors.Is(err, unix.EAFNOSUPPORT):
		return Unreachable, ""
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled), errors.As(err, &timeout) && timeout.Timeout():
		return Silent, ""
	}
	return Failed, shortened(err.Error())
}

// shortened makes text of others fit for a line.
func shortened(text string) string {
	if text = line.Of(text); len(text) > shownBytes {
		text = strings.ToValidUTF8(text[:shownBytes], "") + "…"
	}
	return text
}
