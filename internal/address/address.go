// Package address checks what the operator writes of servers: host:port, and
// the URLs that secrets are sent to. It resolves and contacts nothing.
package address

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"

	"dvagent/internal/hint"
)

// IsLoopback says that a host, without a port, is this one by its address or
// by the name localhost.
func IsLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// Split takes host:port apart, with the host as Host spells it. The error is what
// is wrong with text, to be said after it: "is not host:port".
func Split(text string) (host, port string, err error) {
	host, port, err = net.SplitHostPort(text)
	if err != nil || host == "" {
		return "", "", errors.New("is not host:port")
	}
	if _, err := net.LookupPort("tcp", port); err != nil {
		return "", "", errors.New("has no valid port")
	}
	if host, err = Host(host); err != nil {
		return "", "", errors.New("has no valid host name")
	}
	return host, port, nil
}

// CheckURL says why raw cannot be what it is to be, of which example is one: a
// URL with https://, or with http:// to a loopback address, and without a user.
// The error never repeats raw, which may be a secret.
func CheckURL(raw, what, example string) error {
	_, err := parseURL(raw, what, example)
	return err
}

// CheckEndpoint is CheckURL for an endpoint of Alibaba's, which is a scheme and
// a host alone.
func CheckEndpoint(raw string) error {
	const what, example = "an endpoint", "https://cas.aliyuncs.com"
	u, err := parseURL(raw, what, example)
	switch {
	case err != nil:
		return err
	case strings.Contains(u.Host, "%"):
		return fmt.Errorf("%s must be a URL such as %s", what, example)
	case strings.Trim(u.Path, "/") != "" || strings.ContainsAny(raw, "?#"):
		return fmt.Errorf("%s must not have a path, query or fragment", what)
	}
	return nil
}

func parseURL(raw, what, example string) (*url.URL, error) {
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Hostname() == "" || u.Scheme != "https" && u.Scheme != "http":
		return nil, fmt.Errorf("%s must be a URL such as %s", what, example)
	case u.User != nil:
		return nil, fmt.Errorf("%s must not hold a user or password", what)
	case u.Scheme == "http" && !IsLoopback(u.Hostname()):
		return nil, hint.Add(errors.New("http:// is allowed to a loopback address only"), "write https://")
	}
	return u, nil
}
