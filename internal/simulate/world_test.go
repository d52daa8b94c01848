package simulate

import (
	"context"
	"crypto/x509"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"dvagent/agent/state"
	"dvagent/internal/clock"
	"dvagent/internal/sandbox"
)

const day = 24 * time.Hour

// secret is the canary of I6: it may be seen nowhere.
const secret = "canaryCanaryCanaryCanaryCanary"

// world is all of one simulation: hosts, the cloud and the people around them.
type world struct {
	t    *testing.T
	dice *rand.Rand // of the loop alone
	ctx  context.Context
	stop context.CancelFunc
	done sync.WaitGroup

	net     *internet
	cloud   *sandbox.Sandbox
	toNames *cable // by which the CA asks name servers
	roots   *x509.CertPool
	hosts   []*host
	base    string
	api     string
	bought  int  // instances so far
	stocked bool // orders are from a package
	people  people
	spells  map[*spell]bool      // that go on
	faults  []string             // of the cloud, that go on
	needed  int                  // certificates that were needed so far
	setBy   time.Duration        // how wrong the clocks of the hosts are
	drawn   map[string]int       // how often each kind of weather came
	extra   int                  // further orders that the weather excuses
	others  map[string]bool      // the records of others
	ours    map[string]time.Time // since when those of the agents are there

	mu     sync.Mutex
	agenda []event
	seq    int
	nudge  chan struct{}
	story  []string
	wrong  []string
	void   map[string]bool // the certificates that were revoked, by their keys
	sink   func(line string)
}

// event is something that happens at a time.
type event struct {
	at  time.Time
	seq int
	do  func()
}

func newWorld(t *testing.T, seed uint64) *world {
	w := &world{t: t, dice: rand.New(rand.NewPCG(seed, 17)), net: newInternet(), roots: x509.NewCertPool(), nudge: make(chan struct{}, 1),
		spells: map[*spell]bool{}, drawn: map[string]int{}, others: map[string]bool{}, ours: map[string]time.Time{}, void: map[string]bool{}}
	w.people.world = w
	w.ctx, w.stop = context.WithCancel(context.Background())
	time.Sleep(time.Until(time.Date(2026, 1, 1+w.dice.IntN(700), w.dice.IntN(24), w.dice.IntN(60), 0, 0, time.UTC)))
	w.base = directory(t)
	return w
}

// directory makes one of its own for a world. All have names of one length, for the files
// of a host hold paths, and so many fit on its disk.
func directory(t *testing.T) string {
	base := filepath.Join(memory(), fmt.Sprintf("simulate-%016x", rand.Uint64()))
	if err := os.Mkdir(base, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(base) })
	return base
}

// memory is a file system in memory, where there is one.
func memory() string {
	if info, err := os.Stat("/dev/shm"); err == nil && info.IsDir() {
		return "/dev/shm"
	}
	return os.TempDir()
}

// open starts the cloud, and people who listen.
func (w *world) open(options sandbox.Options) {
	w.toNames = &cable{internet: w.net}
	options.Network, options.AccessKeyID, options.AccessKeySecret = w.toNames, "LTAIsimulated", secret
	var err error
	if w.cloud, err = sandbox.Start(options); err != nil {
		w.t.Fatal(err)
	}
	root, err := os.ReadFile(w.cloud.Ready().CAFile)
	if err != nil || !w.roots.AppendCertsFromPEM(root) {
		w.t.Fatal("no root of the sandbox: ", err)
	}
	w.people.listen()
}

// addHost puts up a machine with the agent's configuration; nothing runs on it yet.
func (w *world) addHost(s settings) *host {
	n := len(w.hosts) + 1
	h := &host{world: w, name: fmt.Sprintf("host%d", n), certificate: fmt.Sprintf("www%d", n), dir: filepath.Join(w.base, fmt.Sprint(n)), address: fmt.Sprintf("192.0.2.%d:443", n)}
	if err := os.MkdirAll(h.dir, 0o700); err != nil {
		w.t.Fatal(err)
	}
	h.mount()
	if err := os.Mkdir(filepath.Join(h.dir, "tls"), 0o700); err != nil {
		w.t.Fatal(err)
	}
	if err := h.serve(w.ctx); err != nil {
		w.t.Fatal(err)
	}
	if s.byFile {
		if err := h.show(); err != nil {
			w.t.Fatal(err)
		}
	}
	h.configure(s)
	h.watch.lastBad = time.Now()
	w.hosts = append(w.hosts, h)
	return h
}

