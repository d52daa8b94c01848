package dnstest

import (
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// unbound begins the configuration: the port, the directory.
const unbound = `remote-control:
	control-enable: no
server:
	interface: 127.0.0.1@%d
	directory: %q
	root-hints: "root.hints"
	chroot: ""
	username: ""
	pidfile: ""
	logfile: ""
	use-syslog: no
	num-threads: 1
	do-ip6: no
	do-not-query-localhost: no
	module-config: "validator iterator"
`

// Unbound starts a recursive resolver that asks the servers for the zones that
// they stand beside, and nobody for others. Settings are lines of its server
// clause, such as a trust anchor, without which it does not validate. It skips
// the test where unbound is not installed.
func Unbound(t testing.TB, zones map[string]*Server, settings ...string) *Server {
	t.Helper()
	program, dir, port := need(t, "unbound"), t.TempDir(), freePort(t)
	write(t, dir, "root.hints", rootHints)
	var config strings.Builder
	fmt.Fprintf(&config, unbound, port, dir)
	for _, line := range settings {
		fmt.Fprintf(&config, "\t%s\n", line)
	}
	for zone, server := range zones {
		host, port, _ := net.SplitHostPort(server.Address)
		fmt.Fprintf(&config, "stub-zone:\n\tname: %q\n\tstub-addr: %s@%s\n\tstub-prime: no\n", zone, host, port)
	}
	path := write(t, dir, "unbound.conf", config.String())
	s := start(t, fmt.Sprintf("127.0.0.1:%d", port), program, "-d", "-p", "-c", path)
	s.await("an answer", func() bool { return s.Ask("localhost", dns.TypeA) != nil })
	return s
}
