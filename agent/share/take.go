package share

import (
	"context"
	"crypto/x509"
	"fmt"
	"time"

	"dvagent/agent/fleet"
	"dvagent/agent/state"
	"dvagent/internal/bundle"
	"dvagent/internal/chance"
	"dvagent/internal/hint"
	"dvagent/internal/words"
)

// look is a look at one certificate.
type look struct {
	pass *Pass
	s    *state.Snapshot
	r    fleet.Rollout
	now  time.Time
}

// Take keeps what the fleet has published for the certificate, if it is this host's turn:
// the snapshot is at it then. rests says that nothing is to be ordered, since the fleet has
// what is due, or cannot be asked.
func (p *Pass) Take(ctx context.Context, s *state.Snapshot) (o state.Outcome, rests bool) {
	if p == nil {
		return state.Outcome{}, false
	}
	l := &look{pass: p, s: s, now: state.Now()}
	defer func() {
		if p.share.setServing(l.name(), s.Current); s.Current == "" {
			p.serves(l.name(), "") // nothing is installed that would tell
		}
	}()
	var err error
	if l.r, err = p.rollout(ctx, l.name()); err != nil {
		return l.without(ctx, err)
	}
	switch {
	case !l.r.Known():
		return l.nothing()
	case state.Uncovered(&x509.Certificate{DNSNames: l.r.Newest.Domains}, s.Config.Domains) != "":
		return l.refused(ctx, l.otherNames()), false
	case !l.wanted():
		o, rests = l.settled(), s.Due(l.now) != "" && l.rests()
		if rests {
			o.Next = l.soon()
		}
		return o, rests
	}
	return l.turn(ctx)
}

func (l *look) name() string { return l.s.Config.Name }

// wanted says that this host lacks what was published.
func (l *look) wanted() bool {
	r, s := l.r, l.s
	switch {
	case l.useless():
		return true
	case goesBack(r, *s):
		return !l.pass.book.followed(l.name(), r.ID)
	case s.Current == r.Version.ID || s.Newest == r.Version.ID:
		return false
	}
	return later(r.Version, *s)
}

// useless says that what is installed cannot be served: nothing is lost by another one.
func (l *look) useless() bool { return !l.s.ServesUntil().After(l.now) }

// rests says that the fleet has what is due. What etcd says of it is not sealed: it puts
// no renewal off for longer than there is time.
func (l *look) rests() bool { return !l.due() && !l.s.Emergency(l.now) }

// due says that what the fleet has newest is to be renewed itself.
func (l *look) due() bool {
	if l.r.Newest.ID == l.s.Newest {
		return l.s.Due(l.now) != ""
	}
	newest := *l.s
	newest.Newest, newest.Broken = l.r.Newest.ID, nil
	newest.Leaf = &x509.Certificate{DNSNames: l.r.Newest.Domains, NotBefore: l.r.Newest.NotBefore, NotAfter: l.r.Newest.NotAfter}
	return newest.Due(l.now) != ""
}

// turn installs what was published, or says why it does not yet.
func (l *look) turn(ctx context.Context) (state.Outcome, bool) {
	cfg := l.pass.share.host.Config.Fleet
	v, who := gate(l.r, l.pass.book.host(), cfg.Canaries, l.now)
	if l.useless() || len(l.s.Config.Deploy) == 0 { // there is nothing to lose, or nothing to prove
		v = open
	}
	if v == try {
		var err error
		if v, who, err = l.seat(ctx); err != nil {
			return l.retried(ctx, err, l.pass.again)
		}
	}
	switch v {
	case wait:
		return l.waits(who), true
	case held:
		return l.heldBack(who), true
	}
	back := goesBack(l.r, *l.s)
	if err := l.keep(ctx); err != nil {
		return l.refused(ctx, err), !l.useless() && l.rests()
	}
	o := l.settled()
	o.Next = l.s.RenewsAt()
	if o.Ordered = !back; back {
		o.Did = state.WentBack
	}
	return o, true
}

// seat makes this host one of those that try the version first, if there is room.
func (l *look) seat(ctx context.Context) (v verdict, who string, err error) {
	share, host := l.pass.share, l.pass.book.host()
	l.r, err = share.change(ctx, l.name(), func(r fleet.Rollout) (fleet.Rollout, error) {
		if v, who = gate(r, host, share.host.Config.Fleet.Canaries, l.now); v != try {
			return r, errNothing
		}
		v = open
		return share.fleet.Note(ctx, r, host, fleet.Try{At: l.now.UTC(), State: fleet.Trying})
	})
	return v, who, err
}

