package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"dvagent/agent"
	"dvagent/agent/config"
	"dvagent/deploy"
	"dvagent/internal/hint"
	"dvagent/internal/line"
	"dvagent/internal/sandbox"
)

func (c *cli) demoCommand() *cobra.Command {
	var keep bool
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "The whole job on this machine: no root, no account, no network",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			dir, err := os.MkdirTemp("", "dvagent-demo-")
			if err != nil {
				return err
			}
			defer os.RemoveAll(dir)
			d := &demo{cli: c, dir: dir, started: time.Now()}
			defer d.stop()
			return d.run(cmd.Context(), keep)
		},
	}
	cmd.Flags().BoolVar(&keep, "keep", false, "stay up afterwards, until it is interrupted")
	return cmd
}

// demo is one run of the demonstration.
type demo struct {
	*cli
	dir     string
	started time.Time
	sandbox *sandbox.Sandbox
	server  *demoServer
	agent   *agent.Agent
	first   deploy.Handshake
	second  deploy.Handshake
	traffic traffic
}

func (d *demo) run(ctx context.Context, keep bool) error {
	for _, chapter := range []struct {
		title string
		tell  func(context.Context) error
	}{
		{"A stand-in for Alibaba Cloud", d.startSandbox},
		{"A web server with a placeholder certificate", d.startServer},
		{"dvagent renew: the first order", d.firstOrder},
		{"dvagent renew --force: a renewal under traffic", d.renewal},
		{"What happened", d.summary},
	} {
		fmt.Fprintf(d.stdout, "\n%s\n", chapter.title)
		if err := chapter.tell(ctx); err != nil {
			return err
		}
	}
	if !keep {
		return nil
	}
	fmt.Fprintf(d.stdout, "\nStill up until you press Ctrl-C. Try, in another terminal:\n  dvagent --config %s status\n  dvagent --config %s plan\n",
		d.config(), d.config())
	<-ctx.Done()
	return nil
}

// stop ends what the demo started.
func (d *demo) stop() {
	if d.server != nil {
		d.server.stop()
	}
	if d.sandbox != nil {
		d.sandbox.Close()
	}
}

func (d *demo) say(format string, args ...any) {
	fmt.Fprintf(d.stdout, "  %5.1fs  %s\n", time.Since(d.started).Seconds(), line.Of(fmt.Sprintf(format, args...)))
}

func (d *demo) config() string { return filepath.Join(d.dir, "agent.toml") }

func (d *demo) startSandbox(context.Context) (err error) {
	if d.sandbox, err = sandbox.Start(sandbox.Options{Dir: d.dir}); err != nil {
		return fmt.Errorf("start the sandbox: %w", err)
	}
	ready := d.sandbox.Ready()
	d.say("CAS and AliDNS answer at %s, name servers at %s", ready.API, strings.Join(ready.DNS, " and "))
	d.say("the account has %d paid DV instances and the zone %s", len(d.sandbox.Instances()), strings.Join(ready.Zones, ", "))
	return nil
}

func (d *demo) startServer(ctx context.Context) (err error) {
	if d.server, err = startDemoServer(ctx, d.dir); err != nil {
		return fmt.Errorf("start a web server: %w", err)
	}
	text := d.sandbox.AgentConfig(filepath.Join(d.dir, "state")) + d.server.deployment()
	if err := os.WriteFile(d.config(), []byte(text), 0o600); err != nil {
		return err
	}
	cfg, err := config.Load(d.config())
	if err != nil {
		return err
	}
	if err := agent.Prepare(cfg.StateDir); err != nil {
		return err
	}
	// No log: its warnings, such as of the sandbox's own root, are no part of the story.
	d.agent, err = agent.New(cfg, agent.Options{Progress: d.progress})
	d.say("%s serves a self-signed certificate at %s", d.server.kind, d.server.address)
	d.say("dvagent is told of it in %s", d.config())
	return err
}

func (d *demo) progress(p agent.Progress) {
	switch {
	case p.Err != nil:
		d.say("%-10s failed: %v", p.Step, p.Err)
	case p.Waiting:
		d.say("%-10s … waits for %s", p.Step, p.Text)
	default:
		d.say("%-10s %s", p.Step, p.Text)
	}
}

func (d *demo) firstOrder(ctx context.Context) error {
	if err := d.renew(ctx, false); err != nil {
		return err
	}
	d.first = d.handshake(ctx)
	return d.first.Err
}

// renewal renews what is not due while clients come and go.
func (d *demo) renewal(ctx context.Context) error {
	d.say("clients connect without a pause")
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stopTraffic := d.traffic.start(ctx, d.server.address, d.sandbox.Ready().CAFile)
	err := d.renew(ctx, true)
	stopTraffic()
	if err != nil {
		return err
	}
	if d.second = d.handshake(ctx); d.second.Err != nil {
		return d.second.Err
	}
	if d.second.Fingerprint == d.first.Fingerprint {
		return errors.New("the renewed certificate is not served")
	}
	return nil
}

func (d *demo) renew(ctx context.Context, force bool) error {
	outcomes, err := d.agent.Renew(ctx, agent.Renewal{Force: force, Timeout: time.Minute, LockWait: time.Second, Who: "dvagent demo"})
	if err != nil {
		return err
	}
	for _, outcome := range outcomes {
		if outcome.Class != agent.Served {
			return hint.Add(fmt.Errorf("%s: %s", outcome.Certificate, describe(outcome)), outcome.Hint())
		}
	}
	return nil
}

func (d *demo) handshake(ctx context.Context) deploy.Handshake {
	h := deploy.Probe(ctx, d.server.address, "example.com")
	if h.Err == nil {
		d.say("a TLS handshake shows the certificate …%s, valid until %s", h.Fingerprint[56:], h.NotAfter.Format(time.DateOnly))
	}
	return h
}

// summary is the closing table. What it says was counted, not assumed.
func (d *demo) summary(ctx context.Context) error {
	used := d.sandbox.Submitted()
	left := 0
	for _, zone := range d.sandbox.Ready().Zones {
		for _, record := range d.sandbox.Records(zone) {
			if record.Type == "TXT" {
				left++
			}
		}
	}
	handshakes, failed := d.traffic.counts()
	if err := d.table(
		[]string{"  served first", "…" + d.first.Fingerprint[56:]},
		[]string{"  served now", "…" + d.second.Fingerprint[56:] + ", valid until " + d.second.NotAfter.Format(time.DateOnly)},
		[]string{"  instances used", fmt.Sprintf("%d of %d", used, len(d.sandbox.Instances()))},
		[]string{"  TXT records left", fmt.Sprint(left)},
		[]string{"  API calls", fmt.Sprint(len(d.sandbox.History()))},
		[]string{"  handshakes during the renewal", fmt.Sprintf("%d, of which %d failed", handshakes, failed)},
		[]string{"  reloaded", d.server.kind},
		[]string{"  took", time.Since(d.started).Round(100 * time.Millisecond).String()},
	); err != nil {
		return err
	}
	switch {
	case failed > 0:
		return fmt.Errorf("%d of %d handshakes failed during the renewal", failed, handshakes)
	case handshakes == 0:
		return errors.New("no client came during the renewal")
	case left > 0:
		return fmt.Errorf("%d TXT records were left behind", left)
	case used != 2:
		return fmt.Errorf("%d instances were used for two certificates", used)
	}
	return nil
}
