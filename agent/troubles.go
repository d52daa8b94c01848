package agent

import (
	"context"
	"fmt"
	"strings"
	"time"

	"dvagent/agent/notice"
	"dvagent/internal/aliyun"
	"dvagent/notify"
)

// noteTroubles writes down what a person is to be told as this pass leaves it.
// That it cannot is no failure of the pass.
func (p *pass) noteTroubles(ctx context.Context, standings []standing, outcomes []Outcome) {
	if len(p.config.Notify) == 0 || ctx.Err() != nil {
		return
	}
	for _, s := range standings {
		p.renewals[s.Name] = s.renewsAt() // the past where there is no certificate
	}
	now := wallClock()
	err := notice.Update(p.config.StateDir, func(b *notice.Book) {
		b.Keep(p.channels(), p.subjects())
		for i, s := range standings {
			s.note(b, outcomes[i], now)
		}
		p.noteSpare(b, now)
	})
	if err != nil {
		p.log.Warn("cannot keep what is to be told", "error", err)
	}
}

const accountSubject = "account "

// channels are the names of those that are configured.
func (a *Agent) channels() map[string]bool {
	names := map[string]bool{}
	for _, channel := range a.config.Notify {
		names[channel.Name] = true
	}
	return names
}

// subjects are what a trouble can be about.
func (a *Agent) subjects() map[string]bool {
	subjects := map[string]bool{}
	for account := range a.config.Accounts {
		subjects[accountSubject+account] = true
	}
	for _, certificate := range a.config.Certificates {
		subjects[certificate.Name] = true
	}
	return subjects
}

// note notes the troubles of one certificate. What fails in passing, and an
// order that is open, neither begin a failure nor end one.
func (s standing) note(b *notice.Book, o Outcome, now time.Time) {
	name := o.Certificate
	switch {
	case o.Class == Served:
		b.End(notify.Failed, name, now)
		b.End(notify.NoInstance, name, now)
	case o.Class == NoInstance:
		b.Begin(s.trouble(notify.NoInstance, o, now))
	case o.Class != Pending && !o.Transient:
		b.Begin(s.trouble(notify.Failed, o, now))
	}
	switch {
	case s.leaf == nil:
	case !s.emergency(now):
		b.End(notify.Expiring, name, now)
	case o.Err != nil || s.order != nil && now.Sub(s.order.OpenedAt) > longestBackoff:
		expiring := s.trouble(notify.Expiring, o, now)
		expiring.Cause = s.newest
		b.Begin(expiring)
	}
}

// trouble says what happened, until when the certificate is valid, and what to
// do.
func (s standing) trouble(event string, o Outcome, now time.Time) notice.Trouble {
	t := notice.Trouble{Event: event, Subject: o.Certificate, Began: now}
	var said []string
	if o.Err != nil {
		t.Cause = passing.ReplaceAllString(o.Err.Error(), "")
		said = append(said, strings.TrimPrefix(o.Step+": ", ": ")+o.Err.Error())
	} else if o.Waiting != "" {
		said = append(said, "waits for "+o.Waiting)
	}
	switch {
	case s.leaf == nil:
	case now.After(s.leaf.NotAfter):
		said = append(said, "the certificate expired on "+s.leaf.NotAfter.Format(time.RFC3339))
	default:
		said = append(said, "the present certificate is valid until "+s.leaf.NotAfter.Format(time.RFC3339))
	}
	advice := o.Hint()
	if advice == "" {
		advice = "see dvagent status " + o.Certificate
	}
	t.Text = strings.Join(append(said, "to do: "+advice), "; ")
	return t
}

// noteSpare compares the spare instances with the renewals that come. No call
// is made for it: the last list counts.
func (p *pass) noteSpare(b *notice.Book, now time.Time) {
	for account, instances := range p.listed {
		b.Spare[account] = notice.Spare{Instances: p.countSpare(account, instances), At: now}
	}
	for account := range p.config.Accounts {
		spare, seen := b.Spare[account]
		coming, known := p.coming(account, now)
		subject := accountSubject + account
		switch {
		case !seen || !known:
		case spare.Instances >= coming:
			b.End(notify.NoInstance, subject, now)
		default:
			b.Begin(notice.Trouble{Event: notify.NoInstance, Subject: subject, Began: now, Text: fmt.Sprintf(
				"%d certificates want an instance before %s, and %d paid DV instances were spare on %s; to do: buy more DV instances",
				coming, now.Add(p.config.Limits.Forecast).Format(time.DateOnly), spare.Instances, spare.At.Format(time.DateOnly))})
		}
	}
}

// countSpare counts the paid DV instances that no certificate has claimed.
func (p *pass) countSpare(account string, instances []aliyun.Instance) int {
	n := 0
	for _, i := range instances {
		if i.DV() && i.Status.Spare() && p.instances.Holder(account, i.InstanceID) == "" {
			n++
		}
	}
	return n
}

// coming counts the certificates of an account that want an instance within
// the forecast, and have claimed none; 0 when each of them wants it now, since
// that is told of it by itself. It is not known before each one was looked at.
func (p *pass) coming(account string, now time.Time) (n int, known bool) {
	later := false
	for _, c := range p.config.Certificates {
		if c.Account != account {
			continue
		}
		at, seen := p.renewals[c.Name]
		if !seen {
			return 0, false
		}
		claim, _ := p.instances.ClaimOf(account, c.Name)
		if claim.Instance == "" && at.Before(now.Add(p.config.Limits.Forecast)) {
			n++
			later = later || at.After(now)
		}
	}
	if !later {
		return 0, true
	}
	return n, true
}
