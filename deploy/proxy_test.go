package deploy_test

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os/exec"
	"strings"
	"testing"

	"dvagent/deploy"
)

// fault 151
func TestAListenerThatWantsThePROXYProtocolIsProbed(t *testing.T) {
	h := newHost(t)
	b, beside := h.issueFor(t, keys(t)["P-256"]), h.issueFor(t, keys(t)["RSA"])
	config := &tls.Config{Certificates: []tls.Certificate{*pairOf(t, beside), *pairOf(t, b)}}
	mail := talk{"220 mx\r\n", map[string]string{"EHLO": "250 mx\r\n", "STARTTLS": "220 Ready\r\n"}}
	const second = "\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00"
	for _, test := range []struct {
		name, scheme string
		header       func(client net.Addr, server net.Addr) string
		shown        bool
	}{
		{"version 1", "proxy://", first, true},
		{"version 2", "proxy://", func(net.Addr, net.Addr) string { return second }, true},
		{"version 1 before STARTTLS", "proxy+smtp://", first, true},
		{"version 2 before STARTTLS", "proxy+smtp://", func(net.Addr, net.Addr) string { return second }, true},
		{"none is sent unasked", "", first, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			h.address = test.scheme + speak(t, func(conn net.Conn) {
				want := test.header(conn.RemoteAddr(), conn.LocalAddr())
				got := make([]byte, len(want))
				if _, err := io.ReadFull(conn, got); err != nil || string(got) != want {
					return
				}
				if strings.HasSuffix(test.scheme, "smtp://") {
					mail.hold(conn, "STARTTLS", config)
					return
				}
				_ = tls.Server(conn, config).Handshake() // the client's side is looked at
			})
			drift := deploy.Inspect(t.Context(), h.target(), b)
			if drift.Shown != test.shown || drift.Served[0].Handshakes[0].Address != h.address {
				t.Errorf("%v", drift.Served)
			}
		})
	}
}

func first(client, server net.Addr) string {
	from, to := client.(*net.TCPAddr), server.(*net.TCPAddr)
	return fmt.Sprintf("PROXY TCP4 127.0.0.1 127.0.0.1 %d %d\r\n", from.Port, to.Port)
}

// fault 151
func TestInstallBehindThePROXYProtocolOfNginx(t *testing.T) {
	need(t, "nginx")
	h := newHost(t)
	h.put(t, h.issue(t))
	job := h.job(h.issue(t))
	startNginx(t, h, &job.Target)
	write(t, h.path("nginx.conf"), []byte(strings.Replace(nginxConfig(h, job.Target), " ssl;", " ssl proxy_protocol;", 1)))
	job.Target.Probe = []string{"proxy://" + h.address}
	checkError(t, install(t, job).Err, "")
}

// fault 151
func TestHAProxyThatAcceptsProxiesIsProbed(t *testing.T) {
	need(t, "haproxy")
	h := newHost(t)
	b := h.issue(t)
	write(t, h.path("both.pem"), append(b.FullchainPEM(), b.KeyPEM()...))
	h.address = freeAddress(t)
	write(t, h.path("haproxy.cfg"), fmt.Appendf(nil, "defaults\n mode http\n timeout connect 1s\n timeout client 9s\n timeout server 1s\n"+
		"frontend web\n bind %s accept-proxy ssl crt %s\n", h.address, h.path("both.pem")))
	startServer(t, h.address, exec.Command("haproxy", "-db", "-f", h.path("haproxy.cfg")))
	h.address = "proxy://" + h.address
	h.serves(t, b)
}
