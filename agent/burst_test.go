package agent

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"dvagent/agent/rollout"
	"dvagent/agent/state"
	"dvagent/internal/sandbox"
)

// certificates adds some to the first one, named host1, host2 … in front of the
// zone, each with what target adds.
func (w *world) certificates(n int, target func(name string) string) {
	w.name, w.domains = "host0", `["host0.example.com"]`
	w.extra += target("host0")
	for i := 1; i < n; i++ {
		name := fmt.Sprintf("host%d", i)
		w.extra += fmt.Sprintf("\n[[certificate]]\nname = %q\ndomains = [\"%s.example.com\"]\n", name, name) + target(name)
	}
}

// fault 153
func TestWhatIsIssuedIsInPlaceBeforeAllIsSubmitted(t *testing.T) {
	t.Parallel()
	const certificates, early = 24, 1
	w := newWorld(t, sandbox.Options{Instances: certificates})
	held := &heldBack{action: "CreateDVOrderAudit", after: early, until: make(chan struct{})}
	w.casEndpoint = held.before(t, w.sandbox.Ready().API)
	w.certificates(certificates, func(name string) string {
		return fmt.Sprintf("\n  [[certificate.deploy]]\n  fullchain = %q\n  key = %q\n", filepath.Join(w.dir, name+".pem"), filepath.Join(w.dir, name+".key"))
	})
	w.extra += "\n[limits]\nparallel_orders = 1\nrequests_per_second = 500\n"
	var once sync.Once
	w.onProgress(func(p state.Progress) {
		if p.Step == state.StepDeploy && strings.HasPrefix(p.Text, "installed") {
			once.Do(func() { close(held.until) })
		}
	})
	outcomes, err := w.agent().Renew(t.Context(), Renewal{Timeout: 2 * time.Minute, Caller: tester})
	if err != nil || len(outcomes) != certificates || state.Worst(outcomes) != state.Served {
		t.Errorf("%+v, %v", outcomes, err)
	}
	if held.inVain.Load() > 0 || w.sandbox.Submitted() != certificates {
		t.Errorf("%d submissions waited in vain for the first one to be in place", held.inVain.Load())
	}
}

// heldBack passes requests on, but lets those of one action that follow the first ones
// wait until a channel is closed.
type heldBack struct {
	action string
	after  int64
	until  chan struct{}

	seen, inVain atomic.Int64
}

func (h *heldBack) before(t *testing.T, api string) string {
	return before(t, api, func(w http.ResponseWriter, r *http.Request, parameter func(string) string, behind http.Handler) {
		if parameter("Action") == h.action && h.seen.Add(1) > h.after {
			select {
			case <-h.until:
			case <-r.Context().Done():
				h.inVain.Add(1)
				return
			}
		}
		behind.ServeHTTP(w, r)
	})
}

// before serves in front of an API, which is behind it.
func before(t *testing.T, api string, serve func(w http.ResponseWriter, r *http.Request, parameter func(string) string, behind http.Handler)) string {
	t.Helper()
	target, err := url.Parse(api)
	if err != nil {
		t.Fatal(err)
	}
	behind := httputil.NewSingleHostReverseProxy(target)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		form, _ := url.ParseQuery(string(body))
		serve(w, r, func(name string) string { return cmp.Or(r.URL.Query().Get(name), form.Get(name)) }, behind)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// fault 153
func TestAServerThatDoesNotShowItsLeafHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{})
	address, log := serveByName(t, w.dir), filepath.Join(w.dir, "log")
	if err := os.Mkdir(filepath.Join(w.dir, "elsewhere"), 0o755); err != nil {
		t.Fatal(err)
	}
	w.certificates(3, func(name string) string {
		dir := w.dir
		if name == "host0" {
			dir = filepath.Join(w.dir, "elsewhere") // the server reads other files
		}
		return fmt.Sprintf("\n  [[certificate.deploy]]\n  fullchain = %q\n  key = %q\n  reload = [\"true\"]\n  probe = [%q]\n  timeout = \"1h\"\n",
			filepath.Join(dir, name+".example.com.pem"), filepath.Join(dir, name+".example.com.key"), address)
	})
	w.extra += fmt.Sprintf("\n[[hook]]\non = [\"deployed\"]\ncommand = [\"sh\", \"-c\", \"echo $DVAGENT_CERTIFICATE >> %s\"]\n", log)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan []state.Outcome, 1)
	go func() {
		outcomes, err := w.agent().Renew(ctx, Renewal{Timeout: time.Hour, Caller: tester})
		if err != nil {
			t.Error(err)
		}
		ended <- outcomes
	}()
	told := func(name string) bool { // what a hook writes does not say that it has ended
		facts, _ := os.ReadFile(filepath.Join(w.where().Certificate(name), rollout.File))
		return slices.ContainsFunc(strings.Split(string(facts), "\n"), func(fact string) bool {
			return strings.Contains(fact, `"told"`) && strings.Contains(fact, `"deployed"`)
		})
	}
	w.within(2*time.Minute, "the hooks of the others", func() bool { return told("host1") && told("host2") })
	if names, _ := os.ReadFile(log); strings.Count(string(names), "\n") != 2 {
		t.Errorf("the hooks wrote %q", names)
	}
	select {
	case outcomes := <-ended:
		t.Errorf("it has ended: %+v", outcomes)
	default:
	}
	stop()
	for i, o := range <-ended {
		if want := i > 0; (o.Class == state.Served) != want {
			t.Errorf("%+v", o)
		}
	}
}

