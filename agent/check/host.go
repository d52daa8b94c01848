// Package check is dvagent check: it looks at this host, at the accounts and at
// the zones for what would keep the agent from working. It repairs nothing; the
// write test alone changes something, a record of no meaning that it removes.
package check

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"dvagent/internal/words"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"dvagent/agent/account"
	"dvagent/agent/config"
	"dvagent/agent/proof"
	"dvagent/agent/state"
	"dvagent/deploy"
	"dvagent/internal/hint"
	"dvagent/internal/openat"
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
	findings := append(c.configuration(), checkStateDir(c.host.Dir), checkClock(now))
	if s := c.host.Config.Service; s.Listen != "" && s.Token.IsZero() {
		findings = append(findings, Finding{Subject: "service", Warning: true, Err: hint.Add(
			fmt.Errorf("every user of this host, and each site on it that can be made to fetch an address, can read what is shown at %s", s.Listen),
			"set token_file in [service]; dvagent status needs no port")})
	}
	findings = append(findings, checkSecrets(c.host.Config)...)
	findings = distinct(append(findings, c.targets(ctx)...))
	findings = append(findings, c.tryChecks(ctx)...)
	findings = append(findings, c.each(func(certificate config.Certificate) []Finding { return c.checkInPlace(certificate, now) })...)
	for _, hook := range c.host.Config.Hooks {
		findings = append(findings, c.programs.check("hook", hook.Command)...)
	}
	findings = append(findings, c.probes(ctx)...)
	if c.partial() {
		return findings
	}
	return append(findings, c.nginxServers(ctx, now)...)
}

// lookedAtOnce bounds the certificates that are looked at side by side: what is tried
// is synced, and the syncs overlap.
const lookedAtOnce = 32

// each looks at all certificates, and returns what was found in their order.
func (c *Check) each(look func(config.Certificate) []Finding) []Finding {
	found := make([][]Finding, len(c.host.Config.Certificates))
	var group errgroup.Group
	group.SetLimit(lookedAtOnce)
	for i, certificate := range c.host.Config.Certificates {
		group.Go(func() error {
			found[i] = look(certificate)
			return nil
		})
	}
	_ = group.Wait() // what fails is a finding
	return slices.Concat(found...)
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

// targets looks at where each certificate is to be installed.
func (c *Check) targets(ctx context.Context) []Finding {
	sandbox, rehearsals := sandboxOf(os.Geteuid()), new(deploy.Rehearsals)
	return c.each(func(certificate config.Certificate) []Finding {
		s, unreadable := c.host.Dir.Read(certificate)
		findings := checkWebroot(certificate, sandbox)
		for _, target := range certificate.Deploy {
			first := unreadable == nil && !s.Rollout.Targets[target.ID()].Begun()
			findings = append(findings, rehearse(ctx, rehearsals, certificate.Name, target, first)...)
			findings = append(findings, c.checkTarget(ctx, certificate.Name, target)...)
			findings = append(findings, sandbox.check(certificate.Name, target.Paths())...)
		}
		return findings
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

// checkClock knows no better clock than the time when this was built.
func checkClock(now time.Time) Finding {
	if now.Year() < 2026 {
		return Finding{Subject: "clock", Err: fmt.Errorf("it shows %s, which has passed", words.Date(now))}
	}
	return Finding{Subject: "clock", OK: "shows " + words.Minute(now)}
}

func (c *Check) checkTarget(ctx context.Context, name string, target deploy.Target) []Finding {
	findings := checkOthers(name, target)
	for _, argv := range [][]string{target.Check, target.Reload} {
		if len(argv) > 0 {
			findings = append(findings, c.programs.check(name, argv)...)
		}
	}
	findings = append(findings, checkReload(ctx, name, target.Reload)...)
	if !target.JavaReads() {
		findings = append(findings, Finding{Subject: name, Warning: true, Err: fmt.Errorf("%s does not open in Java: its password has characters beyond ASCII", target.PFX)})
	}
	if len(target.Probe) == 0 {
		findings = append(findings, Finding{Subject: name, Warning: true, Err: hint.Add(
			fmt.Errorf("%s has no probe: whether the certificate is served will not be seen", target.String()),
			`add probe = ["127.0.0.1:443"]`)})
	}
	return findings
}

// rehearse tries what a deployment does with the target's files.
func rehearse(ctx context.Context, rehearsals *deploy.Rehearsals, name string, target deploy.Target, first bool) []Finding {
	rehearsed, err := rehearsals.Rehearse(ctx, target, first)
	if err != nil {
		return []Finding{{Subject: name, Err: err}}
	}
	var findings []Finding
	for _, r := range rehearsed {
		if r.Err != nil {
			findings = append(findings, Finding{Subject: name, Err: fmt.Errorf("%s cannot be installed: %w", r.Path, r.Err)})
			continue
		}
		findings = append(findings, Finding{Subject: name, OK: r.Path + " can be written"})
		if r.Warning != nil {
			findings = append(findings, Finding{Subject: name, Warning: true, Err: r.Warning})
		}
		if r.Change != "" {
			findings = append(findings, Finding{Subject: name, Warning: true, Err: hint.Add(
				fmt.Errorf("with the next certificate in %s %s", r.Path, r.Change),
				"if its readers need that, set owner, group, mode and key_mode")})
		}
	}
	return findings
}

// checkOthers says who else can change what lies where the files go, and who can
// read the key.
func checkOthers(name string, target deploy.Target) []Finding {
	var findings []Finding
	warn := func(err error) { findings = append(findings, Finding{Subject: name, Warning: true, Err: err}) }
	for _, path := range target.Paths() {
		dir, err := openat.Open(filepath.Dir(path))
		if err != nil {
			continue // the rehearsal says so
		}
		if others := dir.Others(); others != nil {
			warn(fmt.Errorf("%s can be replaced by others than root and dvagent's user: %w", path, others))
		}
		dir.Close()
	}
	if mode := target.Mode.Perm(); mode&0o002 != 0 {
		warn(hint.Add(fmt.Errorf("mode %04o lets every user of this host replace the certificate of %s", mode, target.String()), `mode = "0644"`))
	}
	if mode := target.KeyMode.Perm(); mode&0o007 != 0 {
		warn(hint.Add(fmt.Errorf("key_mode %04o lets every user of this host use the key of %s", mode, target.String()),
			`key_mode = "0640" with a group lets one program read it`))
	}
	return findings
}
