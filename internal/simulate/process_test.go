package simulate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"

	"dvagent/agent"
	"dvagent/agent/config"
	"dvagent/agent/state"
	"dvagent/internal/command"
	"dvagent/internal/network"
)

// process is one life of the agent on a host. It is dead from the moment it is
// killed, whatever its goroutines still do: nothing of it leaves the host, and
// the disk is put back to what it was then.
type process struct {
	host  *host
	stop  context.CancelFunc
	ended chan struct{}

	mu      sync.Mutex
	dead    bool
	conns   map[net.Conn]bool
	left    int   // effects until it is killed; negative: it is not
	saved   *tree // the disk, as it was when it was killed
	killed  string
	onDeath func()
}

var errDead = errors.New("the process is dead")

// launch begins a process that does do until it ends.
func (h *host) launch(do func(ctx context.Context, a *agent.Agent) error) (*process, error) {
	cfg, err := config.Load(h.configFile())
	if err != nil {
		return nil, err
	}
	if err := state.Dir(cfg.StateDir).Prepare(); err != nil {
		return nil, err
	}
	p := &process{host: h, ended: make(chan struct{}), conns: map[net.Conn]bool{}, left: -1}
	settings := state.NewHost(cfg, slog.New(slog.NewTextHandler(logged{h}, nil)), p.observe)
	settings.Roots, settings.Unwatched, settings.Nap, settings.Place = h.world.roots, true, time.Hour, h.name
	a, err := agent.NewOn(settings)
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(command.WithRunner(network.With(context.Background(), p), p.command))
	p.stop = stop
	h.world.done.Go(func() {
		defer close(p.ended)
		defer stop()
		if err := do(ctx, a); err != nil && !p.isDead() {
			h.world.tell(h.name, "the process ends: %v", err)
		}
	})
	return p, nil
}

// serviceOf runs the service until it is stopped.
func serviceOf(ctx context.Context, a *agent.Agent) error {
	return agent.NewService(a, nil, state.Caller{Who: state.ServiceCaller, LockWait: time.Minute}).Run(ctx)
}

func (p *process) isDead() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dead
}

// hasEnded says that the process has ended, by itself or not.
func (p *process) hasEnded() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// killAt has the process killed at its nth effect from now on.
func (p *process) killAt(n int, then func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.left, p.onDeath = n, then
}

// effect is called before and after each thing that others see. It answers false
// when the process is dead.
func (p *process) effect(what string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.left >= 0 && !p.dead {
		if p.left--; p.left < 0 {
			p.die(what)
		}
	}
	return !p.dead
}

// kill kills the process now.
func (p *process) kill(what string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.onDeath = nil; !p.dead {
		p.die(what)
	}
}

// die keeps the disk and lets nothing out any more; the caller holds the lock.
func (p *process) die(what string) {
	p.dead, p.killed, p.saved = true, what, save(p.host.disks())
	for c := range p.conns {
		c.Close()
	}
	p.stop()
	if p.onDeath != nil {
		p.onDeath()
	}
}

// bury waits until nothing of a dead process is left, and puts the disk back.
func (p *process) bury() error {
	<-p.ended
	if p.saved == nil {
		return nil
	}
	return p.saved.restore()
}

// observe is told what the agent does. A host that is asleep goes on when it wakes.
func (p *process) observe(e state.Event) {
	switch e := e.(type) {
	case state.Rest:
		p.host.rest()
	case state.Progress:
		if p.effect(e.Step+": "+e.Text) && !e.Waiting && !e.Begun {
			p.host.world.progress(p.host, e)
		}
	case state.OrderChange:
		p.effect("order " + string(e))
	}
}

// command stands for the programs of the host.
func (p *process) command(_ context.Context, c command.Command, out io.Writer) (int, error) {
	if !p.effect("before " + c.Argv[0]) {
		return -1, errDead
	}
	code := p.host.execute(c, out)
	if !p.effect("after " + c.Argv[0]) {
		return -1, errDead
	}
	if code != 0 {
		return code, fmt.Errorf("%s failed: exit status %d", c.Argv[0], code)
	}
	return 0, nil
}

// DialContext is network.Dialer's: it reaches what the host reaches.
func (p *process) DialContext(ctx context.Context, protocol, address string) (net.Conn, error) {
	begun := time.Now()
	if p.host.rest(); time.Since(begun) > time.Minute { // whoever wanted it has long given up
		return nil, &net.OpError{Op: "dial", Net: protocol, Err: os.ErrDeadlineExceeded}
	}
	if p.isDead() {
		return nil, errDead
	}
	p.host.dialled.add(protocol + " " + address)
	if !p.host.reaches(address) {
		return nil, unanswered(ctx, protocol)
	}
	c, err := p.host.world.net.DialContext(ctx, protocol, address)
	if err != nil || protocol == "udp" {
		return c, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dead {
		c.Close()
		return nil, errDead
	}
	p.conns[c] = true
	counts := address == p.host.world.apiAddress()
	return &line{Conn: c, process: p, counts: counts}, nil
}

// hangUp breaks all connections of the process.
func (p *process) hangUp() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		c.Close()
	}
}

// line is a connection of a process, which ends with it.
type line struct {
	net.Conn
	process *process
	counts  bool // what goes over it is an effect
}

func (l *line) Write(data []byte) (int, error) {
	if l.counts {
		l.process.host.asked()
	}
	if l.counts && !l.process.effect("a request that does not arrive") {
		return 0, errDead
	}
	return l.Conn.Write(data)
}

func (l *line) Read(into []byte) (int, error) {
	n, err := l.Conn.Read(into)
	if err == nil && l.counts && !l.process.effect("an answer that does not arrive") {
		return 0, errDead
	}
	return n, err
}

func (l *line) Close() error {
	l.process.mu.Lock()
	delete(l.process.conns, l.Conn)
	l.process.mu.Unlock()
	return l.Conn.Close()
}
