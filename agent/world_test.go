package agent

import (
	"cmp"
	"context"
	"crypto/x509"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"dvagent/agent/check"
	"dvagent/agent/config"
	"dvagent/agent/issue"
	"dvagent/agent/order"
	"dvagent/agent/state"
	"dvagent/agent/view"
	"dvagent/internal/bundle/bundletest"
	"dvagent/internal/command"
	"dvagent/internal/network"
	"dvagent/internal/sandbox"
)

// TestMain lets many tests wait at the same time: they wait more than they work.
func TestMain(m *testing.M) {
	command.Supervise()
	os.Setenv("LC_ALL", "C") // whoever runs them, they expect English
	flag.Set("test.parallel", "12")
	m.Run()
}

// world is a sandbox and an agent with a state directory of its own.
type world struct {
	*testing.T
	sandbox *sandbox.Sandbox
	dir     string
	extra   string // appended to the configuration: tables of the first certificate
	dns     string // further lines of its [dns]

	nameServers string // the list in place of the sandbox's own
	dnsEndpoint string // the AliDNS in place of the sandbox
	casEndpoint string // the CAS in place of the sandbox
	api         string // cas_api; 2018-07-13 when empty
	domains     string // the list in place of the zone and its wildcard
	name        string // of the certificate, in place of the zone

	fleet issue.Fleet // in place of that of the configuration; may be nil

	observe state.Observer // may be nil
	log     *slog.Logger   // may be nil

	network network.Dialer // in place of this host's; may be nil

	strange bool           // the host does not trust the sandbox's CA
	trusts  *bundletest.CA // that the host trusts besides; may be nil
}

// newWorld starts a sandbox that answers at once.
func newWorld(t *testing.T, options sandbox.Options) *world {
	t.Helper()
	if options.IssueAfter == 0 {
		options.IssueAfter = 50 * time.Millisecond
	}
	if options.Propagation == nil {
		options.Propagation = []time.Duration{time.Millisecond}
	}
	s, err := sandbox.Start(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return &world{T: t, sandbox: s, dir: t.TempDir()}
}

// onProgress is told of each step.
func (w *world) onProgress(show func(state.Progress)) {
	w.observe = func(e state.Event) {
		if p, ok := e.(state.Progress); ok {
			show(p)
		}
	}
}

func (w *world) check() *check.Check {
	a := w.agent()
	return check.New(a.host, a.accounts)
}

// status is how the certificates stand.
func (w *world) status() view.Status {
	w.Helper()
	status, err := view.ReadStatus(w.Context(), w.agent().host, state.Now())
	if err != nil {
		w.Fatal(err)
	}
	return status
}

// tester takes the lock in tests.
var tester = state.Caller{Who: "test", LockWait: time.Second}

func (w *world) where() state.Dir { return state.Dir(filepath.Join(w.dir, "state")) }

// agent makes an agent anew, as a restart does.
func (w *world) agent() *Agent {
	w.Helper()
	path := filepath.Join(w.dir, "agent.toml")
	lines := strings.Split(w.sandbox.AgentConfig(string(w.where())), "\n")
	for i, line := range lines {
		key, _, _ := strings.Cut(line, " ")
		if w.nameServers != "" && key == "nameservers" {
			lines[i] = "nameservers = " + w.nameServers
		}
		if w.name != "" && key == "name" {
			lines[i] = fmt.Sprintf("name = %q", w.name)
		}
		if w.domains != "" && key == "domains" {
			lines[i] = "domains = " + w.domains
		}
		if w.dnsEndpoint != "" && key == "dns_endpoint" {
			lines[i] = fmt.Sprintf("dns_endpoint = %q", w.dnsEndpoint)
		}
		if w.name != "" && key == "name" {
			lines[i] = fmt.Sprintf("name = %q", w.name)
		}
		if w.domains != "" && key == "domains" {
			lines[i] = "domains = " + w.domains
		}
		if w.casEndpoint != "" && key == "cas_endpoint" {
			lines[i] = fmt.Sprintf("cas_endpoint = %q", w.casEndpoint)
		}
		if line == "[account.main]" {
			lines[i] += fmt.Sprintf("\ncas_api = %q", cmp.Or(w.api, order.API2018))
		}
		if line == "[dns]" {
			lines[i] += "\n" + w.dns
		}
	}
	text := strings.Join(lines, "\n") + w.extra
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		w.Fatal(err)
	}
	cfg, err := config.Load(path)
	if err != nil {
		w.Fatal(err)
	}
	if err := state.Dir(cfg.StateDir).Prepare(); err != nil {
		w.Fatal(err)
	}
	a, err := New(cfg, w.log, w.observe)
	if err != nil {
		w.Fatal(err)
	}
	if w.fleet != nil {
		a.fleet = w.fleet
	}
	a.host.Roots = x509.NewCertPool()
	if root, err := os.ReadFile(w.sandbox.Ready().CAFile); err != nil || !w.strange && !a.host.Roots.AppendCertsFromPEM(root) {
		w.Fatal("no root of the sandbox: ", err)
	}
	if w.trusts != nil {
		a.host.Roots.AddCert(w.trusts.Root)
	}
	return a
}

// online is ctx with the world's network.
func (w *world) online(ctx context.Context) context.Context {
	if w.network == nil {
		return ctx
	}
	return network.With(ctx, w.network)
}

func (w *world) renew(r Renewal) state.Outcome {
	w.Helper()
	if r.Timeout == 0 {
		r.Timeout = 2 * time.Minute
	}
	r.Caller = tester
	outcomes, err := w.agent().Renew(w.online(context.Background()), r)
	if err != nil {
		w.Fatal(err)
	}
	if len(outcomes) != 1 {
		w.Fatalf("%d outcomes: %+v", len(outcomes), outcomes)
	}
	return outcomes[0]
}

// renewed fails the test unless the certificate is renewed.
func (w *world) renewed(r Renewal) {
	w.Helper()
	if o := w.renew(r); o.Class != state.Served || !o.Ordered {
		w.Fatalf("not renewed: %+v", o)
	}
}

// renewUntil renews again and again without waiting, as cron does, until done.
func (w *world) renewUntil(what string, done func() bool) {
	w.Helper()
	w.within(time.Minute, what, func() bool {
		w.renew(Renewal{NoWait: true})
		return done()
	})
}

// called says that there was such an API request.
func (w *world) called(action string) bool {
	return slices.ContainsFunc(w.sandbox.History(), func(r sandbox.Request) bool { return r.Action == action })
}

// recorded says that the zone has a record of ours.
func (w *world) recorded() bool { return w.records() != "" }

// calls counts the API requests by action, and forgets them.
func (w *world) calls() map[string]int {
	counts := map[string]int{}
	for _, request := range w.sandbox.History() {
		counts[request.Action]++
	}
	w.sandbox.ClearHistory()
	return counts
}

// records returns the TXT records of the zone as RR=value.
func (w *world) records() string {
	var all []string
	for _, r := range w.sandbox.Records("example.com") {
		if r.Type == "TXT" {
			all = append(all, r.RR+"="+r.Value)
		}
	}
	return strings.Join(all, " ")
}

func (w *world) current() string {
	target, err := os.Readlink(filepath.Join(w.where().Certificate("example.com"), "current"))
	if err != nil {
		w.Fatal(err)
	}
	return filepath.Base(target)
}

// target is a deployment into the world's directory, without commands.
func (w *world) target() string {
	return fmt.Sprintf("\n  [[certificate.deploy]]\n  fullchain = %q\n  key = %q\n",
		filepath.Join(w.dir, "www.pem"), filepath.Join(w.dir, "www.key"))
}
