package simulate

import (
	"io/fs"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"dvagent/internal/sandbox"
)

// product is the package that a world may order from.
const product = "digicert-free-1-free"

// polls are how often hosts look at an order at most: as they do by themselves, or as an
// operator may want it, so that an order that waits for days costs little time.
var polls = []time.Duration{50 * time.Millisecond, 2 * time.Minute, 5 * time.Minute}

// plain are choices of names without a wildcard.
var plain = [][]string{{"example.com", "www.example.com"}, {"www.example.com", "shop.example.com"}, {"shop.example.com"}}

// choose draws by which way the hosts come by their certificates: most order on an
// instance and prove by a record; others take from a package, prove by a file, upload
// what they have, or follow another host. It has dice of its own, so that a world is
// otherwise what it was.
func (w *world) choose(seed uint64, hosts []settings) {
	pace := rand.New(rand.NewPCG(seed, 29)) // also dice of its own
	for i := range hosts {
		hosts[i].poll = polls[pace.IntN(len(polls))]
	}
	switch way := rand.New(rand.NewPCG(seed, 23)).IntN(8); {
	case way == 0 && w.api == sandbox.API2020:
		w.stocked = true
		for i := range hosts {
			hosts[i].stocked, hosts[i].choices = true, plain
		}
		hosts[0].names = plain[0]
		w.buy(2)
	case way == 1 && len(hosts) == 1:
		hosts[0].names, hosts[0].choices, hosts[0].byFile = plain[0], plain, true
		for _, rr := range []string{"@", "www", "shop"} {
			if _, err := w.cloud.AddRecord("example.com", rr, "A", "127.0.0.1"); err != nil {
				w.t.Fatal(err)
			}
		}
	case way == 2 || way == 3:
		hosts[0].uploads = true
		if len(hosts) > 1 {
			hosts[1].follows, hosts[1].names = true, hosts[0].names
			hosts[0].choices, hosts[1].choices = nil, nil
		}
	}
}

// lines are those of a certificate by which way it comes.
func (s settings) lines(h *host) string {
	if s.follows {
		return "follow = true\n"
	}
	lines := "contact = \"sandbox\"\nkey_type = " + quoted([]string{s.key}) + "\n"
	if s.stocked {
		lines += "package = " + quoted([]string{product}) + "\n"
	}
	if s.byFile {
		lines += "validation = \"file\"\nwebroot = " + quoted([]string{h.webroot()}) + "\n"
	}
	if s.uploads {
		lines += "upload = true\n"
	}
	return lines
}

func (h *host) webroot() string { return filepath.Join(h.dir, "webroot") }

// webAddress is where the CA asks for a file.
const webAddress = "127.0.0.1:80"

// show begins to show the webroot, while the host can be reached.
func (h *host) show() error {
	if err := os.Mkdir(h.webroot(), 0o755); err != nil {
		return err
	}
	l, err := h.world.net.Listen("tcp", webAddress)
	if err != nil {
		return err
	}
	files := http.FileServer(http.Dir(h.webroot()))
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !h.isShown() {
			panic(http.ErrAbortHandler)
		}
		files.ServeHTTP(w, r)
	})}
	h.world.done.Go(func() { _ = server.Serve(l) })
	h.world.done.Go(func() {
		<-h.world.ctx.Done()
		server.Close()
	})
	return nil
}

// isShown says that others reach the host's web server.
func (h *host) isShown() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return !h.offline && !h.off && h.asleep == nil
}

// checkWebroot wants no file of a proof to stay.
func (h *host) checkWebroot(now time.Time, good time.Duration) {
	if !h.settings.byFile {
		return
	}
	var left string
	_ = filepath.WalkDir(h.webroot(), func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			left = path
		}
		return nil
	})
	if left == "" {
		h.watch.shown = time.Time{}
		return
	}
	if h.watch.shown.IsZero() {
		h.watch.shown = now
	}
	if stood := now.Sub(h.watch.shown); min(stood, good) > h.patience() {
		h.world.violated("I3: the file %s stands for %s", strings.TrimPrefix(left, h.world.base), stood)
	}
}

// checkUpload wants the account to have the pair that is served, once.
func (h *host) checkUpload(now time.Time, good time.Duration) {
	leaf := h.leaf()
	if !h.settings.uploads || leaf == nil {
		return
	}
	issued, uploads := false, 0
	for _, c := range h.world.cloud.Certificates() {
		if c.KeyHash == keyHash(leaf) {
			issued = true
			if c.HasKey {
				uploads++
			}
		}
	}
	if !issued || uploads == 1 { // what was made by hand is not uploaded
		h.watch.unsent = time.Time{}
		return
	}
	if h.watch.unsent.IsZero() {
		h.watch.unsent = now
	}
	if waited := now.Sub(h.watch.unsent); uploads > 1 || min(waited, good) > h.patience() {
		h.world.violated("%s: what is served is in the account %d times with its key, %s after it was installed", h.name, uploads, waited)
	}
}

// canFollow says that the account holds what a host that follows waits for.
func (h *host) canFollow(now time.Time) bool {
	leaf := h.leaf()
	for _, c := range h.world.cloud.Certificates() {
		newer := leaf == nil || c.NotAfter.After(leaf.NotAfter)
		if c.HasKey && newer && c.NotAfter.After(now) && c.RevokeTime.IsZero() && h.covered(c.Names) {
			return true
		}
	}
	return false
}

// covered says that some names are all that the host wants.
func (h *host) covered(names []string) bool {
	for _, want := range h.settings.names {
		found := false
		for _, name := range names {
			found = found || name == want
		}
		if !found {
			return false
		}
	}
	return true
}
