package agent

import (
	"cmp"
	"context"
	"sync"
	"time"

	"dvagent/agent/config"
	"dvagent/agent/install"
	"dvagent/agent/issue"
	"dvagent/agent/notice"
	"dvagent/agent/seal"
	"dvagent/agent/state"
)

// The stages of a pass: each works beside the loop, and reports to it.

// advance starts the turns that have begun, a few at a time: ten thousand goroutines
// that wait would take more memory than all else. Those that have something to order
// wait for a seat; the others wait for nobody.
func (p *pass) advance(ctx context.Context, agenda agenda) {
	if len(p.fresh) == 0 {
		return
	}
	fresh := p.fresh
	p.fresh = nil
	for _, t := range fresh {
		t.joined = p.rollout.Expect()
	}
	go func() {
		for i, t := range fresh {
			fresh[i] = nil // one that has ended is not kept by those that wait
			p.looking <- struct{}{}
			go p.start(ctx, t, agenda)
		}
	}()
}

// start takes a certificate's order as far as it goes now, once it has a seat.
func (p *pass) start(ctx context.Context, t *turn, agenda agenda) {
	t.left = sync.OnceFunc(func() { <-p.looking })
	t.looked, t.before = state.Now(), p.sum(ctx, t.certificate)
	s, err := p.read(ctx, t.certificate)
	leave := func() {}
	wants := err == nil && p.desk.Wants(s, t.forced)
	if wants || !p.look.sealable(t.certificate) {
		t.left() // servers are asked, which may take long
	}
	if wants {
		t.joined() // nobody waits for one that waits for a seat
		seated, up, ok := p.seats.Take(ctx, t.certificate.Name, issue.Placed(s.Order))
		if !ok {
			return // it was handed back
		}
		ctx, leave = seated, up
	}
	p.reports <- func() {
		t.begun = state.Now()
		if p.orders++; wants {
			t.joined = p.rollout.Expect()
		}
	}
	t.item = p.order(ctx, t, s, err)
	leave()
	p.reports <- func() {
		p.orders--
		p.install(ctx, t, agenda)
	}
}

// sum is what there is to be seen of a certificate, a few of which are looked at side
// by side.
func (p *pass) sum(ctx context.Context, certificate config.Certificate) seal.Sum {
	p.reading <- struct{}{}
	defer func() { <-p.reading }()
	return p.look.sum(ctx, certificate)
}

// read is what the disk says of a certificate, a few of which are read side by side.
func (p *pass) read(ctx context.Context, certificate config.Certificate) (s state.Snapshot, err error) {
	p.reading <- struct{}{}
	defer func() { <-p.reading }()
	host := p.agent.host
	contained := host.Contained(certificate.Name, func() error {
		err = host.Readable(func() (err error) {
			s, err = host.Dir.Read(certificate)
			return err
		})
		return nil
	})
	return s, cmp.Or(contained, err)
}

// order advances one certificate's order, and keeps a panic from the others.
func (p *pass) order(ctx context.Context, t *turn, s state.Snapshot, unread error) *install.Item {
	host, name := p.agent.host, t.certificate.Name
	if unread != nil {
		return p.rollout.NewItem(s, state.Failed(name, unread))
	}
	var outcome state.Outcome
	s.SeenInPlace = t.sighting.tells(s, host.Config.Service.Interval)
	err := host.Contained(name, func() error {
		host.Warn(s.Damage()...)
		if s.Rollout != nil {
			s.Rollout.Clear()
		}
		p.rollout.Rehearse(ctx, s, t.forced)
		taken, rests := p.share.Take(ctx, &s)
		if outcome = taken; !rests || t.forced || s.Order != nil {
			s, outcome = p.desk.Advance(ctx, s, t.forced)
			outcome = spoken(taken, outcome)
		}
		outcome.Next = state.Sooner(outcome.Next, p.share.Offer(ctx, s))
		host.Alive()
		return nil
	})
	if err != nil {
		outcome = state.Failed(name, err)
		outcome.Next = state.Now().Add(state.LongestBackoff)
	}
	return p.rollout.NewItem(s, outcome)
}

// spoken is the outcome of what the fleet has and of the order: the fleet's speaks first
// where it has something to say.
func spoken(taken, ordered state.Outcome) state.Outcome {
	if taken.Step == "" {
		return ordered.And(taken)
	}
	return taken.And(ordered)
}

// contained keeps a panic in a stage from the other stages.
func (p *pass) contained(batch []*turn, do func()) {
	err := p.agent.host.Contained("", func() error {
		do()
		return nil
	})
	for _, t := range batch {
		t.item.Outcome = t.item.Outcome.AndFailed(err)
	}
}

// sighting is a look at a certificate's targets.
type sighting struct {
	version string // that all of them held and served; "": none
	at      time.Time
}

// tells says that the targets were seen to hold and serve the current version no longer
// ago than a service looks at them anyway. What changes a file is watched for.
func (l sighting) tells(s state.Snapshot, interval time.Duration) bool {
	return l.version != "" && l.version == s.Current && state.Now().Sub(l.at).Abs() < interval
}

// onlyOrders says that the certificate was seen in place lately, and that its order alone
// waits or has failed once more.
func (p *pass) onlyOrders(t *turn) bool {
	inPlace := t.sighting.tells(t.item.Snapshot, p.agent.host.Config.Service.Interval)
	switch t.item.Outcome.Class {
	case state.Pending:
		return !t.item.Failing() && (inPlace || t.item.Snapshot.Current == "")
	case state.Failure, state.NoInstance:
		return inPlace && !p.rollout.HasNews(t.item) && p.agent.host.Config.Fleet.Alone() // a fleet may have to be told still
	}
	return false
}

