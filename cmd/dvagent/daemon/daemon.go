// Package daemon is dvagent run: it wires the service to its configuration's
// changes, to systemd, to the socket of other commands and to the dashboard.
// What the service does is decided in package agent.
package daemon

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"dvagent/agent"
	"dvagent/agent/config"
	"dvagent/agent/state"
	"dvagent/dashboard"
	"dvagent/internal/hint"
)

// Options are what a daemon is made with.
type Options struct {
	Log    *slog.Logger
	Build  dashboard.Build
	Caller state.Caller
	Show   func(state.Progress) // of each step; from any goroutine
	// Open reads the configuration and makes an agent of it that tells observe, at
	// the start and again at each change.
	Open func(observe state.Observer) (*agent.Agent, *config.Config, error)
}

// daemon is the service with what is around it.
type daemon struct {
	options  Options
	log      *slog.Logger
	config   *config.Config // it was started with
	board    *dashboard.Dashboard
	systemd  *systemd
	service  *agent.Service
	replaced chan *agent.Agent
}

// Run runs the service until ctx is done. A configuration that was changed
// replaces the agent between two passes; a broken one is reported and ignored.
func Run(ctx context.Context, o Options) error {
	d := &daemon{options: o, log: o.Log, board: dashboard.New(o.Build), systemd: newSystemd(o.Log),
		replaced: make(chan *agent.Agent)}
	a, cfg, err := o.Open(d.observe)
	if err != nil {
		return err
	}
	lock, err := state.Dir(cfg.StateDir).LockService(ctx, o.Caller)
	if err != nil {
		return err
	}
	d.config, d.service = cfg, agent.NewService(a, d.replaced, o.Caller)
	d.board.Speak(cfg.Language)
	d.log.Info("started", "certificates", len(cfg.Certificates), "config", cfg.Path, "state_dir", cfg.StateDir)
	err = d.run(ctx, lock)
	d.log.Info("stopped")
	return err
}

func (d *daemon) observe(e state.Event) {
	if p, ok := e.(state.Progress); ok {
		d.options.Show(p)
	}
	d.board.Observe(e)
	d.systemd.observe(e)
}

func (d *daemon) run(ctx context.Context, lock *state.Lock) error {
	group, ctx := errgroup.WithContext(ctx)
	ctx, stop := context.WithCancel(ctx)
	context.AfterFunc(ctx, d.systemd.stopping)
	watch := &configWatch{path: d.config.Path, known: d.config.Digest, asked: hangups(ctx),
		warn:    func(err error) { d.log.Warn("changes are noticed late", "error", err) },
		changed: func() error { return d.reload(ctx) }}
	d.systemd.ready()
	group.Go(func() error {
		defer stop()
		return d.service.Run(ctx)
	})
	group.Go(func() error {
		watch.run(ctx)
		return nil
	})
	group.Go(func() error {
		defer stop()
		return d.attend(ctx, lock)
	})
	if d.config.Service.Listen != "" {
		group.Go(func() error {
			d.show(ctx)
			return nil
		})
	}
	return group.Wait()
}

// show serves the dashboard, and tries again each minute where it cannot. A port
// that is taken keeps nothing from being renewed.
func (d *daemon) show(ctx context.Context) {
	for ctx.Err() == nil {
		if err := d.board.Serve(ctx, d.service, d.config.Service, d.log); err != nil {
			d.log.Error("the service cannot be seen; tried again in a minute", "error", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Minute):
		}
	}
}

// reload puts the agent of a changed configuration to work, or says why not.
func (d *daemon) reload(ctx context.Context) error {
	d.systemd.reloading()
	defer d.systemd.ready()
	fresh, err := d.replace(ctx)
	d.board.Reloaded(err)
	if err == nil {
		d.board.Speak(fresh.Language)
		d.log.Info("took the new configuration", "certificates", len(fresh.Certificates))
		d.warnOfListen(fresh.Service)
	} else if d.service.Refuse(err) {
		d.log.Error("the new configuration is not used; the old one stays", "error", err)
		d.systemd.status("the new configuration is not used: %s", err)
	}
	return err
}

// replace opens the configuration anew. The state stays where it is: orders, the
// lock and the socket of the service lie there.
func (d *daemon) replace(ctx context.Context) (*config.Config, error) {
	a, cfg, err := d.options.Open(d.observe)
	if err != nil {
		return nil, err
	}
	if old := d.config.StateDir; cfg.StateDir != old {
		return nil, hint.Add(fmt.Errorf("state_dir is another one now, %s", cfg.StateDir),
			"it counts from the next start: move the directory and restart the service, or put it back to "+old)
	}
	select {
	case d.replaced <- a:
	case <-ctx.Done():
	}
	return cfg, nil
}

// warnOfListen says that what [service] says of listening counts from the next
// start on.
func (d *daemon) warnOfListen(is config.Service) {
	was := d.config.Service
	was.Interval = is.Interval
	if was != is {
		d.log.Warn("what [service] says of listen, tls and token counts from the next start on")
	}
}

// hangups passes SIGHUP on.
func hangups(ctx context.Context) <-chan struct{} {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGHUP)
	asked := make(chan struct{})
	go func() {
		defer signal.Stop(signals)
		for {
			select {
			case <-ctx.Done():
				return
			case <-signals:
				select {
				case asked <- struct{}{}:
				case <-ctx.Done():
				}
			}
		}
	}()
	return asked
}
