package deploy

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"dvagent/internal/bundle"
	"dvagent/internal/command"
	"dvagent/internal/hint"

	"golang.org/x/sync/errgroup"
)

// atOnce bounds how many attempts write to the disk side by side.
const atOnce = 64

// longestPause is where the pauses between two probes stop doubling.
const longestPause = 16 * time.Second

// grace is how long a server that worked before may fail its handshakes after a
// reload. It is down during that time; then the previous files are put back.
const grace = 5 * time.Second

func sideBySide[T any](all []T, limit int, do func(T)) {
	var g errgroup.Group
	g.SetLimit(limit)
	for _, one := range all {
		g.Go(func() error {
			do(one)
			return nil
		})
	}
	_ = g.Wait() // do returns no error
}

// probeTarget probes each listener of the target once.
func probeTarget(ctx context.Context, t Target, b *bundle.Bundle, offers []offer) []Listener {
	return gather(t.Probe, func(text string) []Listener {
		return probeListeners(ctx, text, sought{serverName(t, b), b.Leaf}, offers)
	})
}

// serverName is a name that the leaf covers. No client asks for a wildcard, so a
// name that matches it takes its place.
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

// prove probes until every probe shows the new leaf, the target's timeout is
// over, or patient ends. It gives up when a server that worked still fails after
// the grace. After a failed command it probes once, to tell what is served.
func (a *attempt) prove(ctx, patient context.Context, giveUp func()) {
	a.Served = slices.Clone(a.was)
	if !a.due {
		return
	}
	defer command.Alive(ctx, a.Job.Target.timeout())()
	start, wait := time.Now(), a.Job.Target.timeout()
	if !a.applied {
		wait = 0
	}
	defer a.Job.waitsFor(strings.Join(a.Job.Target.Probe, ", ")+" to show the new certificate", wait)()
	shown := func(seen []Listener) bool { return len(failing(seen, a.Job.Bundle)) == 0 }
	a.probe(ctx, patient, start.Add(min(wait, grace)), shown)
	switch {
	case a.broke(a.Served):
		giveUp()
	case wait > grace && !shown(a.Served) && patient.Err() == nil:
		a.probe(ctx, patient, start.Add(wait), func(seen []Listener) bool {
			broke := a.broke(seen)
			if broke {
				giveUp()
			}
			return broke || shown(seen)
		})
	}
}

