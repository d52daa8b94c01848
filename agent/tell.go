package agent

import (
	"context"
	"os"
	"slices"
	"sync"
	"time"

	"dvagent/agent/notice"
	"dvagent/notify"
)

// tellPeople makes one try for each channel that is owed something, and
// returns when to try again; zero when nothing is left. It needs no lock of
// the state directory, so a channel that hangs holds up no pass.
func (a *Agent) tellPeople(ctx context.Context) time.Time {
	next := make([]time.Time, len(a.config.Notify))
	var channels sync.WaitGroup
	for i, channel := range a.config.Notify {
		channels.Go(func() {
			err := a.contained("", func() (err error) {
				next[i], err = a.tellOne(ctx, channel)
				return err
			})
			if err != nil {
				a.log.Warn("cannot keep what was told", "channel", channel.Name, "error", err)
				next[i] = wallClock().Add(time.Minute)
			}
		})
	}
	channels.Wait()
	var soonest time.Time
	for _, at := range next {
		soonest = sooner(soonest, at)
	}
	return soonest
}

// tellOne tells a channel what it is owed, in a message for each event. A
// process that dies meanwhile has it told again: what was told is written down
// afterwards.
func (a *Agent) tellOne(ctx context.Context, channel notify.Channel) (next time.Time, err error) {
	owed, failures, until, err := a.takeOwed(channel)
	if err != nil || len(owed) == 0 {
		return until, err
	}
	host, _ := os.Hostname()
	var told []notice.Trouble
	var failure error
	for _, event := range notify.Events {
		m := notify.Message{Event: event, Host: host, At: wallClock()}
		var troubles []notice.Trouble
		for _, t := range owed {
			if eventOf(t) == event {
				troubles = append(troubles, t)
				m.Notices = append(m.Notices, notify.Notice{Subject: t.Subject, Text: textOf(t)})
			}
		}
		if len(troubles) == 0 {
			continue
		}
		if failure = notify.Send(ctx, channel, m); failure != nil {
			break
		}
		told = append(told, troubles...)
	}
	if failure != nil && ctx.Err() == nil {
		next = wallClock().Add(tellBackoff(failures))
		a.log.Warn("a notification failed", "channel", channel.Name, "error", failure, "retry_at", next)
	}
	return next, notice.Update(a.config.StateDir, func(b *notice.Book) {
		b.Told(channel.Name, told)
		if !next.IsZero() {
			b.Failed(channel.Name, failure.Error(), failures+1, next)
		}
	})
}

// tryFor is for how long a try keeps other processes from making the same.
const tryFor = 10 * time.Minute

// takeOwed returns what the channel is owed and how often it failed in a row;
// or until when it is left alone.
func (a *Agent) takeOwed(channel notify.Channel) (owed []notice.Trouble, failures int, until time.Time, err error) {
	book, err := notice.Load(a.config.StateDir)
	if err != nil || len(book.Troubles) == 0 {
		return nil, 0, time.Time{}, err
	}
	err = notice.Update(a.config.StateDir, func(b *notice.Book) {
		now := wallClock()
		owed = b.Owed(channel.Name, func(event string) bool { return slices.Contains(channel.On, event) }, notify.Recovered, now)
		if len(owed) == 0 {
			return
		}
		c := b.Channels[channel.Name]
		if failures = c.Failures; stillHeld(c.Until) {
			owed, until = nil, c.Until
			return
		}
		c.Until = now.Add(tryFor)
	})
	return owed, failures, until, err
}

// tellBackoff grows from ten seconds to an hour.
func tellBackoff(failures int) time.Duration {
	return min(10*time.Second<<min(failures, 12), longestBackoff)
}

func eventOf(t notice.Trouble) string {
	if t.Ended.IsZero() {
		return t.Event
	}
	return notify.Recovered
}

func textOf(t notice.Trouble) string {
	if t.Ended.IsZero() {
		return t.Text
	}
	return map[string]string{
		notify.Failed:     "works again",
		notify.Expiring:   "was renewed, or is not in its emergency window any more",
		notify.NoInstance: "has a spare instance again",
	}[t.Event] + "; nothing is to be done. It was told on " + t.Began.Format(time.RFC3339)
}

// tellAtEnd tells what a one-shot has found, in bounded time. What cannot be
// told now is told by the next call.
func (a *Agent) tellAtEnd(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
	defer cancel()
	a.tellPeople(ctx)
}

// TestChannels sends a message to each channel of the configuration.
func (a *Agent) TestChannels(ctx context.Context) []Finding {
	host, _ := os.Hostname()
	m := notify.Message{Event: notify.Test, Host: host, At: wallClock(), Notices: []notify.Notice{
		{Subject: "test", Text: "somebody tries this channel out; nothing is to be done"},
	}}
	var findings []Finding
	for _, channel := range a.config.Notify {
		f := Finding{Subject: "notify", OK: channel.Name + " took a test message (" + channel.Kind + ")"}
		if err := notify.Send(ctx, channel, m); err != nil {
			f = Finding{Subject: "notify", Err: err}
		}
		findings = append(findings, f)
	}
	return findings
}
