package deploy_test

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"dvagent/deploy"
	"dvagent/internal/bundle"
	"dvagent/internal/bundle/bundletest"
)

// pairOf is what a server of b's files would serve.
func pairOf(t *testing.T, b *bundle.Bundle) *tls.Certificate {
	t.Helper()
	pair, err := tls.X509KeyPair(b.FullchainPEM(), b.KeyPEM())
	if err != nil {
		t.Fatal(err)
	}
	return &pair
}

// serveBy replaces the host's server by one with another configuration.
func (h *host) serveBy(t *testing.T, address string, config *tls.Config) {
	t.Helper()
	listener, err := tls.Listen("tcp", address, config)
	if err != nil {
		t.Fatal(err)
	}
	h.address = listener.Addr().String()
	h.serve(t, listener)
}

func TestAReloadIsProvedInBothVersionsOfTLS(t *testing.T) {
	for _, test := range []struct {
		name   string
		config func(fresh, old *tls.Certificate) *tls.Config
		err    string
	}{
		{"a server of TLS 1.3 alone", func(fresh, _ *tls.Certificate) *tls.Config {
			return &tls.Config{Certificates: []tls.Certificate{*fresh}, MinVersion: tls.VersionTLS13}
		}, ""},
		{"a server of TLS 1.2 alone", func(fresh, _ *tls.Certificate) *tls.Config {
			return &tls.Config{Certificates: []tls.Certificate{*fresh}, MaxVersion: tls.VersionTLS12}
		}, ""},
		{"an old leaf for TLS 1.2", func(fresh, old *tls.Certificate) *tls.Config {
			return &tls.Config{GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
				if hello.SupportedVersions[0] == tls.VersionTLS13 {
					return fresh, nil
				}
				return old, nil
			}}
		}, "), 2 of 4 workers new"},
		{"one worker in four with the old leaf", func(fresh, old *tls.Certificate) *tls.Config {
			var n atomic.Int32
			return &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
				if n.Add(1)%4 == 0 {
					return old, nil
				}
				return fresh, nil
			}}
		}, "), 3 of 4 workers new"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			h := newHost(t)
			b, old := h.issue(t), h.put(t, h.issue(t))
			h.serveBy(t, "127.0.0.1:0", test.config(pairOf(t, b), pairOf(t, old)))
			job := h.job(b)
			job.Target.Timeout = 300 * time.Millisecond
			result := install(t, job)
			checkError(t, result.Err, test.err)
			if result.RolledBack {
				t.Error("the previous files are back")
			}
			h.holds(t, b)
		})
	}
}

// names makes host names lead to addresses, by a name server on loopback.
func names(t *testing.T, addresses map[string][]string) {
	t.Helper()
	packets, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &dns.Server{PacketConn: packets, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, query *dns.Msg) {
		answer := new(dns.Msg)
		answer.SetReply(query)
		for _, address := range addresses[query.Question[0].Name] {
			if query.Question[0].Qtype == dns.TypeA {
				header := dns.RR_Header{Name: query.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET}
				answer.Answer = append(answer.Answer, &dns.A{Hdr: header, A: net.ParseIP(address)})
			}
		}
		_ = w.WriteMsg(answer) // the query is repeated
	})}
	stopped := make(chan error)
	go func() { stopped <- server.ActivateAndServe() }()
	before := net.DefaultResolver
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", packets.LocalAddr().String())
	}}
	t.Cleanup(func() {
		net.DefaultResolver = before
		_ = packets.Close() // which ends the server
		<-stopped
	})
}

func TestEachAddressOfANameIsAskedOnce(t *testing.T) {
	names(t, map[string][]string{"web.test.": {"127.0.0.1", "127.0.0.2"}})
	for _, test := range []struct {
		name     string
		second   func(fresh, old *tls.Certificate) *tls.Certificate // nil: nothing listens there
		shown    bool
		warnings string
	}{
		{"both show the leaf", func(fresh, _ *tls.Certificate) *tls.Certificate { return fresh }, true, ""},
		{"one shows another", func(_, old *tls.Certificate) *tls.Certificate { return old }, false, ""},
		{"one takes no connection", nil, true, ", takes no connection: connect: "},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := newHost(t)
			b, old := h.put(t, h.issue(t)), h.issue(t)
			_, port, err := net.SplitHostPort(h.address)
			if err != nil {
				t.Fatal(err)
			}
			if test.second != nil {
				h.serveBy(t, "127.0.0.2:"+port, &tls.Config{Certificates: []tls.Certificate{*test.second(pairOf(t, b), pairOf(t, old))}})
			}
			target := h.target()
			target.Probe = []string{"web.test:" + port}
			drift := deploy.Inspect(t.Context(), target, b)
			if drift.Shown != test.shown || len(drift.Served) != 2 {
				t.Errorf("shown %v by %v", drift.Shown, drift.Served)
			}
			checkWarning(t, drift.Warnings, test.warnings)
		})
	}
}

