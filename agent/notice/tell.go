package notice

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"dvagent/internal/words"

	"dvagent/agent/state"
	"dvagent/internal/message"
	"dvagent/notify"
)

// Notify makes one try for each channel that is owed something, and returns
// when to try again; zero when nothing is left. It needs no lock of the state
// directory, so a channel that hangs holds up no pass.
func Notify(ctx context.Context, host *state.Host) time.Time {
	next := make([]time.Time, len(host.Config.Notify))
	var channels sync.WaitGroup
	for i, channel := range host.Config.Notify {
		channels.Go(func() {
			err := host.Contained("", func() (err error) {
				next[i], err = notifyOne(ctx, host, channel)
				return err
			})
			if err != nil {
				host.Log.Warn("cannot keep what was told", "channel", channel.Name, "error", err)
				next[i] = state.Now().Add(time.Minute)
			}
		})
	}
	channels.Wait()
	var soonest time.Time
	for _, at := range next {
		soonest = state.Sooner(soonest, at)
	}
	return soonest
}

// notifyOne tells a channel what it is owed, in a message for each event. A
// process that dies meanwhile has it told again: what was told is written down
// afterwards.
func notifyOne(ctx context.Context, host *state.Host, channel notify.Channel) (next time.Time, err error) {
	owed, failures, until, err := takeOwed(host, channel)
	if err != nil || len(owed) == 0 {
		return until, err
	}
	told, failure := send(ctx, channel, message.Chosen(host.Config.Language), owed)
	if failure != nil && ctx.Err() == nil {
		next = state.Now().Add(backoff(failures))
		host.Log.Warn("a notification failed", "channel", channel.Name, "error", failure, "retry_at", next)
	}
	return next, Update(host.Dir.Notices(), func(b *Book) {
		b.Told(channel.Name, told)
		if !next.IsZero() {
			b.Failed(channel.Name, failure.Error(), failures+1, next)
		}
	})
}

// send makes a message of the troubles of each event. It returns those that the
// channel took.
func send(ctx context.Context, channel notify.Channel, language message.Language, owed []Trouble) (told []Trouble, err error) {
	name, _ := os.Hostname()
	for _, event := range notify.Events {
		m := notify.Message{Event: event, Host: name, At: state.Now(), Language: language}
		var troubles []Trouble
		for _, t := range owed {
			if eventOf(t) == event {
				troubles = append(troubles, t)
				m.Notices = append(m.Notices, notify.Notice{Subject: t.Subject, Text: textOf(t, m.At)})
			}
		}
		if len(troubles) == 0 {
			continue
		}
		if err := notify.Send(ctx, channel, m); err != nil {
			return told, err
		}
		told = append(told, troubles...)
	}
	return told, nil
}

// tryFor is for how long a try keeps other processes from making the same.
const tryFor = 10 * time.Minute

// takeOwed returns what the channel is owed and how often it failed in a row;
// or until when it is left alone.
func takeOwed(host *state.Host, channel notify.Channel) (owed []Trouble, failures int, until time.Time, err error) {
	book, err := Load(host.Dir.Notices())
	if err != nil || len(book.Troubles) == 0 {
		return nil, 0, time.Time{}, err
	}
	err = Update(host.Dir.Notices(), func(b *Book) {
		now := state.Now()
		owed = b.Owed(channel.Name, func(event string) bool { return slices.Contains(channel.On, event) }, notify.Recovered, now)
		if len(owed) == 0 {
			return
		}
		c := b.Channels[channel.Name]
		if failures = c.Failures; state.StillHeld(c.Until) {
			owed, until = nil, c.Until
			return
		}
		c.Until = now.Add(tryFor)
	})
	return owed, failures, until, err
}

// backoff grows from ten seconds to an hour.
func backoff(failures int) time.Duration {
	return min(10*time.Second<<min(failures, 12), state.LongestBackoff)
}

func eventOf(t Trouble) string {
	if t.Ended.IsZero() {
		return t.Event
	}
	return notify.Recovered
}

// textOf is what a message of a time says of a trouble.
func textOf(t Trouble, at time.Time) string {
	if t.Ended.IsZero() {
		return openText(t, at)
	}
	over := map[string]string{
		notify.Failed:     "works again",
		notify.Expiring:   "was renewed, or is not in its emergency window any more",
		notify.NoInstance: "has something to renew with again, or needs nothing now",

		notify.SubscriptionEnds: "has a subscription or a spare instance for its renewal again",
	}[t.Event]
	return fmt.Sprintf("%s; there is nothing to do. It was reported on %s", over, words.Minute(t.Began))
}

func openText(t Trouble, at time.Time) string {
	said := []string{t.Text}
	switch {
	case t.Ends.IsZero():
	case at.After(t.Ends):
		said = append(said, "the certificate expired on "+words.Minute(t.Ends))
	default:
		said = append(said, "the present certificate is valid until "+words.Minute(t.Ends))
	}
	if t.Advice != "" {
		said = append(said, "to do: "+t.Advice)
	}
	return strings.TrimPrefix(strings.Join(said, "; "), "; ")
}

// NotifyAtEnd tells what a one-shot has found, in bounded time. What cannot be
// told now is told by the next call.
func NotifyAtEnd(ctx context.Context, host *state.Host) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
	defer cancel()
	Notify(ctx, host)
}