// install rolls the certificate out, beside all others. What was seen in place lately,
// and only has to do with its order, is done.
func (p *pass) install(ctx context.Context, t *turn, agenda agenda) {
	if p.onlyOrders(t) {
		t.passedOver = true
		t.joined()
		t.left()
		p.sweep(ctx, t, agenda)
		return
	}
	p.installing++
	go func() {
		p.contained([]*turn{t}, func() { p.rollout.Install(ctx, t.item, func() { t.joined(); t.left() }) })
		t.joined()
		t.item.Outcome.Next = state.Sooner(t.item.Outcome.Next, p.share.Installed(ctx, t.item.Snapshot, t.item.Rolled(), t.item.Outcome))
		t.after = p.sum(ctx, t.certificate)
		t.left()
		p.reports <- func() {
			p.installing--
			p.upload(ctx, t, agenda)
		}
	}()
}

// upload brings the current version into the certificate's account where that is
// owed. It comes after the installation, which has nothing to gain from it, and
// before the hooks, which are told where the pair is; other certificates do not
// wait for it.
func (p *pass) upload(ctx context.Context, t *turn, agenda agenda) {
	if !t.item.Snapshot.UploadOwed() {
		p.tell(ctx, t, agenda)
		return
	}
	go func() {
		p.contained([]*turn{t}, func() { p.rollout.Add(t.item, p.uploads.Upload(ctx, t.item.Snapshot)) })
		p.reports <- func() { p.tell(ctx, t, agenda) }
	}()
}

// tell has the hooks run of what has happened. A turn in which nothing did waits for
// none: its order may be looked at again meanwhile.
func (p *pass) tell(ctx context.Context, t *turn, agenda agenda) {
	if !p.rollout.HasNews(t.item) {
		p.sweep(ctx, t, agenda)
		return
	}
	if len(p.toTell) == 0 {
		p.since = state.Now()
	}
	p.toTell = append(p.toTell, t)
}

// runHooks runs the hooks of what was installed, once all that can be installed
// is in place, or was waited for long enough.
func (p *pass) runHooks(ctx context.Context, agenda agenda) {
	more := p.orders+p.installing > 0 && state.Now().Sub(p.since).Abs() < hooksAfter
	if p.hooking || len(p.toTell) == 0 || more {
		return
	}
	batch := p.toTell
	p.toTell, p.hooking = nil, true
	go func() {
		p.contained(batch, func() { p.rollout.RunHooks(ctx, items(batch)) })
		p.reports <- func() {
			p.hooking = false
			for _, t := range batch {
				p.sweep(ctx, t, agenda)
			}
		}
	}()
}

func items(batch []*turn) []*install.Item {
	all := make([]*install.Item, len(batch))
	for i, t := range batch {
		all[i] = t.item
	}
	return all
}

// sweep removes what the certificate still owes in a zone, and ends its turn.
func (p *pass) sweep(ctx context.Context, t *turn, agenda agenda) {
	name := t.certificate.Name
	if !p.desk.Owes(name) {
		p.end(t, agenda)
		return
	}
	go func() {
		swept := state.Outcome{Certificate: name}
		p.contained([]*turn{t}, func() { swept = p.desk.Sweep(ctx, name, t.item.Snapshot.Order) })
		p.reports <- func() {
			t.item.Outcome = t.item.Outcome.And(swept)
			p.end(t, agenda)
		}
	}()
}

func (p *pass) end(t *turn, agenda agenda) {
	delete(p.turns, t.certificate.Name)
	if !t.passedOver {
		p.agent.inPlace[t.certificate.Name] = sighting{t.item.Rolled(), state.Now()}
	}
	p.look.seal(t)
	if len(p.agent.host.Config.Notify) > 0 { // else nobody is told, and a snapshot is long
		p.seen = append(p.seen, notice.Seen{Snapshot: t.item.Snapshot, Outcome: t.item.Outcome})
	}
	agenda.take(t.item.Outcome)
}

// note writes down what people are to be told as things stand now.
func (p *pass) note(ctx context.Context, agenda agenda) {
	a, now, seen := p.agent, state.Now(), p.seen
	p.noted, p.seen = now, nil
	if len(a.host.Config.Notify) == 0 || ctx.Err() != nil {
		return
	}
	for _, s := range seen {
		if !s.Rests {
			a.renewals[s.Outcome.Certificate] = s.Snapshot.Renewal(now, p.desk.Claim(s.Snapshot.Config))
		}
	}
	notice.Note(a.host, seen, p.accounts(), now)
	agenda.noted()
}

// accounts is what is known of each account's instances and packages.
func (p *pass) accounts() []notice.Account {
	spare := p.desk.Spare()
	var all []notice.Account
	for name := range p.agent.host.Config.Accounts {
		listed, known := spare[name]
		account := notice.Account{Name: name, Spare: listed, Listed: known, Renewals: map[string]state.Renewal{}, Foreseen: true}
		for _, c := range p.agent.host.Config.Certificates {
			if c.Account != name {
				continue
			}
			r, seen := p.agent.renewals[c.Name]
			r.Claim, r.Left = p.desk.Claim(c), p.desk.Left(c) // they may have changed since
			account.Renewals[c.Name] = r
			account.Foreseen = account.Foreseen && seen
		}
		all = append(all, account)
	}
	return all
}
