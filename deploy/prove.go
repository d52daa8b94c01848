package deploy

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"dvagent/internal/bundle"
	"dvagent/internal/hint"

	"golang.org/x/sync/errgroup"
)

// atOnce bounds how many attempts are written or probed side by side.
const atOnce = 64

// longestPause ends the doubling of the pauses between two looks.
const longestPause = 16 * time.Second

func sideBySide(attempts []*attempt, do func(*attempt)) {
	var g errgroup.Group
	g.SetLimit(atOnce)
	for _, a := range attempts {
		g.Go(func() error {
			do(a)
			return nil
		})
	}
	_ = g.Wait() // do returns no error
}

// probeAll looks once at each of the target's probes.
func probeAll(ctx context.Context, t Target, b *bundle.Bundle) []Handshake {
	served := make([]Handshake, len(t.Probe))
	for i, address := range t.Probe {
		served[i] = Probe(ctx, address, serverName(t, b))
	}
	return served
}

// serverName is a name that the leaf covers. Nobody asks for a wildcard, so
// one is filled in.
func serverName(t Target, b *bundle.Bundle) string {
	name := t.ServerName
	if name == "" && len(b.Leaf.DNSNames) > 0 {
		name = b.Leaf.DNSNames[0]
	}
	if parent, ok := strings.CutPrefix(name, "*."); ok {
		return "www." + parent
	}
	return name
}

func allShow(served []Handshake, b *bundle.Bundle) bool {
	return !slices.ContainsFunc(served, func(h Handshake) bool { return !h.Shows(b) })
}

// prove looks until every probe shows the new leaf or the target's timeout is
// over. After a failed command one look says what is served meanwhile.
func (a *attempt) prove(ctx context.Context) {
	a.Served = slices.Clone(a.was)
	if !a.due {
		return
	}
	wait := a.Job.Target.timeout()
	if !a.applied {
		wait = 0
	}
	a.look(ctx, time.Now().Add(wait), func(h Handshake) bool { return h.Shows(a.Job.Bundle) })
}

// look refreshes a.Served until all are good, at least once.
func (a *attempt) look(ctx context.Context, deadline time.Time, good func(Handshake) bool) {
	name := serverName(a.Job.Target, a.Job.Bundle)
	for i, address := range a.Job.Target.Probe {
		look := func() Handshake { return Probe(ctx, address, name) }
		h := steady(ctx, look, good)
		for pause := range pauses {
			if good(h) || !sleep(ctx, pause, deadline) {
				break
			}
			h = steady(ctx, look, good)
		}
		a.Served[i] = h
	}
}

// confirmations are the pauses before each further look that a good one needs
// to be believed. A server that hands over to new workers answers from old
// ones too for a while, as nginx does for a tenth of a second.
var confirmations = []time.Duration{50 * time.Millisecond, 150 * time.Millisecond}

// steady returns the first look that is not good, or the last one. No handshake
// is cut short by the deadline: a broken one must be the server's doing.
func steady(ctx context.Context, look func() Handshake, good func(Handshake) bool) Handshake {
	h := look()
	for _, pause := range confirmations {
		if !good(h) || !sleep(ctx, pause, time.Now().Add(pause)) {
			break
		}
		h = look()
	}
	return h
}

// pauses yields 50 ms and 200 ms, for servers that reload at once, then 1, 2,
// 4 … seconds without end.
func pauses(yield func(time.Duration) bool) {
	for _, short := range []time.Duration{50 * time.Millisecond, 200 * time.Millisecond} {
		if !yield(short) {
			return
		}
	}
	for pause := time.Second; yield(pause); pause = min(2*pause, longestPause) {
	}
}

// sleep is false when the deadline came before the pause began, or ctx ended.
// The last pause is shortened to end at the deadline.
func sleep(ctx context.Context, pause time.Duration, deadline time.Time) bool {
	left := time.Until(deadline)
	if left <= 0 {
		return false
	}
	timer := time.NewTimer(min(pause, left))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// settle undoes what broke a server, and gives each attempt its verdict.
func (r round) settle(ctx context.Context) {
	for _, a := range r {
		if a.Err == nil {
			a.Err = a.verdict(ctx)
		}
	}
	broken := r.where(func(a *attempt) bool { return a.due && ctx.Err() == nil && a.broke() })
	undone := broken.undo()
	if len(undone) == 0 {
		return
	}
	outcome := undone.comeBack(ctx)
	for _, a := range undone {
		a.Err = a.withOutcome(a.Err, outcome)
		a.look(ctx, time.Now().Add(comeBackTime), func(h Handshake) bool { return h.Err == nil })
	}
}

// comeBackTime is how long the old files are watched for once they are back.
const comeBackTime = 3 * time.Second

// comeBack checks and reloads with the files before. A stop of the agent does
// not keep a broken server broken.
func (r round) comeBack(ctx context.Context) string {
	ctx = context.WithoutCancel(ctx)
	t := r[0].Job.Target
	if result := value(r.run(ctx, t.Check)); result.Err != nil {
		return "; again " + describe("check", result).Error()
	}
	if result := value(r.run(ctx, t.Reload)); result.Err != nil {
		return "; again " + describe("reload", result).Error()
	}
	return ""
}

// broke says whether a handshake that worked before fails now. A refused
// connection is no handshake: the server may be stopped or starting.
func (a *attempt) broke() bool {
	for i, h := range a.Served {
		if a.was[i].Err == nil && h.Connected && h.Err != nil {
			return true
		}
	}
	return false
}

// verdict is nil when every probe showed the new leaf.
func (a *attempt) verdict(ctx context.Context) error {
	if ctx.Err() != nil && !allShow(a.Served, a.Job.Bundle) {
		return fmt.Errorf("stopped before the new certificate was seen: %w", context.Cause(ctx))
	}
	var wrong []string
	for _, h := range a.Served {
		if !h.Shows(a.Job.Bundle) {
			wrong = append(wrong, h.String())
		}
	}
	if len(wrong) == 0 {
		return nil
	}
	err := fmt.Errorf("%d of %d probes do not show the new certificate: %s",
		len(wrong), len(a.Served), strings.Join(wrong, "; "))
	return hint.Add(err, a.advice())
}

func (a *attempt) advice() string {
	if i := slices.IndexFunc(a.Served, func(h Handshake) bool { return !h.Connected }); i >= 0 {
		return "start the server that listens at " + a.Served[i].Address + ", or correct the probe"
	}
	if len(a.Job.Target.Reload) == 0 {
		return "give the target a reload command, or restart the server"
	}
	return fmt.Sprintf("the reload %q succeeded: see that the server reads %s", a.Job.Target.Reload[0],
		strings.Join(a.Job.Target.Paths(), ", "))
}
