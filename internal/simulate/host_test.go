package simulate

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"dvagent/agent"
	"dvagent/internal/command"
	"dvagent/internal/untouched"
)

// host is one machine: its disk, its web server, and the agent's process while it
// runs.
type host struct {
	world       *world
	name        string
	certificate string // its name in the configuration: due at another moment than the same one elsewhere
	dir         string
	address     string // of its web server
	settings    settings
	mounted     bool // its disk is one of its own

	mu      sync.Mutex
	served  *tls.Certificate // what the web server has loaded; nil: it serves nothing yet
	process *process         // of the service; nil: none runs
	broken  bool             // its commands fail
	off     bool             // it has no power
	offline bool             // it reaches nobody but itself
	full    bool             // its disk has no room
	asleep  chan struct{}    // closed when it wakes; nil while it is awake

	shows   untouched.Files[bool] // whether a file of the state directory shows the secret
	watch   watch                 // what a checker knows of it
	sent    tally                 // requests to the cloud, since the last look of the checker
	dialled tally                 // since the last look of the checker
}

// The programs of a host.
const (
	checkCommand  = "/usr/sbin/check-server"
	reloadCommand = "/usr/sbin/reload-server"
	hookCommand   = "/usr/local/bin/tell"
)

func (h *host) certificateFile() string { return filepath.Join(h.dir, "tls", "fullchain.pem") }
func (h *host) keyFile() string         { return filepath.Join(h.dir, "tls", "privkey.pem") }
func (h *host) stateDir() string        { return filepath.Join(h.dir, "state") }
func (h *host) configFile() string      { return filepath.Join(h.dir, "agent.toml") }

// disks are the directories that the agent writes into.
func (h *host) disks() []string {
	disks := []string{h.stateDir(), filepath.Join(h.dir, "tls")}
	if h.settings.byFile {
		disks = append(disks, h.webroot())
	}
	return disks
}

// serve begins the host's web server, which ends with ctx.
func (h *host) serve(ctx context.Context) error {
	l, err := h.world.net.Listen("tcp", h.address)
	if err != nil {
		return err
	}
	context.AfterFunc(ctx, func() { l.Close() })
	settings := &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.served == nil {
			return nil, errors.New("no certificate")
		}
		return h.served, nil
	}}
	h.world.done.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			h.world.done.Go(func() {
				defer c.Close()
				c.SetDeadline(time.Now().Add(10 * time.Second))
				if tls.Server(c, settings).Handshake() == nil {
					_, _ = io.Copy(io.Discard, c)
				}
			})
		}
	})
	return nil
}

// reload loads what lies on the disk, as a web server does.
func (h *host) reload() error {
	pair, err := tls.LoadX509KeyPair(h.certificateFile(), h.keyFile())
	if err != nil {
		return err
	}
	h.mu.Lock()
	before := h.served
	h.served = &pair
	h.mu.Unlock()
	if before != nil {
		h.checkReload(before.Leaf, pair.Leaf)
	}
	return nil
}

// leaf is what the web server serves; nil: nothing.
func (h *host) leaf() *x509.Certificate {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.served == nil {
		return nil
	}
	return h.served.Leaf
}

// execute stands for the programs of the host.
func (h *host) execute(c command.Command, out io.Writer) int {
	for _, variable := range c.Env {
		if strings.Contains(variable, secret) {
			h.world.violated("I6: the environment of %s shows the secret", c.Argv[0])
		}
	}
	h.mu.Lock()
	broken := h.broken
	h.mu.Unlock()
	var err error
	switch {
	case c.Argv[0] == hookCommand:
	case broken:
		err = errors.New("the server's configuration is wrong")
	case c.Argv[0] == reloadCommand:
		err = h.reload()
	}
	if err != nil {
		fmt.Fprintln(out, err)
		return 1
	}
	return 0
}

// start begins the agent's service.
func (h *host) start() {
	if h.running() != nil || h.off {
		return
	}
	p, err := h.launch(serviceOf)
	if err != nil && h.isFull() {
		h.world.tell(h.name, "the service does not start: %v", err)
		return
	}
	if err != nil {
		h.world.violated("the service of %s does not start: %v", h.name, err)
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.process = p
}

// running is the service's process, or nil.
func (h *host) running() *process {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.process
}

// end stops the service as a signal does, or buries one that was killed.
func (h *host) end() {
	h.mu.Lock()
	p := h.process
	h.process = nil
	h.mu.Unlock()
	if p == nil {
		return
	}
	p.stop()
	if err := h.withRoom(p.bury); err != nil {
		h.world.violated("the disk of %s: %v", h.name, err)
	}
}

// once runs a command of an operator beside the service.
func (h *host) once(do func(ctx context.Context, a *agent.Agent) error) {
	h.rest()
	p, err := h.launch(do)
	if err != nil && h.isFull() {
		h.world.tell(h.name, "a command does not start: %v", err)
		return
	}
	if err != nil {
		h.world.violated("a command of %s does not start: %v", h.name, err)
		return
	}
	<-p.ended
}

// rest returns when the host is awake.
func (h *host) rest() {
	h.mu.Lock()
	asleep := h.asleep
	h.mu.Unlock()
	if asleep != nil {
		<-asleep
	}
}

func (h *host) reaches(address string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return !h.offline || address == h.address || h.settings.byFile && address == webAddress
}

// set changes what a host is like.
func (h *host) set(change func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	change()
}

// suspend has the host sleep until the answer is called.
func (h *host) suspend() (wake func()) {
	asleep := make(chan struct{})
	h.set(func() { h.asleep = asleep })
	if p := h.running(); p != nil {
		p.hangUp()
	}
	return func() {
		h.set(func() { h.asleep = nil })
		close(asleep)
	}
}

// logged takes what a host's agent logs.
type logged struct{ host *host }

func (l logged) Write(text []byte) (int, error) {
	if bytes.Contains(text, []byte(secret)) {
		l.host.world.violated("I6: the log shows the secret: %s", text)
	}
	if bytes.Contains(text, []byte("msg=panic")) {
		l.host.world.violated("a panic: %s", text)
	}
	return len(text), nil
}

// usage is how many files the state directory has, and how many bytes, and
// whether one of them shows the secret.
func (h *host) usage() (files int, size int64, leaks string) {
	_ = filepath.WalkDir(h.stateDir(), func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return nil
		}
		if info, err := d.Info(); err == nil { // else it went away meanwhile
			files, size = files+1, size+info.Size()
		}
		shows, err := h.shows.Of(path, func() (bool, error) {
			content, err := os.ReadFile(path)
			return bytes.Contains(content, []byte(secret)), err
		})
		if err == nil && shows {
			leaks = path
		}
		return nil
	})
	return files, size, leaks
}
