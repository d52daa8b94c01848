package simulate

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"dvagent/agent"
	"dvagent/agent/config"
	"dvagent/agent/state"
	"dvagent/internal/command"
	"dvagent/internal/network"
)

// host is one machine: its disk, its web server, and the agent's process while it
// runs.
type host struct {
	world   *world
	name    string
	dir     string
	address string // of its web server

	mu      sync.Mutex
	served  *tls.Certificate // what the web server has loaded; nil: it serves nothing yet
	process *process         // nil: none runs
	broken  string           // why its commands fail; "" when they work
	asleep  chan struct{}    // closed when it wakes; nil while it is awake
	offline bool

	effects int // that this host has had
}

// reloaded and told are the commands of the configuration.
const (
	checkCommand  = "/usr/sbin/check-server"
	reloadCommand = "/usr/sbin/reload-server"
	hookCommand   = "/usr/local/bin/tell"
)

// process is one life of the agent on a host. It is dead from the moment it is
// killed, whatever its goroutines still do.
type process struct {
	host  *host
	stop  context.CancelFunc
	ended chan struct{}
	err   error

	mu    sync.Mutex
	dead  bool
	conns map[net.Conn]bool
	until int // the effect at which it is killed; 0: none
	saved string
}

var errDead = errors.New("the process is dead")

func (h *host) certificateFile() string { return filepath.Join(h.dir, "tls", "fullchain.pem") }
func (h *host) keyFile() string         { return filepath.Join(h.dir, "tls", "privkey.pem") }
func (h *host) stateDir() string        { return filepath.Join(h.dir, "state") }
func (h *host) configFile() string      { return filepath.Join(h.dir, "agent.toml") }

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
	defer h.mu.Unlock()
	h.served = &pair
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

// start begins the agent's service.
func (h *host) start() error {
	cfg, err := config.Load(h.configFile())
	if err != nil {
		return err
	}
	if err := state.Dir(cfg.StateDir).Prepare(); err != nil {
		return err
	}
	p := &process{host: h, ended: make(chan struct{}), conns: map[net.Conn]bool{}}
	a, err := p.agent(cfg)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(p.within(context.Background()))
	p.stop = stop
	h.mu.Lock()
	h.process = p
	h.mu.Unlock()
	h.world.done.Go(func() {
		defer close(p.ended)
		p.err = agent.NewService(a, nil, state.Caller{Who: state.ServiceCaller, LockWait: time.Minute}).Run(ctx)
	})
	return nil
}

// within is a context in which the process meets the simulation in place of the
// network and of other processes.
func (p *process) within(ctx context.Context) context.Context {
	return command.WithRunner(network.With(ctx, p), p.command)
}

func (p *process) agent(cfg *config.Config) (*agent.Agent, error) {
	log := slog.New(slog.NewTextHandler(p.host.world.logs(p.host), nil))
	settings := state.NewHost(cfg, log, p.observe)
	settings.Roots, settings.Unwatched, settings.Nap = p.host.world.roots, true, time.Hour
	return agent.NewOn(settings)
}

// end stops the service as a signal does, or waits for one that is dead.
func (h *host) end() {
	h.mu.Lock()
	p := h.process
	h.process = nil
	h.mu.Unlock()
	if p == nil {
		return
	}
	p.stop()
	<-p.ended
}

// observe is told what the agent does; a host that is asleep goes on when it wakes.
func (p *process) observe(e state.Event) {
	if _, resting := e.(state.Rest); resting {
		p.host.rest()
		return
	}
	if progress, ok := e.(state.Progress); ok {
		p.host.world.progress(p.host, progress)
	}
}

func (h *host) rest() {
	h.mu.Lock()
	asleep := h.asleep
	h.mu.Unlock()
	if asleep != nil {
		<-asleep
	}
}

// command stands for the programs of the host.
func (p *process) command(_ context.Context, c command.Command, out io.Writer) (int, error) {
	h := p.host
	h.mu.Lock()
	broken := h.broken
	h.mu.Unlock()
	if broken != "" && c.Argv[0] != hookCommand {
		fmt.Fprintln(out, broken)
		return 1, fmt.Errorf("%s failed: exit status 1", c.Argv[0])
	}
	if c.Argv[0] == reloadCommand {
		if err := h.reload(); err != nil {
			fmt.Fprintln(out, err)
			return 1, fmt.Errorf("%s failed: exit status 1", c.Argv[0])
		}
	}
	if c.Argv[0] == hookCommand {
		h.world.hooked(h, c.Env)
	}
	return 0, nil
}

// DialContext is network.Dialer's: it reaches what the host reaches.
func (p *process) DialContext(ctx context.Context, protocol, address string) (net.Conn, error) {
	h := p.host
	h.mu.Lock()
	offline := h.offline && address != h.address
	h.mu.Unlock()
	if offline {
		<-ctx.Done()
		return nil, &net.OpError{Op: "dial", Net: protocol, Err: ctx.Err()}
	}
	return h.world.net.DialContext(ctx, protocol, address)
}

// disk lists the files of the state directory, and how many bytes they have.
func (h *host) disk() (files []string, bytes int64) {
	_ = filepath.WalkDir(h.stateDir(), func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil
		}
		files = append(files, path)
		if info, err := d.Info(); err == nil {
			bytes += info.Size()
		}
		return nil
	})
	slices.Sort(files)
	return files, bytes
}
