// Package notify carries a message to people: by e-mail, to the robot of a
// chat (DingTalk, Feishu, WeCom), or to any webhook. It makes one try, and
// decides neither what is told, nor when, nor whether a try is repeated.
package notify

import (
	"context"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"dvagent/internal/hint"
	"dvagent/internal/line"
	"dvagent/internal/message"
	"dvagent/internal/secret"
)

// The kinds of channels.
const (
	Email    = "email"
	DingTalk = "dingtalk"
	Feishu   = "feishu" // and Lark
	WeCom    = "wecom"
	Webhook  = "webhook" // the message as JSON, see payload
)

// Kinds are all of them.
var Kinds = []string{DingTalk, Email, Feishu, Webhook, WeCom}

// The events that are told.
const (
	Failed     = "failed"      // an order, a deployment or a hook
	Expiring   = "expiring"    // the emergency window was reached without a renewal
	NoInstance = "no_instance" // there is no spare instance, or nothing left of the package, for a renewal, due or coming
	Recovered  = "recovered"   // one of the events is over
	Renewed    = "renewed"     // a certificate was; by choice alone
	Test       = "test"        // somebody tries the channel out

	SubscriptionEnds = "subscription_ends" // too soon for a renewal that comes, and no instance is spare
)

// Events are those that a channel can choose from.
var Events = []string{Failed, Expiring, NoInstance, SubscriptionEnds, Recovered, Renewed}

// Needed are those of a channel that chooses none: where a person is needed, and
// no longer is.
var Needed = []string{Failed, Expiring, NoInstance, SubscriptionEnds, Recovered}

// Channel is one way to people. Its secrets are read anew for each message.
type Channel struct {
	Name   string
	Kind   string
	On     []string      // events
	URL    secret.Secret // of every kind but Email
	Secret secret.Secret // signs what goes to DingTalk and Feishu; unset: nothing does
	Mail   Mail          // of Email
}

// Notice is one thing to tell.
type Notice struct {
	Subject string `json:"subject"` // a certificate, or "account NAME"
	Text    string `json:"text"`    // what happened, until when it is fine, what to do
}

// Message is what happened at one time, of one event.
type Message struct {
	Event   string
	Host    string // whose dvagent speaks
	At      time.Time
	Notices []Notice

	Language message.Language // of what people read; the JSON of a webhook is English
}

const (
	longest = 1900 // bytes of a text; WeCom takes 2048
	most    = 20   // notices that are written out
)

// timeout of one try, from the name's resolution to the whole answer.
const timeout = 15 * time.Second

// letterTimeout is for mail, whose servers may let each reply wait: a try that
// is given up too early has been delivered after all, and is made again.
const letterTimeout = 2 * time.Minute

// Send makes one try. No error holds the channel's address or a secret.
func Send(ctx context.Context, c Channel, m Message) error {
	limit := timeout
	if c.Kind == Email {
		limit = letterTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var err error
	if c.Kind == Email {
		err = c.Mail.send(ctx, m)
	} else {
		err = c.post(ctx, m)
	}
	if err != nil {
		return hint.Add(fmt.Errorf("notify %s: %s", c.Name, line.Of(cut(err.Error()))), hint.Of(err))
	}
	return nil
}

// title says in one line what the message is about.
func (m Message) title() string {
	what := strings.ReplaceAll(m.Event, "_", " ")
	if len(m.Notices) == 1 {
		return line.Of(m.Language.Sprintf("dvagent on %s: %s: %s", m.Host, what, m.Notices[0].Subject))
	}
	return line.Of(m.Language.Sprintf("dvagent on %s: %s: %d subjects", m.Host, what, len(m.Notices)))
}

// body has a line for each notice, as far as there is room.
func (m Message) body() string {
	var lines []string
	for i, n := range m.Notices {
		if i == most {
			lines = append(lines, m.Language.Sprintf("and %d more: see dvagent status", len(m.Notices)-most))
			break
		}
		lines = append(lines, line.Of(n.Subject+": "+m.Language.Text(n.Text)))
	}
	return cut(strings.Join(lines, "\n"))
}

// cut keeps what every service takes.
func cut(text string) string {
	if len(text) <= longest {
		return text
	}
	end := longest
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + "…"
}