// keep makes the published version the current one. It is verified as what a server sends.
func (l *look) keep(ctx context.Context) error {
	b, err := l.pass.share.fleet.Bundle(ctx, l.r)
	if err != nil {
		return err
	}
	if err := b.Verify(l.s.Config.Domains, l.now); err != nil {
		return fmt.Errorf("the published version %s is refused: %w", l.r.Version.ID, err)
	}
	if goesBack(l.r, *l.s) {
		return l.rollBack(b)
	}
	if !l.useless() && !later(fleet.Version{ID: b.ID(), NotBefore: b.Leaf.NotBefore, NotAfter: b.Leaf.NotAfter}, *l.s) {
		return fmt.Errorf("the published version %s is refused: it is not newer than what is installed", l.r.Version.ID)
	}
	if err := l.s.Keep(b); err != nil {
		return err
	}
	l.say(fmt.Sprintf("took version %s of the fleet, valid until %s", l.r.Version.ID, words.Date(b.Leaf.NotAfter)))
	return nil
}

// rollBack makes an older version current, and holds it, as an operator does on one host.
func (l *look) rollBack(b *bundle.Bundle) error {
	id, err := l.s.Store.Put(b)
	if err != nil {
		return err
	}
	if err := l.s.Rollout.Hold(id); err != nil {
		return err
	}
	if err := l.s.Store.Switch(id); err != nil {
		return err
	}
	l.s.Current = id
	if l.s.Newest == "" || l.useless() {
		l.s.Newest, l.s.Leaf, l.s.Broken = id, b.Leaf, nil
	}
	l.say("rolled back to version " + id + ", as the fleet does")
	return l.pass.book.follow(l.name(), l.r.ID)
}

func (l *look) say(text string) { l.pass.share.host.Say(l.name(), state.StepFleet, text) }

// settled is the outcome where nothing of the fleet is lacking.
func (l *look) settled() state.Outcome {
	return state.Outcome{Certificate: l.name()}.AndFailed(l.s.FleetReached())
}

// soon is when a certificate is looked at again that lacks something. It may be etcd that
// keeps it waiting, which is told after a while.
func (l *look) soon() time.Time {
	share := l.pass.share
	return l.now.Add(state.BeforeEmergency(min(share.host.Config.Service.Interval, share.timing.tell), l.s.Leaf, l.now))
}

// later is the outcome of a host whose turn comes.
func (l *look) later(what string) state.Outcome {
	l.pass.share.host.Observe(state.Progress{At: l.now, Certificate: l.name(), Step: state.StepFleet, Text: what, Waiting: true})
	o := state.Outcome{Certificate: l.name(), Step: state.StepFleet, Waiting: what, Next: l.soon()}
	return o.AndFailed(l.s.FleetReached())
}

// nothing is the outcome where nothing was published. A host that orders does so.
func (l *look) nothing() (state.Outcome, bool) {
	if !l.s.Config.Follow {
		return l.settled(), false
	}
	if !l.useless() {
		return l.settled(), false
	}
	o := l.later("a host of the fleet that publishes " + l.name())
	o.Class = state.Pending
	return o, true
}

// waits is the outcome while others try the version first. The host looks again when one
// of them may have to be replaced.
func (l *look) waits(who string) (o state.Outcome) {
	if l.s.Emergency(l.now) && l.now.Sub(l.r.At).Abs() >= slowAfter {
		o = l.withoutVersion(hint.Add(fmt.Errorf("version %s is not installed: host %s tries it first, and has not said yet how it fares", l.r.Version.ID, who),
			"see that host; dvagent fleet release "+l.name()+" lets all hosts install it"))
	} else {
		o = l.later("the hosts that try version " + l.r.Version.ID + " first")
	}
	if free := seatFree(l.r, l.now); !free.IsZero() {
		o.Next = state.Sooner(o.Next, free.Add(chance.Below(seatSpread)))
	}
	return o
}

// slowAfter is how long after a publication people are told that it is not proved yet: one
// that comes late at last may find many hosts in the last tenth of what they serve.
const slowAfter = 5 * time.Minute

// seatSpread is within what time hosts that wait ask for a seat that has fallen free.
const seatSpread = time.Minute

