package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"dvagent/agent"
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
	options := agent.Options{Log: log, Progress: func(p agent.Progress) { logProgress(log, p) }}
	a, cfg, err := c.worker(options)
	if err != nil {
		return err
	}
	replaced := make(chan *agent.Agent)
	service := agent.NewService(a, replaced, lockWait, who)
	log.Info("started", "certificates", len(cfg.Certificates), "config", cfg.Path, "state_dir", cfg.StateDir)
	group, ctx := errgroup.WithContext(ctx)
	ctx, stop := context.WithCancel(ctx)
	group.Go(func() error {
		defer stop()
		return service.Run(ctx)
	})
	group.Go(func() error {
		return agent.WatchConfig(ctx, cfg.Path, hangups(ctx), func() { c.reload(ctx, log, options, replaced) })
	})
	if cfg.Service.Listen != "" {
		group.Go(func() error { return serveStatus(ctx, cfg.Service.Listen, service) })
	}
	err = group.Wait()
	log.Info("stopped")
	return err
}

func (c *cli) reload(ctx context.Context, log *slog.Logger, options agent.Options, replaced chan<- *agent.Agent) {
	a, cfg, err := c.worker(options)
	if err != nil {
		log.Error("the new configuration is not used; the old one stays", "error", err)
		return
	}
	select {
	case replaced <- a:
		log.Info("took the new configuration", "certificates", len(cfg.Certificates))
	case <-ctx.Done():
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