// fault 155
func TestAProbeOfANameInUnicodeFindsItsHost(t *testing.T) {
	names(t, map[string][]string{"xn--fsqu00a.test.": {"127.0.0.1"}})
	h := newHost(t)
	b := h.put(t, h.issue(t))
	_, port, err := net.SplitHostPort(h.address)
	if err != nil {
		t.Fatal(err)
	}
	target := h.target()
	target.Probe = []string{"例子.test:" + port}
	if drift := deploy.Inspect(t.Context(), target, b); !drift.Shown {
		t.Errorf("%v", drift.Served)
	}
}

func checkWarning(t *testing.T, warnings []string, part string) {
	t.Helper()
	var others []string
	found := part == ""
	for _, warning := range warnings {
		switch {
		case part != "" && strings.Contains(warning, part):
			found = true
		case !strings.Contains(warning, "no root that this host trusts"): // true of every test's CA
			others = append(others, warning)
		}
	}
	if !found || len(others) > 0 {
		t.Errorf("warnings %q, want %q", warnings, part)
	}
}

func TestWhatIsServedAfterTheLeafIsCompared(t *testing.T) {
	other := bundletest.NewCA(t, "Other")
	for _, test := range []struct {
		name    string
		chain   func(ca *bundletest.CA) [][]byte
		warning string
	}{
		{"the intermediate", func(ca *bundletest.CA) [][]byte { return [][]byte{ca.Intermediate.Raw} }, ""},
		{"nothing", func(*bundletest.CA) [][]byte { return nil }, "sends the leaf without 1 of the bundle's intermediates"},
		{"a foreign one too", func(ca *bundletest.CA) [][]byte { return [][]byte{ca.Intermediate.Raw, other.Intermediate.Raw} },
			"sends 1 certificates after the leaf that are not the bundle's"},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := newHost(t)
			b := h.issue(t)
			checkError(t, install(t, h.job(b)).Err, "")
			pair := tls.Certificate{PrivateKey: b.Key, Certificate: append([][]byte{b.Leaf.Raw}, test.chain(h.ca)...)}
			h.mu.Lock()
			h.pair = &pair
			h.mu.Unlock()
			drift := deploy.Inspect(t.Context(), h.target(), b)
			if !drift.InPlace {
				t.Error("a warning became a failure")
			}
			checkWarning(t, drift.Warnings, test.warning)
		})
	}
}

func TestAChainWithoutARootOfThisHostIsAWarning(t *testing.T) {
	for _, test := range []struct {
		name string
		own  bool // the host trusts the CA
	}{{"trusted", true}, {"not_trusted", false}} {
		t.Run(test.name, func(t *testing.T) {
			bundletest.InChild(t, func() {
				h := newHost(t)
				trusted := h.ca
				if !test.own {
					trusted = bundletest.NewCA(t, "Other")
				}
				write(t, h.path("roots.pem"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: trusted.Root.Raw}))
				t.Setenv("SSL_CERT_FILE", h.path("roots.pem"))
				t.Setenv("SSL_CERT_DIR", h.path("none"))
				result := install(t, h.job(h.issue(t)))
				checkError(t, result.Err, "")
				if got := fmt.Sprint(result.Warnings); strings.Contains(got, `its last issuer is "CN=Test Root"`) == test.own {
					t.Errorf("warnings %s", got)
				}
			})
		})
	}
}

// A server that breaks is not left broken for the whole of a long timeout.
func TestABrokenServerGetsItsFilesBackSoon(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	old := h.put(t, h.issue(t))
	h.accepts = func(pair *tls.Certificate) error {
		if !bundle.SameKey(pair.Leaf.PublicKey, old.Leaf.PublicKey) {
			return errUnfit
		}
		return nil
	}
	job := h.job(h.issue(t))
	job.Target.Timeout = 10 * time.Minute
	result := install(t, job)
	checkError(t, result.Err, "the previous files are back")
	h.holds(t, old)
	h.serves(t, old)
}

func TestProbesWithoutAnAnswerAreWaitedForSideBySide(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	h := newHost(t)
	var jobs []deploy.Job
	var targets []deploy.Target
	b := h.issue(t)
	for n := range 20 {
		job := h.job(b)
		job.Target.Fullchain, job.Target.Key = h.path(fmt.Sprintf("%d.pem", n)), h.path(fmt.Sprintf("%d.key", n))
		job.Target.Probe = []string{listener.Addr().String(), listener.Addr().String()}
		job.Target.Timeout = time.Second
		jobs, targets = append(jobs, job), append(targets, job.Target)
	}
	start := time.Now()
	deploy.InspectAll(t.Context(), targets, b)
	if took := time.Since(start); took > 12*time.Second { // a probe takes 5 s
		t.Errorf("looked for %s", took)
	}
	start = time.Now()
	for _, result := range deploy.Install(t.Context(), jobs) {
		checkError(t, result.Err, "2 of 2 probes do not show the new certificate")
	}
	if took := time.Since(start); took > 30*time.Second { // one probe before, two after
		t.Errorf("installed for %s", took)
	}
}
