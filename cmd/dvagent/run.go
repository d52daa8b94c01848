package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"dvagent/agent"
	"dvagent/agent/config"
	"dvagent/dashboard"
	"dvagent/internal/hint"
)

func (c *cli) runCommand() *cobra.Command {
	var lockWait time.Duration
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Run as a service: renew what is due, converge what has drifted",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.serve(cmd.Context(), lockWait, who(cmd))
		},
	}
	addLockWait(cmd, &lockWait)
	return cmd
}

// serve runs the service until ctx is done. A configuration that was changed
// replaces the agent between two passes; a broken one is reported and ignored.
func (c *cli) serve(ctx context.Context, lockWait time.Duration, who string) error {
	log := c.log()
	board, systemd := dashboard.New(build()), newSystemd(log)
	options := board.Observe(agent.Options{Log: log, Moved: systemd.alive, Resting: systemd.resting, Progress: func(p agent.Progress) {
		logProgress(log, p)
		systemd.progress(p)
	}})
	a, cfg, err := c.worker(options)
	if err != nil {
		return err
	}
	replaced := make(chan *agent.Agent)
	service := agent.NewService(a, replaced, lockWait, who)
	log.Info("started", "certificates", len(cfg.Certificates), "config", cfg.Path, "state_dir", cfg.StateDir)
	group, ctx := errgroup.WithContext(ctx)
	ctx, stop := context.WithCancel(ctx)
	asked := hangups(ctx)
	context.AfterFunc(ctx, systemd.stopping)
	systemd.ready()
	group.Go(func() error {
		defer stop()
		return service.Run(ctx)
	})
	group.Go(func() error {
		warn := func(err error) { log.Warn("changes are noticed late", "error", err) }
		agent.WatchConfig(ctx, cfg.Path, cfg.Digest, asked, warn, func() error {
			systemd.reloading()
			defer systemd.ready()
			fresh, err := c.reload(ctx, cfg.StateDir, options, replaced)
			board.Reloaded(err)
			if err == nil {
				log.Info("took the new configuration", "certificates", len(fresh.Certificates))
				warnOfListen(log, cfg.Service, fresh.Service)
			} else if service.Refuse(err) {
				log.Error("the new configuration is not used; the old one stays", "error", err)
				systemd.status("the new configuration is not used: %s", err)
			}
			return err
		})
		return nil
	})
	group.Go(func() error {
		if err := answerBeside(ctx, cfg.StateDir, service); err != nil {
			log.Warn("dvagent status cannot ask this service", "error", err)
		}
		return nil
	})
	if cfg.Service.Listen != "" {
		group.Go(func() error {
			keepTrying(ctx, log, func() error { return board.Serve(ctx, service, cfg.Service, log) })
			return nil
		})
	}
	err = group.Wait()
	log.Info("stopped")
	return err
}

// keepTrying does again each minute what shows the service. A port that is
// taken keeps nothing from being renewed.
func keepTrying(ctx context.Context, log *slog.Logger, serve func() error) {
	for ctx.Err() == nil {
		if err := serve(); err != nil {
			log.Error("the service cannot be seen; tried again in a minute", "error", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Minute):
		}
	}
}

// reload puts the agent of a changed configuration to work. The state stays
// where it is: orders, the lock and the socket of the service lie there.
func (c *cli) reload(ctx context.Context, stateDir string, options agent.Options, replaced chan<- *agent.Agent) (*config.Config, error) {
	a, cfg, err := c.worker(options)
	if err != nil {
		return nil, err
	}
	if cfg.StateDir != stateDir {
		return nil, hint.Add(fmt.Errorf("state_dir is another one now, %s", cfg.StateDir),
			"it counts from the next start: move the directory and restart the service, or put it back to "+stateDir)
	}
	select {
	case replaced <- a:
	case <-ctx.Done():
	}
	return cfg, nil
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

// warnOfListen says that what [service] says of listening counts from the next
// start on.
func warnOfListen(log *slog.Logger, was, is config.Service) {
	was.Interval = is.Interval
	if was != is {
		log.Warn("what [service] says of listen, tls and token counts from the next start on")
	}
}
