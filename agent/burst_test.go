package agent

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"dvagent/agent/config"
	"dvagent/agent/state"
	"dvagent/internal/sandbox"
)

// burst is how many certificates fall due at once.
const burst = 300

// BenchmarkManyDueAtOnce reports what it costs when many certificates of one
// server are due at once: runs of the reload that they share, API calls, and
// when the first and the last was seen in place.
func BenchmarkManyDueAtOnce(b *testing.B) {
	s, err := sandbox.Start(sandbox.Options{Instances: burst, IssueAfter: 5 * time.Second, Propagation: []time.Duration{time.Millisecond}})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	dir := b.TempDir()
	log := filepath.Join(dir, "reloads")
	text := s.AgentConfig(filepath.Join(dir, "state"))
	text = text[:strings.Index(text, "[[certificate]]")]
	text += "[limits]\nrequests_per_second = 100\n"
	address := serveByName(b, dir)
	for i := range burst {
		name := fmt.Sprintf("host%d.example.com", i)
		text += fmt.Sprintf("[[certificate]]\nname = %q\ndomains = [%q]\n  [[certificate.deploy]]\n  fullchain = %q\n  key = %q\n"+
			"  reload = [\"sh\", \"-c\", \"echo reload >> %s\"]\n  probe = [%q]\n",
			name, name, filepath.Join(dir, name+".pem"), filepath.Join(dir, name+".key"), log, address)
	}
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
	var mu sync.Mutex
	var first time.Duration
	begun := time.Now()
	a, err := New(cfg, nil, func(e state.Event) {
		p, ok := e.(state.Progress)
		if !ok || p.Step != state.StepDeploy || !strings.HasPrefix(p.Text, "installed") {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		if first == 0 {
			first = time.Since(begun)
		}
	})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		outcomes, err := a.Renew(context.Background(), Renewal{Timeout: 10 * time.Minute, Caller: tester})
		if err != nil || state.Worst(outcomes) != state.Served {
			b.Fatal(err, state.Worst(outcomes))
		}
	}
	reloads, err := os.ReadFile(log)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(strings.Count(string(reloads), "\n")), "reloads")
	b.ReportMetric(float64(len(s.History())), "calls")
	b.ReportMetric(first.Seconds(), "s-to-first")
	b.ReportMetric(time.Since(begun).Seconds(), "s-to-last")
}

// serveByName is a TLS server that reads the pair of the name that it is asked
// for, for every handshake.
func serveByName(tb testing.TB, dir string) (address string) {
	tb.Helper()
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { tcp.Close() })
	settings := &tls.Config{GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		pair, err := tls.LoadX509KeyPair(filepath.Join(dir, hello.ServerName+".pem"), filepath.Join(dir, hello.ServerName+".key"))
		return &pair, err
	}}
	go func() {
		for {
			conn, err := tcp.Accept()
			if err != nil {
				return
			}
			go func() {
				tls.Server(conn, settings).Handshake()
				conn.Close()
			}()
		}
	}()
	return tcp.Addr().String()
}
