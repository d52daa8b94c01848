package agent

import (
	"context"
	"crypto/tls"
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"dvagent/agent/check"
	"dvagent/agent/config"
	"dvagent/agent/state"
	"dvagent/agent/statetest"
	"dvagent/agent/view"
	"dvagent/internal/sandbox"
)

// manyCertificates are how many a host has, with a deployment each. One with 100000
// takes minutes to lay out.
var manyCertificates = flag.String("certificates", "1000,10000", "how many certificates the hosts of BenchmarkCertificates have")

// BenchmarkCertificates shows what looks at a host cost on which all is in place. Each
// figure grows with the number of certificates, and none with its square.
func BenchmarkCertificates(b *testing.B) {
	for number := range strings.SplitSeq(*manyCertificates, ",") {
		n, err := strconv.Atoi(number)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(number, func(b *testing.B) { benchmarkHost(b, n) })
	}
}

func benchmarkHost(b *testing.B, n int) {
	host := statetest.Host{Dir: b.TempDir(), Certificates: n}
	host.Make(b)
	cfg, err := config.Load(host.Config())
	if err != nil {
		b.Fatal(err)
	}
	a, err := New(cfg, nil, nil)
	if err != nil {
		b.Fatal(err)
	}
	for _, of := range looksAt(a) {
		b.Run(of.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				of.do(b)
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/float64(n), "µs/certificate")
		})
	}
}

type benchmark struct {
	name string
	do   func(b *testing.B)
}

// looksAt are the ways in which a host is looked at.
func looksAt(a *Agent) []benchmark {
	renew := func(b *testing.B) {
		outcomes, err := a.Renew(b.Context(), Renewal{Timeout: time.Minute, Caller: tester})
		if err != nil || state.Worst(outcomes) != state.Served {
			b.Fatal(err)
		}
	}
	glance := func(b *testing.B, g *view.Glances) {
		last := g.Read(a.host, func(*view.Glance) {})
		last.At = time.Time{} // the next one is fresh
	}
	var glances view.Glances
	return []benchmark{
		{"load the configuration", func(b *testing.B) {
			if _, err := config.Load(a.host.Config.Path); err != nil {
				b.Fatal(err)
			}
		}},
		{"plan", func(b *testing.B) {
			if plan := view.ReadPlan(b.Context(), a.host, time.Now()); plan.Certificates[0].Action != view.ActionNone {
				b.Fatalf("%+v", plan.Certificates[0])
			}
		}},
		{"first glance", func(b *testing.B) { glance(b, new(view.Glances)) }},
		{"further glance", func(b *testing.B) { glance(b, &glances) }},
		{"check", func(b *testing.B) { check.New(a.host, a.accounts).Host(b.Context(), time.Now()) }},
		{"renew with nothing due, all read", func(b *testing.B) {
			os.Remove(a.host.Dir.Seals())
			renew(b)
		}},
		{"renew with nothing due", renew},
	}
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
			s, err := sandbox.Start(sandbox.Options{Instances: 40, Packages: []sandbox.Package{{ProductCode: product, Total: 1000}}, KeyType: "ECC_256",
				IssueAfter: time.Millisecond, Propagation: []time.Duration{time.Microsecond}})
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			text := strings.Replace(s.AgentConfig(filepath.Join(b.TempDir(), "state")), "[account.main]", "[account.main]\ncas_api = "+way.api, 1)
			text = strings.Replace(text, "[[certificate]]", "[[certificate]]\nkey_type = \"ec256\"", 1)
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
	before := processorTime(b)
	for b.Loop() {
		own += orderOnce(b, a, true)
		orders++
	}
	count()
	b.ReportMetric(float64((processorTime(b)-before).Milliseconds())/float64(orders), "CPU-ms/renewal")
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
	text += fmt.Sprintf("[[certificate.deploy]]\nfullchain = %q\nkey = %q\nprobe = [%q]\n[limits]\nsubmissions_per_day = 1000\n",
		pem, key, serveFiles(b, pem, key))
	return agentOf(b, dir, text, nil)
}

// agentOf is an agent of a configuration that it writes into a directory.
func agentOf(b *testing.B, dir, text string, observe state.Observer) *Agent {
	b.Helper()
	path := filepath.Join(dir, "agent.toml")
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
	a, err := New(cfg, nil, observe)
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
