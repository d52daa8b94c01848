package notice

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"dvagent/internal/words"

	"dvagent/agent/state"
	"dvagent/notify"
)

// Seen is a certificate as a pass leaves it.
type Seen struct {
	Snapshot state.Snapshot
	Outcome  state.Outcome
	Rests    bool // nothing was touched since a look had nothing to do; the snapshot is empty
}

// Account is what a pass leaves known of an account's instances.
type Account struct {
	Name     string
	Spare    state.Spares             // free and claimed by nobody
	Listed   bool                     // in this pass, so that Spare counts; else the book's last number does
	Renewals map[string]state.Renewal // by certificate
	Foreseen bool                     // every certificate was looked at, so that Renewals count
}

// Note writes down what people are to be told. A failure to write does not fail
// the pass.
func Note(host *state.Host, seen []Seen, accounts []Account, now time.Time) {
	err := Update(host.Dir.Notices(), func(b *Book) {
		b.Keep(channels(host), subjects(host))
		b.dropNews(now)
		for _, s := range seen {
			s.note(b, now)
		}
		for _, account := range accounts {
			account.note(b, host, now)
		}
	})
	if err != nil {
		host.Log.Warn("cannot keep what is to be told", "error", err)
	}
}

const accountSubject = "account "

// channels are the names of those that are configured.
func channels(host *state.Host) map[string]bool {
	names := map[string]bool{}
	for _, channel := range host.Config.Notify {
		names[channel.Name] = true
	}
	return names
}

// subjects are what a trouble can be about.
func subjects(host *state.Host) map[string]bool {
	subjects := map[string]bool{}
	for account := range host.Config.Accounts {
		subjects[accountSubject+account] = true
	}
	for _, certificate := range host.Config.Certificates {
		subjects[certificate.Name] = true
		subjects[packageSubject(certificate.Package, certificate.Account)] = certificate.Package != ""
	}
	return subjects
}

func packageSubject(product, account string) string {
	return fmt.Sprintf("package %s of account %s", product, account)
}

// note notes the troubles of one certificate. What fails in passing, and an
// order that is open, neither begin a failure nor end one.
func (s Seen) note(b *Book, now time.Time) {
	o, name := s.Outcome, s.Outcome.Certificate
	switch {
	case o.Class == state.Served:
		b.End(notify.Failed, name, now)
		b.End(notify.NoInstance, name, now)
	case o.Class == state.NoInstance:
		b.Begin(s.trouble(notify.NoInstance, now))
	case o.Class != state.Pending && !o.Transient:
		b.Begin(s.trouble(notify.Failed, now))
	}
	s.noteRenewal(b, now)
	open := s.Snapshot.Order
	switch {
	case s.Snapshot.Leaf == nil && !s.Rests:
	case !s.Snapshot.Emergency(now):
		b.End(notify.Expiring, name, now)
	case o.Err != nil || open != nil && now.Sub(open.OpenedAt) > state.LongestBackoff:
		expiring := s.trouble(notify.Expiring, now)
		expiring.Cause = s.Snapshot.Newest
		b.Begin(expiring)
	}
}

// noteRenewal tells of a certificate that has come, where somebody wants to know.
func (s Seen) noteRenewal(b *Book, now time.Time) {
	leaf := s.Snapshot.Leaf
	if !s.Outcome.Ordered || leaf == nil {
		return
	}
	format := "was renewed, and is valid until %s; its next renewal is on %s"
	if s.Outcome.Class != state.Served {
		format = "has a new certificate, valid until %s, which is not in use everywhere yet; its next renewal is on %s"
	}
	b.Begin(Trouble{Event: notify.Renewed, Subject: s.Outcome.Certificate, Cause: s.Snapshot.Newest, Began: now,
		Text: fmt.Sprintf(format, words.Date(leaf.NotAfter), words.Minute(s.Snapshot.RenewsAt()))})
}