func TestAPassHandsBackWhatItDidNotGetTo(t *testing.T) {
	t.Parallel()
	const certificates = 12
	w := newWorld(t, sandbox.Options{Instances: certificates})
	w.certificates(certificates, func(string) string { return "" })
	w.extra += "\n[limits]\nparallel_orders = 1\nrequests_per_second = 30\n"
	a := w.agent()
	names, err := a.host.Selected(nil)
	if err != nil {
		t.Fatal(err)
	}
	run := newOneShot(a, Renewal{NoWait: true, Caller: tester}, names)
	err = a.underLock(t.Context(), tester, state.Scope{Since: run.started}, func(ctx context.Context, p *pass) error {
		p.begun = p.begun.Add(-time.Hour)
		p.run(ctx, run)
		return nil
	})
	if err != nil || len(run.last) == 0 || len(run.first) == 0 || len(run.first)+len(run.last) != certificates {
		t.Fatalf("%d were worked on, %d handed back: %v", len(run.last), len(run.first), err)
	}
	p := &pass{agent: a}
	order := p.inOrder() // first those that did not come to their turn, whoever is due besides
	for i, certificate := range order {
		if waits := run.first[certificate.Name]; waits != (i < len(run.first)) || len(order) != certificates {
			t.Errorf("%s is at place %d of %d, handed back: %t", certificate.Name, i, len(order), waits)
		}
	}
	outcomes, err := a.Renew(t.Context(), Renewal{Timeout: 5 * time.Minute, Caller: tester})
	if err != nil || len(outcomes) != certificates || state.Worst(outcomes) != state.Served {
		t.Errorf("%+v, %v", outcomes, err)
	}
}

// What ten thousand goroutines have on their stacks is more than a pass needs for all else.
func TestCertificatesThatWaitToBeLookedAtTakeNoGoroutineEach(t *testing.T) {
	a := newWorld(t, sandbox.Options{}).agent()
	err := a.underLock(t.Context(), tester, state.Scope{}, func(ctx context.Context, p *pass) error {
		for range lookedAtOnce { // all places are taken, for good
			p.looking <- struct{}{}
		}
		p.fresh = make([]*turn, 1000)
		for i := range p.fresh {
			p.fresh[i] = &turn{}
		}
		before := runtime.NumGoroutine()
		p.advance(ctx, nil)
		if more := runtime.NumGoroutine() - before; more > 100 || len(p.fresh) > 0 {
			t.Errorf("%d goroutines more for 1000 certificates, %d not begun", more, len(p.fresh))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestTheLockIsFreeForAMomentBetweenTwoPasses(t *testing.T) {
	t.Parallel()
	s := NewService(newWorld(t, sandbox.Options{}).agent(), nil, tester)
	begun := time.Now() // when its certificate is due, since it was never looked at
	if !s.rest(t.Context()) || time.Since(begun) < 150*time.Millisecond {
		t.Errorf("the next pass begins after %s", time.Since(begun))
	}
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

// fault 206
func TestAnOverwrittenFileHealsWhileManyOrdersWaitForTheNetwork(t *testing.T) {
	t.Parallel()
	const certificates = 20
	w := newWorld(t, sandbox.Options{Instances: certificates + 1})
	w.domains, w.extra = `["example.com"]`, w.target() // no wildcard, which the others would take
	w.renewed(Renewal{})
	api := slowed(t, w.sandbox.Ready().API, 2*time.Second)
	w.casEndpoint, w.dnsEndpoint = api, api
	for i := range certificates {
		w.extra += fmt.Sprintf("\n[[certificate]]\nname = \"c%d\"\ndomains = [\"c%d.example.com\"]\n", i, i)
	}
	begun := make(chan struct{}, 1000)
	w.onProgress(func(p state.Progress) {
		if strings.HasPrefix(p.Text, "claimed") {
			begun <- struct{}{}
		}
	})
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	s := NewService(w.agent(), nil, tester)
	go func() { ended <- s.Run(ctx) }()
	<-begun
	pem := filepath.Join(w.dir, "www.pem")
	whole, err := os.ReadFile(pem)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(pem, []byte("overwritten"), 0o644); err != nil {
		t.Fatal(err)
	}
	overwritten := time.Now()
	w.within(20*time.Second, "the file as it was", func() bool {
		now, err := os.ReadFile(pem)
		return err == nil && string(now) == string(whole)
	})
	t.Logf("healed after %s", time.Since(overwritten))
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestAPassWaitsForWhatIsDueInAMomentAlone(t *testing.T) {
	t.Parallel()
	a := newWorld(t, sandbox.Options{}).agent()
	for _, tt := range []struct {
		name   string
		in     time.Duration
		begun  time.Duration // ago
		noWait bool
		want   bool
	}{
		{"in a moment", lingers / 2, 0, false, true},
		{"now", -time.Second, 0, false, true},
		{"later", time.Minute, 0, false, false},
		{"in a moment, when others were kept waiting for a minute", lingers / 2, passLength, false, false},
		{"in a moment, for which nobody waits", lingers / 2, 0, true, false},
	} {
		run := newOneShot(a, Renewal{NoWait: tt.noWait, Caller: tester}, map[string]bool{})
		run.last["example.com"] = state.Outcome{Certificate: "example.com", Class: state.Pending, Retry: true, Next: time.Now().Add(tt.in)}
		err := a.underLock(t.Context(), tester, state.Scope{Since: run.started}, func(ctx context.Context, p *pass) error {
			p.begun = p.begun.Add(-tt.begun)
			if got := p.linger(ctx, run); got != tt.want || got != (len(p.turns) == 1) {
				t.Errorf("%s: %t, with %d turns", tt.name, got, len(p.turns))
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}
