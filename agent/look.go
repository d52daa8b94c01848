package agent

import (
	"context"
	"iter"
	"slices"
	"time"

	"dvagent/agent/config"
	"dvagent/agent/issue"
	"dvagent/agent/notice"
	"dvagent/agent/seal"
	"dvagent/agent/state"
	"dvagent/deploy"
)

// look knows which certificates were looked at and had nothing to do. They are
// sealed, and passed over until the seal is broken: see package seal.
type look struct {
	host  *state.Host
	seals *seal.Book
	idle  chan borrowed
}

func (a *Agent) newLook() *look {
	return &look{a.host, seal.Open(a.host.Dir.Seals()), make(chan borrowed, readAtOnce)}
}

func (l *look) witness() *seal.Witness { return l.host.Witness(l.seals, state.Now()) }

// sealable says that the disk alone tells whether there is anything to do: no server
// is to be asked what it serves, and no account or fleet what it holds.
func (l *look) sealable(certificate config.Certificate) bool {
	probed := slices.ContainsFunc(certificate.Deploy, func(t deploy.Target) bool { return len(t.Probe) > 0 })
	return !certificate.Follow && !probed && l.host.Config.Fleet.Alone()
}

// sum is what there is to be seen of a certificate now; zero where that cannot tell.
func (l *look) sum(ctx context.Context, certificate config.Certificate) seal.Sum {
	if !l.sealable(certificate) {
		return seal.Sum{}
	}
	w := l.borrow()
	defer l.giveBack(w)
	sum, _ := w.Sum(ctx, certificate, l.host.Dir.Certificate(certificate.Name))
	return sum
}

// borrowed is a witness for several certificates, one after the other.
type borrowed struct {
	*seal.Witness
	since time.Time
}

// aMoment is how long a witness serves. One that saw a directory which was exchanged
// meanwhile makes a seal that is broken from its beginning.
const aMoment = time.Second

func (l *look) borrow() borrowed {
	now := state.Now()
	select {
	case w := <-l.idle:
		if now.Sub(w.since).Abs() < aMoment {
			return w
		}
		w.Close()
	default:
	}
	return borrowed{l.witness(), now}
}

func (l *look) giveBack(w borrowed) {
	select {
	case l.idle <- w:
	default:
		w.Close()
	}
}

// rest closes the witnesses that nobody has borrowed.
func (l *look) rest() {
	for len(l.idle) > 0 {
		w := <-l.idle
		w.Close()
	}
}

// seal seals a certificate at which there was nothing to do, unless a file of it was
// touched while it was looked at.
func (l *look) seal(t *turn) {
	if t.before == (seal.Sum{}) || t.before != t.after || !t.item.Rests() {
		return
	}
	s := t.item.Snapshot
	l.seals.Put(t.certificate.Name, seal.Seal{Sum: t.after, Looked: t.looked.Unix(),
		Until: s.DueAt().Unix(), Renews: s.RenewsAt().Unix(), Ends: s.Leaf.NotAfter.Unix()})
}

// keep writes the seals down for the next pass.
func (l *look) keep(desk *issue.Desk) {
	l.rest()
	rest := desk.OwesNothing()
	for _, name := range l.seals.Names() {
		certificate, configured := l.host.Config.Certificate(name)
		if !configured {
			l.seals.Drop(name)
		}
		rest = rest && (!configured || desk.Rests(certificate))
	}
	var ledgers seal.Sum
	if rest {
		ledgers = l.ledgers()
	}
	l.seals.PutLedgers(ledgers)
	if err := l.seals.Save(); err != nil {
		l.host.Log.Warn("the next pass reads all files again", "error", err)
	}
}

// ledgers is what the ledgers are like now; zero where that cannot tell.
func (l *look) ledgers() seal.Sum {
	w := l.witness()
	defer w.Close()
	sum, _ := w.Ledgers(l.host.Dir.Instances(), l.host.Dir.Records())
	return sum
}

// allRest ends the turns of the certificates whose seals are not broken, while the
// ledgers want nothing of any, and says whether all that is due was among them. The
// others are begun. Where people are to be told, the ledgers are read anyway.
func (l *look) allRest(ctx context.Context, agenda agenda) (begun map[string]bool, rest bool) {
	if known := l.seals.Ledgers(); known == (seal.Sum{}) || known != l.ledgers() || len(l.host.Config.Notify) > 0 {
		return nil, false
	}
	begun = agenda.due(state.Now())
	agenda.begin(begun)
	for certificate, s := range l.unbroken(ctx, begun, agenda.forced) {
		delete(begun, certificate.Name)
		agenda.take(untouched(certificate, s))
	}
	return begun, len(begun) == 0
}

// passOver takes out of begun, and ends the turns of, the certificates whose seals are
// not broken and of which the ledgers want nothing.
func (p *pass) passOver(ctx context.Context, begun map[string]bool, agenda agenda) {
	if p.scope.Redeploy {
		return
	}
	wanted := func(name string) bool {
		certificate, _ := p.agent.host.Config.Certificate(name)
		return agenda.forced(name) || !p.desk.Rests(certificate)
	}
	for certificate, s := range p.look.unbroken(ctx, begun, wanted) {
		name, outcome := certificate.Name, untouched(certificate, s)
		delete(begun, name)
		if len(p.agent.host.Config.Notify) > 0 {
			p.seen = append(p.seen, notice.Seen{Outcome: outcome, Rests: true})
			p.agent.renewals[name] = state.Renewal{At: outcome.Next, Ends: time.Unix(s.Ends, 0).UTC(), Package: certificate.Package}
		}
		agenda.take(outcome)
	}
}

// untouched is the outcome of a certificate that was passed over.
func untouched(certificate config.Certificate, s seal.Seal) state.Outcome {
	return state.Outcome{Certificate: certificate.Name, Next: time.Unix(s.Renews, 0).UTC()}
}

// unbroken yields those of the named certificates whose seals are not broken, but for
// those that something is wanted of.
func (l *look) unbroken(ctx context.Context, names map[string]bool, wanted func(name string) bool) iter.Seq2[config.Certificate, seal.Seal] {
	var certificates []*config.Certificate // a copy of all of them would be long
	for i := range l.host.Config.Certificates {
		if c := &l.host.Config.Certificates[i]; names[c.Name] && !wanted(c.Name) {
			certificates = append(certificates, c)
		}
	}
	found := l.host.Unbroken(ctx, l.seals, state.Now(), certificates)
	return func(yield func(config.Certificate, seal.Seal) bool) {
		for i, s := range found {
			if s != (seal.Seal{}) && !yield(*certificates[i], s) {
				return
			}
		}
	}
}
