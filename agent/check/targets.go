package check

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"dvagent/agent/config"
	"dvagent/agent/seal"
	"dvagent/agent/state"
	"dvagent/deploy"
	"dvagent/internal/bundle"
	"dvagent/internal/hint"
	"dvagent/internal/openat"
)

// lookedAtOnce bounds the certificates that are looked at side by side: what is tried
// is synced, and the syncs overlap.
const lookedAtOnce = 32

// certificates looks at where each certificate is to be installed, and at what is
// there. Of one whose seal is not broken it believes that the pair is in place; what
// no look tries is tried all the same. own says that the state directory, where the
// seals are, is this user's alone.
func (c *Check) certificates(ctx context.Context, now time.Time, own bool) (targets, inPlace []Finding) {
	all := c.host.Config.Certificates
	seals := make([]seal.Seal, len(all))
	if own {
		seals = c.host.Sealed(ctx, now)
	}
	l := targetsLook{Check: c, sandbox: sandboxOf(os.Geteuid()), trust: &bundle.Trust{Roots: c.host.Roots}, now: now}
	defer l.rehearsals.Close()
	found := make([][2][]Finding, len(all))
	var group errgroup.Group
	var next atomic.Int64
	for range min(lookedAtOnce, len(all)) {
		group.Go(func() error {
			for i := int(next.Add(1)) - 1; i < len(all); i = int(next.Add(1)) - 1 {
				found[i][0], found[i][1] = l.certificate(ctx, all[i], seals[i] != seal.Seal{})
			}
			return nil
		})
	}
	_ = group.Wait() // what fails is a finding
	for i := range found {
		targets, inPlace = append(targets, found[i][0]...), append(inPlace, found[i][1]...)
	}
	return targets, inPlace
}

// targetsLook is a look at the targets of all certificates. What is the same for many
// is found out once.
type targetsLook struct {
	*Check
	sandbox    sandbox
	rehearsals deploy.Rehearsals
	trust      *bundle.Trust
	others     sync.Map // func() error by directory
	now        time.Time
}

func (l *targetsLook) certificate(ctx context.Context, certificate config.Certificate, sealed bool) (targets, inPlace []Finding) {
	targets = checkWebroot(certificate, l.sandbox)
	var s state.Snapshot
	var unreadable error
	if !sealed {
		s, unreadable = l.host.Dir.Read(certificate)
	}
	for _, target := range certificate.Deploy {
		place := deploy.Ours
		switch {
		case sealed:
			place = deploy.AsItWas
		case unreadable == nil && !s.Rollout.Targets[target.ID()].Begun():
			place = deploy.Unknown
		}
		targets = append(targets, rehearse(ctx, &l.rehearsals, certificate.Name, target, place)...)
		targets = append(targets, l.target(ctx, certificate.Name, target)...)
		targets = append(targets, l.sandbox.check(certificate.Name, target.Paths())...)
	}
	switch {
	case sealed:
		store := l.host.Dir.Store(certificate.Name)
		return targets, l.checkTrust(certificate.Name, store.CurrentDir())
	case unreadable != nil:
		return targets, []Finding{{Subject: certificate.Name, Err: hint.Add(unreadable, state.UnreadableHint)}}
	}
	return targets, l.checkInPlace(s)
}

func (l *targetsLook) target(ctx context.Context, name string, target deploy.Target) []Finding {
	findings := l.checkOthers(name, target)
	for _, argv := range [][]string{target.Check, target.Reload} {
		if len(argv) > 0 {
			findings = append(findings, l.programs.check(name, argv)...)
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
func rehearse(ctx context.Context, rehearsals *deploy.Rehearsals, name string, target deploy.Target, place deploy.Place) []Finding {
	rehearsed, err := rehearsals.Rehearse(ctx, target, place)
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
func (l *targetsLook) checkOthers(name string, target deploy.Target) []Finding {
	var findings []Finding
	warn := func(err error) { findings = append(findings, Finding{Subject: name, Warning: true, Err: err}) }
	for _, path := range target.Paths() {
		if others := l.othersOf(filepath.Dir(path)); others != nil {
			warn(fmt.Errorf("%s can be replaced by others than root and dvagent's user: %w", path, others))
		}
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

// othersOf says who else can change what a directory holds. That it cannot be opened
// is for the rehearsal to say.
func (l *targetsLook) othersOf(dir string) error {
	look, _ := l.others.LoadOrStore(dir, sync.OnceValue(func() error {
		open, err := openat.Open(dir)
		if err != nil {
			return nil
		}
		defer open.Close()
		return open.Others()
	}))
	return look.(func() error)()
}
