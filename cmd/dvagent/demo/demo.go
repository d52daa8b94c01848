// Package demo shows the whole job on one machine: it orders a certificate from
// the sandbox, installs it on a web server, and renews it while clients connect.
// Whatever it says was measured on the way: the agent is the real one, and each
// claim of the closing table is counted.
//
// It needs no root, no account and no network, and uses nginx where that is
// installed. It leaves nothing behind, reads no configuration of the user's,
// and writes only to a temporary directory of its own.
package demo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"dvagent/internal/words"

	"dvagent/agent"
	"dvagent/agent/config"
	"dvagent/agent/state"
	"dvagent/deploy"
	"dvagent/internal/bundle"
	"dvagent/internal/hint"
	"dvagent/internal/line"
	"dvagent/internal/sandbox"
)

// Options say how the demonstration is given.
type Options struct {
	Out    io.Writer // where it is told, in lines of plain text
	Keep   bool      // stay up after the closing table, until the context is done
	CASAPI string    // the version of CAS that there is: sandbox.API2018 or sandbox.API2020 ("")
}

// Run gives the demonstration; it takes some seconds. It fails when a step
// fails, and when the closing table counts what must not be, such as a
// handshake that failed during the renewal.
func Run(ctx context.Context, o Options) error {
	dir, err := os.MkdirTemp("", "dvagent-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	d := &demo{out: o.Out, dir: dir, api: cmp.Or(o.CASAPI, sandbox.API2020), started: time.Now()}
	defer d.stop()
	if err := d.tell(ctx); err != nil || !o.Keep {
		return err
	}
	fmt.Fprintf(d.out, "\nStill up until you press Ctrl-C. Try, in another terminal:\n  dvagent --config %s status\n  dvagent --config %s plan\n",
		d.config(), d.config())
	<-ctx.Done()
	return nil
}

// demo is one run of the demonstration.
type demo struct {
	out     io.Writer
	dir     string
	api     string // the version of CAS
	started time.Time
	sandbox *sandbox.Sandbox
	server  *webServer
	agent   *agent.Agent
	first   deploy.Handshake
	second  deploy.Handshake
	traffic traffic
}

// tell goes through the chapters.
func (d *demo) tell(ctx context.Context) error {
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
		fmt.Fprintf(d.out, "\n%s\n", chapter.title)
		if err := chapter.tell(ctx); err != nil {
			return err
		}
	}
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
	fmt.Fprintf(d.out, "  %5.1fs  %s\n", time.Since(d.started).Seconds(), line.Of(fmt.Sprintf(format, args...)))
}

func (d *demo) config() string { return filepath.Join(d.dir, "agent.toml") }

func (d *demo) startSandbox(context.Context) (err error) {
	if d.sandbox, err = sandbox.Start(sandbox.Options{Dir: d.dir, CASAPI: d.api}); err != nil {
		return fmt.Errorf("start the sandbox: %w", err)
	}
	ready := d.sandbox.Ready()
	d.say("CAS %s and AliDNS answer at %s, name servers at %s", d.api, ready.API, strings.Join(ready.DNS, " and "))
	d.say("the account has %d paid DV instances and the zone %s", len(d.sandbox.Instances()), strings.Join(ready.Zones, ", "))
	return nil
}

func (d *demo) startServer(ctx context.Context) error {
	server, err := startWebServer(ctx, d.dir)
	if err != nil {
		return fmt.Errorf("start a web server: %w", err)
	}
	d.server = server
	text := d.sandbox.AgentConfig(filepath.Join(d.dir, "state")) + d.server.deployment()
	if err := os.WriteFile(d.config(), []byte(text), 0o600); err != nil {
		return err
	}
	cfg, err := config.Load(d.config())
	if err != nil {
		return err
	}
	if err := state.Dir(cfg.StateDir).Prepare(); err != nil {
		return err
	}
	// Nothing is logged: warnings, such as the one about the sandbox's own root,
	// are not part of the story.
	d.agent, err = agent.New(cfg, nil, d.observe)
	d.say("%s serves a self-signed certificate at %s", d.server.kind, d.server.address)
	d.say("dvagent is told of it in %s", d.config())
	return err
}

func (d *demo) observe(e state.Event) {
	p, ok := e.(state.Progress)
	switch {
	case !ok:
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
	if d.first.Err != nil || d.api == sandbox.API2018 {
		return d.first.Err
	}
	return d.madeHere()
}

// madeHere checks that an instance holds the certificate request for the key
// that is installed.
func (d *demo) madeHere() error {
	key, err := os.ReadFile(d.server.key)
	if err != nil {
		return err
	}
	id, err := bundle.KeyID(key)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(d.sandbox.Subscriptions(), func(s sandbox.Subscription) bool { return s.KeyHash == id }) {
		return errors.New("the key that is installed was not made on this machine")
	}
	d.say("its private key was made on this machine; the account has the request for it")
	return nil
}

// renewal renews a certificate that is not due, while clients come and go.
func (d *demo) renewal(ctx context.Context) error {
	d.say("clients connect without a pause")
	stopTraffic, err := d.traffic.start(ctx, d.server.address, d.sandbox.Ready().CAFile)
	if err != nil {
		return err
	}
	err = d.renew(ctx, true)
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
	outcomes, err := d.agent.Renew(ctx, agent.Renewal{Force: force, Timeout: time.Minute, Caller: state.Caller{Who: "dvagent demo", LockWait: time.Second}})
	if err != nil {
		return err
	}
	for _, outcome := range outcomes {
		if outcome.Class != state.Served {
			return notServed(outcome)
		}
	}
	return nil
}

func notServed(o state.Outcome) error {
	why := o.Err
	if why == nil {
		why = fmt.Errorf("it waits for %s", o.Waiting)
	}
	return hint.Add(fmt.Errorf("%s is not served, at the step %s: %w", o.Certificate, o.Step, why), o.Hint())
}

func (d *demo) handshake(ctx context.Context) deploy.Handshake {
	h := deploy.Probe(ctx, d.server.address, "example.com", nil)
	if h.Err == nil {
		d.say("a TLS handshake shows the certificate …%s, valid until %s", tail(h), words.Date(h.NotAfter))
	}
	return h
}

// tail is the end of the fingerprint, which is enough to tell leaves apart.
func tail(h deploy.Handshake) string { return h.Fingerprint[56:] }
