package simulate

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"dvagent/agent/state"
	"dvagent/internal/sandbox"
	"dvagent/notify"
)

const day = 24 * time.Hour

// world is all of one simulation.
type world struct {
	t    *testing.T
	seed uint64
	dice *rand.Rand
	ctx  context.Context
	stop context.CancelFunc
	done sync.WaitGroup

	net   *internet
	cloud *sandbox.Sandbox
	roots *x509.CertPool
	hosts []*host

	mu    sync.Mutex
	story []string
	wrong []string
	loud  bool
}

// secret is the canary of I6: it may be seen nowhere.
const secret = "canaryCanaryCanaryCanaryCanary"

func newWorld(t *testing.T, seed uint64, hosts int, options sandbox.Options) *world {
	w := &world{t: t, seed: seed, dice: rand.New(rand.NewPCG(seed, 17)), net: newInternet(), roots: x509.NewCertPool()}
	w.ctx, w.stop = context.WithCancel(context.Background())
	time.Sleep(time.Until(time.Date(2026, 1, 1+int(seed%700), int(seed%24), 0, 0, 0, time.UTC)))
	options.Network, options.Seed, options.AccessKeySecret = w.net, seed, secret
	var err error
	if w.cloud, err = sandbox.Start(options); err != nil {
		t.Fatal(err)
	}
	root, err := os.ReadFile(w.cloud.Ready().CAFile)
	if err != nil || !w.roots.AppendCertsFromPEM(root) {
		t.Fatal("no root of the sandbox: ", err)
	}
	w.listenForNotices()
	base, err := os.MkdirTemp(disk(), "simulate-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(base) })
	for i := range hosts {
		h := &host{world: w, name: fmt.Sprintf("host%d", i+1), dir: filepath.Join(base, fmt.Sprint(i+1)), address: fmt.Sprintf("192.0.2.%d:443", i+1)}
		w.hosts = append(w.hosts, h)
		if err := os.MkdirAll(filepath.Join(h.dir, "tls"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := h.serve(w.ctx); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// disk is where the hosts' disks are: in memory, where there is one.
func disk() string {
	if info, err := os.Stat("/dev/shm"); err == nil && info.IsDir() {
		return "/dev/shm"
	}
	return ""
}

func (w *world) close() {
	for _, h := range w.hosts {
		h.end()
	}
	w.stop()
	if err := w.cloud.Close(); err != nil {
		w.t.Error(err)
	}
	w.done.Wait()
}

// tell adds a line to the story.
func (w *world) tell(who, format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	line := fmt.Sprintf("%s  %-6s %s", time.Now().UTC().Format("2006-01-02 15:04"), who, fmt.Sprintf(format, args...))
	w.story = append(w.story, line)
}

// violated says that something does not hold.
func (w *world) violated(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	w.tell("!!!", "%s", text)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.wrong = append(w.wrong, text)
}

func (w *world) progress(h *host, p state.Progress) {
	if p.Waiting || p.Begun {
		return
	}
	text := p.Text
	if p.Err != nil {
		text = "failed: " + p.Err.Error()
	}
	w.tell(h.name, "%s: %s: %s", p.Certificate, p.Step, text)
}

func (w *world) hooked(h *host, env []string) {
	for _, variable := range env {
		if strings.Contains(variable, secret) {
			w.violated("I6: a hook's environment shows the secret")
		}
	}
}

// logs takes what an agent logs.
func (w *world) logs(h *host) io.Writer { return logged{w, h} }

type logged struct {
	world *world
	host  *host
}

func (l logged) Write(line []byte) (int, error) {
	if bytes.Contains(line, []byte(secret)) {
		l.world.violated("I6: the log shows the secret")
	}
	return len(line), nil
}

const noticesAt = "127.0.0.1:7000"

// listenForNotices takes what people are told.
func (w *world) listenForNotices() {
	l, err := w.net.Listen("tcp", noticesAt)
	if err != nil {
		w.t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(w.takeNotice), ErrorLog: log.New(io.Discard, "", 0)}
	w.done.Go(func() { _ = server.Serve(l) })
	context.AfterFunc(w.ctx, func() { server.Close() })
}

func (w *world) takeNotice(_ http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	var told struct {
		Event   string          `json:"event"`
		Notices []notify.Notice `json:"notices"`
	}
	if err := json.Unmarshal(body, &told); err != nil {
		w.violated("a notice cannot be read: %v: %q", err, body)
	}
	host := strings.Trim(r.URL.Path, "/")
	for _, n := range told.Notices {
		w.tell(host, "TELLS %s: %s: %s", told.Event, n.Subject, n.Text)
	}
}

// settings are what an agent.toml of the simulation says.
type settings struct {
	API      string
	Interval time.Duration
	Domains  string
	Key      string
}

func (w *world) configure(h *host, s settings) {
	ready := w.cloud.Ready()
	quoted := make([]string, len(ready.DNS))
	for i, address := range ready.DNS {
		quoted[i] = fmt.Sprintf("%q", address)
	}
	servers := strings.Join(quoted, ", ")
	text := fmt.Sprintf(`state_dir = %q

[account.main]
access_key_id = %q
access_key_secret = %q
cas_endpoint = %q
dns_endpoint = %q
cas_api = %q

[contact.ops]
username = "Zhang San"
mobile = "13300000000"
email = "ops@example.com"
province = "zhejiang"
city = "hangzhou"

[dns]
resolvers = [%s]
nameservers = [%s]

[service]
interval = %q

[[notify]]
name = "ops"
kind = "webhook"
url = "http://%s/%s"

[[hook]]
on = ["issued", "deployed", "failed"]
command = [%q]

[[certificate]]
name = "www"
domains = [%s]
account = "main"
contact = "ops"
key_type = %q

  [[certificate.deploy]]
  fullchain = %q
  key = %q
  check = [%q]
  reload = [%q]
  probe = [%q]
  timeout = "20s"
`, h.stateDir(), ready.AccessKeyID, secret, ready.API, ready.API, s.API, servers, servers, s.Interval,
		noticesAt, h.name, hookCommand, s.Domains, s.Key, h.certificateFile(), h.keyFile(), checkCommand, reloadCommand, h.address)
	if err := os.WriteFile(h.configFile(), []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
}