// probe refreshes a.Served. It makes each probe at least once, and again until
// what it shows is enough, the deadline has come or patient ends. None of these
// cuts a handshake short, so that one that fails is the server's doing.
func (a *attempt) probe(ctx, patient context.Context, deadline time.Time, enough func([]Listener) bool) {
	what := sought{serverName(a.Job.Target, a.Job.Bundle), a.Job.Bundle.Leaf}
	probe := func(text string) []Listener {
		return withoutRefused12(probeListeners(ctx, text, what, closely), a.worked)
	}
	a.Served = gather(a.Job.Target.Probe, func(text string) []Listener {
		seen := probe(text)
		for pause := range pauses {
			if enough(seen) || !sleep(patient, pause, deadline) {
				break
			}
			seen = probe(text)
		}
		return seen
	})
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

// sleep shortens the pause to end at the deadline. It returns false when the
// deadline had passed before the pause, or ctx ended.
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

// settle gives each attempt its verdict and undoes those that broke a server,
// even when the agent is being stopped.
func (r round) settle(ctx context.Context, rounds *Rounds) {
	calm := context.WithoutCancel(ctx)
	if ctx.Err() != nil {
		due := r.where(func(a *attempt) bool { return a.due && a.Changed })
		due.watch(calm, lastProbeTime)
	}
	for _, a := range r {
		if a.Err == nil {
			a.Err = a.verdict(ctx)
		}
	}
	broken := r.where(func(a *attempt) bool { return a.due && a.Changed && a.broke(a.Served) })
	if len(broken) > 0 {
		broken.comeBack(calm, rounds)
	}
}

// watch probes until nothing is broken, within the limit.
func (r round) watch(ctx context.Context, limit time.Duration) {
	deadline := time.Now().Add(limit)
	sideBySide(r, len(r), func(a *attempt) {
		a.probe(ctx, ctx, deadline, func(seen []Listener) bool { return !a.broke(seen) })
	})
}

// lastProbeTime is how long a server has to come up when the agent is stopped.
const lastProbeTime = 2 * time.Second

// comeBackTime is how long a server has to come up with the previous files.
const comeBackTime = 3 * time.Second

// nextShiftTime is how long a broken server waits for its shift. Whoever has it
// then hangs, and the server does not wait for him.
const nextShiftTime = 10 * time.Second

// comeBack puts the previous files back, in the next shift, and waits a moment for
// the server. ctx does not end.
func (r round) comeBack(ctx context.Context, rounds *Rounds) {
	t := r[0].Job.Target
	soon, cancel := context.WithTimeout(ctx, nextShiftTime)
	defer cancel()
	shift, err := rounds.Shifts.TakeNext(soon, t.Check, t.Reload)
	if err != nil {
		var alone command.Shifts
		if shift, err = alone.TakeNext(ctx, t.Check, t.Reload); err != nil {
			return
		}
	}
	undone := r.undo()
	if len(undone) > 0 {
		outcome := undone.again(ctx, shift)
		for _, a := range undone {
			a.Err = a.withOutcome(a.Err, outcome)
		}
	}
	shift.Over()
	undone.watch(ctx, comeBackTime)
}

// again checks and reloads with the previous files. It returns what fails, as
// the end of an error's text.
func (r round) again(ctx context.Context, shift *command.Shift) string {
	t := r[0].Job.Target
	if result := r.run(ctx, shift, t.Check); result.Err != nil {
		return "; again " + describe("check", result).Error()
	}
	if result := r.run(ctx, shift, t.Reload); result.Err != nil {
		return "; again " + describe("reload", result).Error()
	}
	return ""
}

// broke says whether a handshake that worked before fails now. A refused
// connection is no handshake: the server may be stopped or starting.
func (a *attempt) broke(seen []Listener) bool {
	return slices.ContainsFunc(seen, func(l Listener) bool {
		return slices.ContainsFunc(l.Handshakes, func(h Handshake) bool {
			return h.Connected && h.Err != nil && a.worked(h)
		})
	})
}

// worked says whether a handshake like h succeeded before the first write.
func (a *attempt) worked(h Handshake) bool {
	return slices.ContainsFunc(a.was, func(l Listener) bool {
		return slices.ContainsFunc(l.Handshakes, func(was Handshake) bool {
			return was.Err == nil && was.Address == h.Address && was.newest == h.newest
		})
	})
}

// verdict is nil when every probe showed the new leaf.
func (a *attempt) verdict(ctx context.Context) error {
	wrong := failing(a.Served, a.Job.Bundle)
	if len(wrong) == 0 {
		return nil
	}
	if ctx.Err() != nil {
		return fmt.Errorf("stopped before the new certificate was seen: %w", context.Cause(ctx))
	}
	var texts, causes []string
	for _, l := range wrong {
		texts = append(texts, l.Describe(a.Job.Bundle))
		causes = append(causes, l.cause(a.Job.Bundle))
	}
	slices.Sort(causes) // a host's addresses come in any order
	err := fmt.Errorf("%d of %d probes do not show the new certificate: %s",
		len(wrong), len(a.Served), strings.Join(texts, "; "))
	return hint.Add(failure{err, strings.Join(causes, "; ")}, a.advice(wrong))
}

func (a *attempt) advice(wrong []Listener) string {
	if i := slices.IndexFunc(wrong, Listener.refuses); i >= 0 {
		return "start the server that listens at " + wrong[i].Probe + ", or correct the probe"
	}
	if len(a.Job.Target.Reload) == 0 {
		return "give the target a reload command, or restart the server"
	}
	return fmt.Sprintf("the reload %q succeeded: see that the server reads %s", a.Job.Target.Reload[0],
		strings.Join(a.Job.Target.Paths(), ", "))
}
