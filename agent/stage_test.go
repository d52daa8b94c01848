package agent

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"dvagent/agent/config"
	"dvagent/agent/order"
	"dvagent/agent/state"
	"dvagent/internal/sandbox"
)

// slowed passes requests on to an API, each after a while.
func slowed(t testing.TB, api string, after time.Duration) string {
	t.Helper()
	target, err := url.Parse(api)
	if err != nil {
		t.Fatal(err)
	}
	proxy, over := httputil.NewSingleHostReverseProxy(target), make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-over:
		case <-time.After(after):
			proxy.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(func() {
		close(over)
		server.Close()
	})
	return server.URL
}

// inSlowAccount adds a certificate of an account whose every call takes half a
// minute.
func (w *world) inSlowAccount() {
	w.Helper()
	cfg, err := config.Load(w.agent().host.Config.Path)
	if err != nil {
		w.Fatal(err)
	}
	key, secret := cfg.Accounts["main"].AccessKeyID.Literal, cfg.Accounts["main"].AccessKeySecret.Literal
	api := slowed(w.T, w.sandbox.Ready().API, 30*time.Second)
	w.extra += fmt.Sprintf("\n[account.slow]\naccess_key_id = %q\naccess_key_secret = %q\ncas_endpoint = %q\ndns_endpoint = %q\n", key, secret, api, api)
	w.extra += "\n[[certificate]]\nname = \"slow\"\ndomains = [\"slow.example.com\"]\naccount = \"slow\"\n"
}

// issuedAt waits until the sandbox has issued the first order, and tells when.
func (w *world) issuedAt() time.Time {
	w.Helper()
	w.within(time.Minute, "issuance", func() bool {
		orders := w.sandbox.Orders()
		return len(orders) > 0 && orders[0].Status == "issued"
	})
	return time.Now()
}

func TestAnOrderThatWaitsForTheCloudHoldsUpNobodysInstallation(t *testing.T) {
	for _, tt := range []struct {
		name string
		run  func(context.Context, *Agent) error
	}{
		{"of a one-shot", func(ctx context.Context, a *Agent) error {
			_, err := a.Renew(ctx, Renewal{Timeout: time.Minute, Caller: tester})
			return err
		}},
		{"of a service", func(ctx context.Context, a *Agent) error { return NewService(a, nil, tester).Run(ctx) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, sandbox.Options{IssueAfter: 3 * time.Second})
			w.extra = w.target()
			w.inSlowAccount()
			ctx, stop := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			a := w.agent()
			go func() { ended <- tt.run(ctx, a) }()
			issued := w.issuedAt()
			w.within(15*time.Second, "the file of the other certificate", func() bool {
				_, err := os.Stat(filepath.Join(w.dir, "www.pem"))
				return err == nil
			})
			t.Logf("installed %s after it was issued", time.Since(issued))
			stop()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
	}
}

// fault 126
func TestAHookOfAFailureRunsWhenAllThatIsDueIsInstalled(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{})
	w.extra = w.target()
	w.renewed(Renewal{})
	pem, log := filepath.Join(w.dir, "www.pem"), filepath.Join(w.dir, "log")
	if err := os.Remove(pem); err != nil {
		t.Fatal(err)
	}
	script := filepath.Join(w.dir, "hook")
	text := fmt.Sprintf("#!/bin/sh\ntest -f %s && in_place=yes\necho $DVAGENT_CERTIFICATE ${in_place:-no} >> %s\n", pem, log)
	if err := os.WriteFile(script, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	w.extra += "\n[[certificate]]\nname = \"a\"\ndomains = [\"a.example.com\"]\n" +
		fmt.Sprintf("\n[[hook]]\non = [\"failed\"]\ncommand = [%q]\n", script)
	w.faults("forbidden:DescribeOrderInstanceList")
	outcomes, err := w.agent().Renew(t.Context(), Renewal{NoWait: true, Timeout: time.Minute, Caller: tester})
	if err != nil || outcomes[0].Class != state.Failure || outcomes[1].Class != state.Served {
		t.Fatalf("%+v, %v", outcomes, err)
	}
	if said, err := os.ReadFile(log); err != nil || string(said) != "a yes\n" {
		t.Errorf("the hook saw %q, %v", said, err)
	}
}

func TestTargetsThatShareAReloadAreReloadedOnceWhenTheirOrdersEndTogether(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{})
	log := filepath.Join(w.dir, "log")
	target := func(name string) string {
		return fmt.Sprintf("\n  [[certificate.deploy]]\n  fullchain = %q\n  key = %q\n  reload = [\"sh\", \"-c\", \"echo reload >> %s\"]\n",
			filepath.Join(w.dir, name+".pem"), filepath.Join(w.dir, name+".key"), log)
	}
	w.extra = target("www") + "\n[[certificate]]\nname = \"a\"\ndomains = [\"a.example.com\"]\n" + target("a")
	w.renewedAll()
	if err := os.Remove(log); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"www", "a"} {
		if err := os.Remove(filepath.Join(w.dir, name+".pem")); err != nil {
			t.Fatal(err)
		}
	}
	w.renewedAll()
	if said, err := os.ReadFile(log); err != nil || strings.Count(string(said), "reload") != 1 {
		t.Errorf("reloaded: %q, %v", said, err)
	}
}