// heldBack is the outcome where a canary has failed. That one tells it; the others do in
// the last tenth of what they serve.
func (l *look) heldBack(who string) state.Outcome {
	return l.withoutVersion(hint.Add(fmt.Errorf("version %s is not installed: host %s failed with it: %s", l.r.Version.ID, who, l.r.Tries[who].Error),
		Advice(l.name())))
}

// Advice is what an operator can do where a canary holds a version of a certificate back.
func Advice(name string) string {
	return fmt.Sprintf("help that host, or take the version back: dvagent rollback %s --fleet; dvagent fleet release %s lets all hosts install it", name, name)
}

// withoutVersion is the outcome where a published version is not installed, for that
// reason.
func (l *look) withoutVersion(err error) state.Outcome {
	news, recordErr := l.s.FleetFailed(err, l.soon(), true)
	o := state.Outcome{Certificate: l.name(), Class: state.Pending, Step: state.StepFleet, Waiting: err.Error(), Next: l.soon()}
	if l.s.Emergency(l.now) {
		o = state.Failed(l.name(), err)
		o.Step, o.Next, o.News = state.StepFleet, l.soon(), news
	}
	return o.AndFailed(recordErr)
}

// otherNames is what is said where hosts are configured differently.
func (l *look) otherNames() error {
	return hint.Add(fmt.Errorf("host %s publishes %s for other names: %q is not among them", l.r.By, l.name(),
		state.Uncovered(&x509.Certificate{DNSNames: l.r.Newest.Domains}, l.s.Config.Domains)),
		"let domains be the same on all hosts of the fleet, or give the certificate another name here")
}

// refused is the outcome where what was published is not installed. A canary that refuses it
// holds the others back.
func (l *look) refused(ctx context.Context, err error) state.Outcome {
	if ctx.Err() != nil {
		return state.Outcome{Certificate: l.name(), Class: state.Pending, Step: state.StepFleet, Waiting: state.Interrupted}
	}
	if state.Transient(err) {
		o, _ := l.retried(ctx, err, busyAfter+chance.Below(2*busyAfter))
		return o
	}
	if _, trying := l.r.Tries[l.pass.book.host()]; trying {
		err = state.Also(err, l.pass.note(ctx, l.name(), l.r.ID, fleet.Failed, err.Error()))
	}
	news, recordErr := l.s.FleetFailed(err, l.soon(), false)
	l.pass.share.host.Observe(state.Progress{At: l.now, Certificate: l.name(), Step: state.StepFleet, Err: err})
	o := state.Failed(l.name(), state.Also(err, recordErr))
	o.Step, o.Next, o.News = state.StepFleet, l.soon(), news
	return o
}

// busyAfter is after how long an etcd that was too busy is asked again at the soonest: many
// hosts read what was published at the same moment.
const busyAfter = 5 * time.Second

// retried is the outcome where etcd did not answer while something was taken from it.
func (l *look) retried(ctx context.Context, err error, after time.Duration) (o state.Outcome, rests bool) {
	o, rests = l.without(ctx, err)
	o.Next = state.Sooner(o.Next, l.now.Add(after))
	return o, rests
}

// without is the outcome where etcd could not be asked. What is installed is served and
// healed. An order asks for itself; what follows waits, and that is told after a while.
func (l *look) without(ctx context.Context, err error) (o state.Outcome, rests bool) {
	if ctx.Err() != nil {
		return state.Outcome{Certificate: l.name(), Class: state.Pending, Step: state.StepFleet, Waiting: state.Interrupted}, true
	}
	l.pass.share.host.WarnOnce("", "the fleet cannot be asked: "+err.Error())
	if l.s.Due(l.now) == "" || !l.s.Config.Follow { // a watch wakes for what is left when etcd is back
		return state.Outcome{Certificate: l.name()}, false
	}
	next := l.now.Add(state.BeforeEmergency(l.pass.again, l.s.Leaf, l.now))
	o = state.Outcome{Certificate: l.name(), Class: state.Pending, Step: state.StepFleet, Waiting: err.Error(), Next: next}
	if away := !l.pass.down.IsZero() && l.now.Sub(l.pass.down) > l.pass.share.timing.tell; away {
		err = hint.Add(fmt.Errorf("the fleet cannot be asked since %s: %s", words.Minute(l.pass.down), err), hint.Of(err))
	}
	news, recordErr := l.s.FleetFailed(err, next, state.Transient(err))
	if !state.Transient(err) {
		o = state.Failed(l.name(), err)
		o.Step, o.Next, o.News = state.StepFleet, next, news
	}
	return o.AndFailed(recordErr), true
}
