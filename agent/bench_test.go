package agent

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"dvagent/agent/config"
	"dvagent/agent/state"
	"dvagent/agent/view"
	"dvagent/internal/bundle"
	"dvagent/internal/bundle/bundletest"
	"dvagent/internal/sandbox"
)

const many = 10_000

// manyCertificates lays out the state of many certificates, none of which is
// due, and returns the path of their configuration.
func manyCertificates(b *testing.B) string {
	b.Helper()
	dir := b.TempDir()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		b.Fatal(err)
	}
	var text strings.Builder
	fmt.Fprintf(&text, "state_dir = %q\n[account.main]\naccess_key_id = \"x\"\naccess_key_secret = \"x\"\n"+
		"[contact.ops]\nusername = \"x\"\nmobile = \"1\"\nemail = \"x@example.com\"\nprovince = \"x\"\ncity = \"x\"\n", filepath.Join(dir, "state"))
	var names []string
	for i := range many {
		name := fmt.Sprintf("host%d.example.com", i)
		names = append(names, name)
		fmt.Fprintf(&text, "[[certificate]]\nname = %q\ndomains = [%q]\n", name, name)
	}
	ca := bundletest.NewCA(b, "bench")
	leaf := ca.Issue(b, bundletest.Leaf{Names: []string{"*.example.com"}, Key: key})
	for _, name := range names {
		store := bundle.Open(filepath.Join(dir, "state", "certificates", name))
		version := store.Path(leaf.ID())
		if err := leaf.Write(version); err != nil {
			b.Fatal(err)
		}
		if err := os.Symlink("versions/"+leaf.ID(), filepath.Join(filepath.Dir(filepath.Dir(version)), "current")); err != nil {
			b.Fatal(err)
		}
	}
	path := filepath.Join(dir, "agent.toml")
	if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
		b.Fatal(err)
	}
	return path
}

func BenchmarkTenThousandCertificates(b *testing.B) {
	path := manyCertificates(b)
	cfg, err := config.Load(path)
	if err != nil {
		b.Fatal(err)
	}
	a, err := New(cfg, nil, nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("load the configuration", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := config.Load(path); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("plan", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			plan := view.ReadPlan(context.Background(), a.host, time.Now())
			if plan.Certificates[0].Action != view.ActionNone {
				b.Fatalf("%+v", plan.Certificates[0])
			}
		}
	})
	var glances view.Glances
	read := func(b *testing.B, g *view.Glances) {
		last, err := g.Read(a.host, func(*view.Glance) {})
		if err != nil {
			b.Fatal(err)
		}
		last.At = time.Time{} // the next one is fresh
	}
	b.Run("first glance", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			read(b, new(view.Glances))
		}
	})
	b.Run("further glance", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			read(b, &glances)
		}
	})
	b.Run("renew with nothing due", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			outcomes, err := a.Renew(context.Background(), Renewal{Timeout: time.Minute, Caller: tester})
			if err != nil || state.Worst(outcomes) != state.Served {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkOrder reports what orders cost, for each way to order: API calls of the
// first one and of a renewal, and the agent's own time from the first request to
// the new leaf served, without the waits between looks.
func BenchmarkOrder(b *testing.B) {
	for _, way := range []struct{ name, api, domains string }{
		{"on an instance of 2018-07-13", `"2018-07-13"`, ""},
		{"on an instance of 2020-04-07", `"2020-04-07"`, ""},
		{"from a package", `"2020-04-07"`, "domains = [\"example.com\"]\npackage = \"" + product + "\""},
	} {
		b.Run(way.name, func(b *testing.B) {
			s, err := sandbox.Start(sandbox.Options{Instances: 40, Packages: []sandbox.Package{{ProductCode: product, Total: 1000}},
				IssueAfter: time.Millisecond, Propagation: []time.Duration{time.Microsecond}})
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			text := strings.Replace(s.AgentConfig(filepath.Join(b.TempDir(), "state")), "[account.main]", "[account.main]\ncas_api = "+way.api, 1)
			if way.domains != "" {
				text = regexp.MustCompile(`(?m)^domains = .*$`).ReplaceAllLiteralString(text, way.domains)
			}
			benchmarkOrders(b, s, text)
		})
	}
}

// benchmarkOrders places one order after the other.
func benchmarkOrders(b *testing.B, s *sandbox.Sandbox, text string) {
	a := servingAgent(b, text)
	var orders, calls, polls int
	var own time.Duration
	count := func() {
		for _, request := range s.History() {
			switch request.Action {
			case "DescribeDVOrderResult", "GetInstanceDetail", "DescribeCertificateState":
				polls++
			default:
				calls++
			}
		}
		s.ClearHistory()
	}
	orderOnce(b, a, false)
	count()
	first := calls
	calls, polls = 0, 0
	for b.Loop() {
		own += orderOnce(b, a, true)
		orders++
	}
	count()
	b.ReportMetric(float64(first), "calls/first")
	b.ReportMetric(float64(calls)/float64(orders), "calls/renewal")
	b.ReportMetric(float64(polls)/float64(orders), "polls/renewal")
	b.ReportMetric(float64(own.Milliseconds())/float64(orders), "own-ms/renewal")
}

// servingAgent is an agent of that configuration whose certificate is served.
func servingAgent(b *testing.B, text string) *Agent {
	b.Helper()
	dir := b.TempDir()
	pem, key := filepath.Join(dir, "www.pem"), filepath.Join(dir, "www.key")
	path := filepath.Join(dir, "agent.toml")
	text += fmt.Sprintf("[[certificate.deploy]]\nfullchain = %q\nkey = %q\nprobe = [%q]\n[limits]\nsubmissions_per_day = 1000\n",
		pem, key, serveFiles(b, pem, key))
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
	cfg, err := config.Load(path)
	if err != nil {
		b.Fatal(err)
	}
	if err := state.Dir(cfg.StateDir).Prepare(); err != nil {
		b.Fatal(err)
	}
	a, err := New(cfg, nil, nil)
	if err != nil {
		b.Fatal(err)
	}
	return a
}

// orderOnce drives one order to its end and returns the time that was not
// spent waiting.
func orderOnce(b *testing.B, a *Agent, force bool) (own time.Duration) {
	for range 100 {
		start := time.Now()
		outcomes, err := a.Renew(context.Background(), Renewal{Force: force, NoWait: true, Timeout: time.Minute, Caller: tester})
		own += time.Since(start)
		if err != nil {
			b.Fatal(err)
		}
		if outcomes[0].Class == state.Served {
			return own
		}
		if outcomes[0].Err != nil {
			b.Fatal(outcomes[0].Err)
		}
		time.Sleep(time.Until(outcomes[0].Next))
	}
	b.Fatal("the order did not end")
	return 0
}

// serveFiles is a TLS server that reads its pair for every handshake.
func serveFiles(tb testing.TB, certificate, key string) (address string) {
	return serveFilesThrough(tb, certificate, key, func(l net.Listener) net.Listener { return l })
}

func serveFilesThrough(tb testing.TB, certificate, key string, through func(net.Listener) net.Listener) (address string) {
	tb.Helper()
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	listener := tls.NewListener(through(tcp), &tls.Config{
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			pair, err := tls.LoadX509KeyPair(certificate, key)
			return &pair, err
		},
	})
	tb.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				conn.(*tls.Conn).Handshake()
				conn.Close()
			}()
		}
	}()
	return listener.Addr().String()
}