func (w *world) close() {
	for _, h := range w.hosts {
		if h.asleep != nil {
			close(h.asleep)
		}
		h.end()
	}
	clock.Set(0)
	w.stop()
	if err := w.cloud.Close(); err != nil {
		w.t.Error(err)
	}
	w.done.Wait()
}

func (w *world) apiAddress() string {
	api, _ := url.Parse(w.cloud.Ready().API)
	return api.Host
}

// after has something happen in a while.
func (w *world) after(d time.Duration, do func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seq++
	w.agenda = append(w.agenda, event{time.Now().Add(d), w.seq, do})
	w.wake()
}

// wake has the loop look at what there is to do.
func (w *world) wake() {
	select {
	case w.nudge <- struct{}{}:
	default:
	}
}

// next takes the first event that is due, or says when there is one.
func (w *world) next() (do func(), at time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	slices.SortFunc(w.agenda, func(a, b event) int {
		if c := a.at.Compare(b.at); c != 0 {
			return c
		}
		return a.seq - b.seq
	})
	first := w.agenda[0]
	if first.at.After(time.Now()) {
		return nil, first.at
	}
	w.agenda = w.agenda[1:]
	return first.do, first.at
}

// live goes through time until the end, or until something is wrong.
func (w *world) live(length time.Duration) {
	w.after(length, w.stop)
	for w.ctx.Err() == nil && len(w.violations()) == 0 {
		do, at := w.next()
		if do != nil {
			do()
			continue
		}
		select {
		case <-time.After(time.Until(at)):
		case <-w.nudge:
		}
	}
}

var unrepeated = regexp.MustCompile(` \(…[0-9a-f]{4}\)|(\d{8}|[0-9a-f]{12})-[0-9a-f]{12}|_[0-9a-f]{12}\b|before/[0-9a-f-]+|\(request [0-9A-F-]*\)`)

// tell adds a line to the story.
func (w *world) tell(who, format string, args ...any) {
	text := strings.ReplaceAll(fmt.Sprintf(format, args...), w.base+"/", "/")
	text = unrepeated.ReplaceAllString(text, "$1")
	line := fmt.Sprintf("%s  %-6s %s", time.Now().UTC().Format("2006-01-02 15:04"), who, text)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.story = append(w.story, line); w.sink != nil {
		w.sink(line)
	}
}

// violated says that something does not hold.
func (w *world) violated(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	w.tell("WRONG", "%s", text)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.wrong = append(w.wrong, text)
	w.wake()
}

func (w *world) violations() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.wrong)
}

func (w *world) progress(h *host, p state.Progress) {
	text := p.Text
	if p.Err != nil {
		text = "failed: " + p.Err.Error()
	}
	w.tell(h.name, "%s: %s", p.Step, text)
}

// spare is how many instances an order could be placed on, as people count them.
func (w *world) spare() (n int) {
	if w.stocked {
		for _, p := range w.cloud.Packages() {
			n += p.Total - (p.Used - p.Freed)
		}
		return n
	}
	ended := map[string]bool{}
	for _, s := range w.cloud.Subscriptions() {
		late := w.api == sandbox.API2020 && time.Until(s.OrderEnd) < 60*day
		ended[s.InstanceID] = s.Status == "refund" || s.Status == "closed" || s.Status == "expired" || s.Applications > 0 || late
	}
	for _, i := range w.cloud.Instances() {
		if i.Submissions == 0 && i.Status == "PAYED" && !ended[i.InstanceID] {
			n++
		}
	}
	return n
}

// buy puts instances into the account.
func (w *world) buy(n int) {
	if w.stocked {
		w.cloud.BuyPackage(product, n)
		w.tell("people", "buy a package of %d", n)
		return
	}
	for range n {
		w.bought++
		w.cloud.AddInstance("DV", "BUY", "PAYED", fmt.Sprintf("cas-%d", w.bought))
	}
	w.tell("people", "buy %d instances", n)
}