// trouble says what happened, when the certificate ends, and what to do.
func (s Seen) trouble(event string, now time.Time) Trouble {
	o := s.Outcome
	t := Trouble{Event: event, Subject: o.Certificate, Began: now, Advice: cmp.Or(o.Hint(), "see dvagent status "+o.Certificate)}
	if o.Err != nil {
		t.Cause = state.Cause(o.Err)
		t.Text = strings.TrimPrefix(o.Step+": ", ": ") + o.Err.Error()
	} else if o.Waiting != "" {
		t.Text = "waits for " + o.Waiting
	}
	if leaf := s.Snapshot.Leaf; leaf != nil {
		t.Ends = leaf.NotAfter
	}
	return t
}

// note compares the spare instances, and what is left of packages, with the
// renewals that come. No call is made for it: what was last seen counts.
func (a Account) note(b *Book, host *state.Host, now time.Time) {
	if a.Listed {
		b.Spare[a.Name] = Spare{Instances: a.Spare.Count(), Ends: a.Spare, At: now}
	}
	if a.Foreseen {
		renewals, until := slices.Collect(maps.Values(a.Renewals)), now.Add(host.Config.Limits.Forecast)
		a.noteInstances(b, renewals, now, until)
		a.notePackages(b, renewals, now, until)
	}
}

func (a Account) noteInstances(b *Book, renewals []state.Renewal, now, until time.Time) {
	forecast := state.Foresee(renewals, "", now, until)
	spare, seen := b.Spare[a.Name]
	coming, unmet := forecast.Coming(), forecast.Unmet(spare.spares())
	a.noteSubscriptions(b, seen && unmet == 0, now, until)
	if !seen {
		return
	}
	wanting, before, on := number(coming, "1 certificate wants", "%d certificates want"), words.Date(until), words.Date(spare.At)
	text := fmt.Sprintf("%s an instance before %s, and %s spare on %s; to do: buy more DV instances",
		wanting, before, number(spare.Instances, "1 paid DV instance was", "%d paid DV instances were"), on)
	if spare.Instances >= coming {
		text = fmt.Sprintf("%s an instance before %s, and of %s spare on %s none lasts for %d of them; to do: buy more DV instances",
			wanting, before, number(spare.Instances, "1 paid DV instance that was", "%d paid DV instances that were"), on, unmet)
	}
	noteForecast(b, accountSubject+a.Name, forecast, unmet, now, text)
}

// number is one, or many with their number.
func number(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return fmt.Sprintf(many, n)
}

func (a Account) notePackages(b *Book, renewals []state.Renewal, now, until time.Time) {
	for _, r := range renewals {
		if r.Left == nil {
			continue
		}
		forecast := state.Foresee(renewals, r.Package, now, until)
		noteForecast(b, packageSubject(r.Package, a.Name), forecast, forecast.Coming()-r.Left.Certificates, now, fmt.Sprintf(
			"had %s left on %s for %s before %s; to do: %s",
			words.Count(r.Left.Certificates, "certificate"), words.Date(r.Left.At), words.Count(forecast.Coming(), "renewal"), words.Date(until), state.PackageHint))
	}
}

// noteForecast tells where more is wanted than there is. Certificates that all
// want it now tell of it themselves.
func noteForecast(b *Book, subject string, wanted state.Forecast, unmet int, now time.Time, text string) {
	if unmet <= 0 || wanted.Later == 0 {
		b.End(notify.NoInstance, subject, now)
		return
	}
	b.Begin(Trouble{Event: notify.NoInstance, Subject: subject, Began: now, Text: text})
}

// noteSubscriptions tells of each subscription that does not last for a renewal
// that comes, unless enough instances are spare. Neither an open order nor one
// that waits for an instance begins such a trouble or ends one.
func (a Account) noteSubscriptions(b *Book, enough bool, now, until time.Time) {
	for certificate, r := range a.Renewals {
		short := r.Shortfall(certificate, now)
		switch {
		case r.Ordering(), r.Package == "" && r.Claim.Instance == "" && !enough:
		case r.Package != "" || enough || short == "" || !r.At.Before(until):
			b.End(notify.SubscriptionEnds, certificate, now)
		default:
			b.Begin(Trouble{Event: notify.SubscriptionEnds, Subject: certificate, Cause: r.Claim.Until.UTC().Format(time.RFC3339), Began: now,
				Text: short + "; to do: " + state.ShortHint})
		}
	}
}