// renewedAll fails the test unless every certificate is served.
func (w *world) renewedAll() {
	w.Helper()
	outcomes, err := w.agent().Renew(w.Context(), Renewal{Timeout: time.Minute, Caller: tester})
	if err != nil || state.Worst(outcomes) != state.Served {
		w.Fatalf("%+v, %v", outcomes, err)
	}
}

// fault 127: one of the lines may have told of a submission that cost money.
func TestDamagedLinesAreToldOnceAndShown(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{})
	w.renewed(Renewal{})
	for _, path := range []string{w.where().Instances(), w.where().RolloutJournal("example.com")} {
		file, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := file.WriteString("torn\ntorn too\n"); err != nil {
			t.Fatal(err)
		}
		file.Close()
	}
	a, said := w.agent(), new(strings.Builder)
	a.host.Log = textLog(said)
	for range 2 {
		w.look(a)
	}
	if n := strings.Count(said.String(), "cannot be read"); n != 2 || !strings.Contains(said.String(), "instances.journal lines=2") {
		t.Errorf("told %d times:\n%s", n, said)
	}
	shown := fmt.Sprint(w.status().Damaged)
	if want := fmt.Sprintf("[{%s 2 } {%s 2 }]", w.where().Instances(), w.where().RolloutJournal("example.com")); shown != want {
		t.Errorf("status shows %s, not %s", shown, want)
	}
}

// fault 19: the process ends between the word that it is issued and the
// certificate, and then the server takes the word back for a while.
func TestAnOrderWhoseStatusGoesBackwardsIsCollectedAllTheSame(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{})
	journal := w.where().Certificate("example.com")
	var end sync.Once
	w.observe = func(state.Event) {
		if o, err := order.Load(journal); err == nil && o != nil && o.Step() == order.Collect {
			end.Do(func() { panic("the end of the process") })
		}
	}
	w.renew(Renewal{Timeout: time.Minute})
	w.observe = nil
	if c := w.status().Certificates[0]; !c.Order.Open() || c.Order.Step != "collect" {
		t.Fatalf("it is not between issue and collect: %+v", c.Order)
	}
	w.faults("status-backwards:DescribeDVOrderResult:1")
	w.renewed(Renewal{Timeout: time.Minute})
	if n := w.sandbox.Submitted(); n != 1 || w.records() != "" {
		t.Errorf("%d submissions, records %q", n, w.records())
	}
}

func textLog(w *strings.Builder) *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }
