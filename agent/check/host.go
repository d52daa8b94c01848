// Package check is dvagent check: it looks at this host, at the accounts and at
// the zones for what would keep the agent from working. It repairs nothing; the
// write test alone changes something, a record of no meaning that it removes.
package check

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"dvagent/internal/journal"
	"dvagent/internal/words"

	"golang.org/x/sys/unix"

	"dvagent/agent/account"
	"dvagent/agent/config"
	"dvagent/agent/order"
	"dvagent/agent/proof"
	"dvagent/agent/state"
	"dvagent/internal/hint"
)

// Finding is one thing that was checked.
type Finding struct {
	Subject string // such as a certificate, a path or an account
	OK      string // what was found to be right; empty when Err is set
	Err     error
	Warning bool // Err does not keep the agent from working
}

// Check looks at one host and its accounts.
type Check struct {
	host     *state.Host    // with the certificates that are looked at
	whole    *config.Config // with all of them
	accounts *account.Accounts
	zones    *proof.Zones
	programs *programs
}

// New contacts nothing.
func New(host *state.Host, accounts *account.Accounts) *Check {
	return &Check{host, host.Config, accounts, proof.NewZones(host, accounts), new(programs)}
}

// Only is a check of these certificates alone: of the host what they need, and
// not what nginx serves beside them.
func (c *Check) Only(names map[string]bool) *Check {
	cfg := *c.whole
	cfg.Certificates = slices.DeleteFunc(slices.Clone(cfg.Certificates), func(one config.Certificate) bool { return !names[one.Name] })
	only := *c
	only.host = state.NewHost(&cfg, c.host.Log, c.host.Observe)
	return &only
}

// partial says that not every certificate is looked at.
func (c *Check) partial() bool { return len(c.host.Config.Certificates) < len(c.whole.Certificates) }

// Host looks at paths, permissions, commands and the clock of this host, at the
// TLS servers of its nginx, and at what the probes show, as the user that this
// process is. It changes nothing, and contacts nothing but the probes and what the
// deployments' checks do, which it runs.
func (c *Check) Host(ctx context.Context, now time.Time) []Finding {
	stateDir := checkStateDir(c.host.Dir)
	findings := append(c.configuration(), stateDir, checkClock(now))
	if s := c.host.Config.Service; s.Listen != "" && s.Token.IsZero() {
		findings = append(findings, Finding{Subject: "service", Warning: true, Err: hint.Add(
			fmt.Errorf("every user of this host, and each site on it that can be made to fetch an address, can read what is shown at %s", s.Listen),
			"set token_file in [service]; dvagent status needs no port")})
	}
	if stateDir.Err == nil {
		findings = append(findings, checkLedgers(c.host.Dir)...)
	}
	findings = append(findings, checkSecrets(c.host.Config)...)
	findings = append(findings, c.shown(now)...)
	targets, inPlace := c.certificates(ctx, now, stateDir.Err == nil)
	findings = distinct(append(findings, targets...))
	findings = append(findings, c.tryChecks(ctx)...)
	findings = append(findings, inPlace...)
	for _, hook := range c.host.Config.Hooks {
		findings = append(findings, c.programs.check("hook", hook.Command)...)
	}
	findings = append(findings, c.probes(ctx)...)
	if c.partial() {
		return findings
	}
	return append(findings, c.nginxServers(ctx, now)...)
}

// distinct leaves out what was found before.
func distinct(findings []Finding) []Finding {
	known := make(map[Finding]bool, len(findings))
	return slices.DeleteFunc(findings, func(finding Finding) bool {
		before := known[finding]
		known[finding] = true
		return before
	})
}

func checkStateDir(dir state.Dir) Finding {
	if _, err := os.Lstat(string(dir)); os.IsNotExist(err) && madeByUnit(dir) {
		return Finding{Subject: "state_dir", OK: string(dir) + " will be made"}
	}
	existing := string(dir)
	for {
		if _, err := os.Lstat(existing); err == nil || existing == "/" {
			break
		}
		existing = filepath.Dir(existing)
	}
	if info, err := os.Stat(existing); err == nil && !info.IsDir() {
		return Finding{Subject: "state_dir", Err: hint.Add(fmt.Errorf("%s is not a directory", existing), state.OtherDirHint)}
	}
	if err := unix.Access(existing, unix.W_OK|unix.X_OK); err != nil {
		return Finding{Subject: "state_dir", Err: hint.Add(fmt.Errorf("%s cannot be written: %w", existing, err), "install -d -m 0700 "+string(dir))}
	}
	if err := cmp.Or(state.Dir(existing).Safe(), dir.Usable()); err != nil {
		return Finding{Subject: "state_dir", Err: err}
	}
	return Finding{Subject: "state_dir", OK: string(dir) + " can be written"}
}

// checkLedgers finds those that cannot be read. One that a later dvagent wrote is set
// aside by the next pass.
func checkLedgers(dir state.Dir) (findings []Finding) {
	_, instances := order.LoadInstances(dir.Instances())
	_, records := order.LoadOwed(dir.Records())
	for _, err := range []error{instances, records} {
		var later *journal.LaterError
		if err != nil && !errors.As(err, &later) {
			findings = append(findings, Finding{Subject: "state_dir", Err: hint.Add(err, state.UnreadableHint)})
		}
	}
	return findings
}

// checkClock knows no better clock than the time when this was built.
func checkClock(now time.Time) Finding {
	if now.Year() < 2026 {
		return Finding{Subject: "clock", Err: fmt.Errorf("it shows %s, which has passed", words.Date(now))}
	}
	return Finding{Subject: "clock", OK: "shows " + words.Minute(now)}
}
