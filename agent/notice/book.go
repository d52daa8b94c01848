// Package notice tells people what needs them, once: which troubles there are,
// which channel was told of which, and whether the spare instances last. It
// calls no API and changes nothing of a certificate.
package notice

import (
	"maps"
	"slices"
	"time"

	"dvagent/agent/state"
	"dvagent/notify"
)

// Trouble is something that needs a person, from when it is noticed until it
// is over.
type Trouble struct {
	Event   string    `json:"event"`
	Subject string    `json:"subject"`         // a certificate, "account NAME" or "package CODE of account NAME"
	Cause   string    `json:"cause,omitempty"` // another one makes it news
	Text    string    `json:"text"`
	Ends    time.Time `json:"ends,omitzero"`    // of the certificate that it is about: a message says whether it has expired by then
	Advice  string    `json:"advice,omitempty"` // what to do, where Text does not say so
	Began   time.Time `json:"began"`
	Ended   time.Time `json:"ended,omitzero"`
}

func (t Trouble) key() string { return t.Event + " " + t.Subject }

// Channel is what one channel was told, and what keeps it from being told more.
type Channel struct {
	Told     map[string]time.Time `json:"told"`               // when each told trouble began, by its key
	Failures int                  `json:"failures,omitempty"` // in a row
	Error    string               `json:"error,omitempty"`
	Until    time.Time            `json:"until,omitzero"` // not tried before then
}

// Spare is how many spare instances an account was last seen to have.
type Spare struct {
	Instances int          `json:"instances"`
	Ends      state.Spares `json:"ends,omitempty"` // those instances; an older dvagent did not write them
	At        time.Time    `json:"at"`
}

func (s Spare) spares() state.Spares {
	if s.Ends == nil {
		return state.Spares{{}: s.Instances}
	}
	return s.Ends
}

// Book is everything that is kept.
type Book struct {
	Troubles map[string]Trouble  `json:"troubles"`
	Channels map[string]*Channel `json:"channels"`
	Spare    map[string]Spare    `json:"spare"` // by account
}

// clone is a book of its own, which says the same.
func (b *Book) clone() *Book {
	c := &Book{Troubles: maps.Clone(b.Troubles), Channels: map[string]*Channel{}, Spare: map[string]Spare{}}
	for name, channel := range b.Channels {
		own := *channel
		own.Told = maps.Clone(channel.Told)
		c.Channels[name] = &own
	}
	for account, spare := range b.Spare {
		spare.Ends = maps.Clone(spare.Ends)
		c.Spare[account] = spare
	}
	return c
}

// Begin notes a trouble. It is news unless the same one is there already.
func (b *Book) Begin(t Trouble) {
	old, known := b.Troubles[t.key()]
	if known && old.Ended.IsZero() && (old.Cause == t.Cause || !state.News(t.Cause, old.Cause)) {
		return
	}
	b.Troubles[t.key()] = t
}

// End notes that a trouble is over. One that nobody was told of is forgotten.
func (b *Book) End(event, subject string, now time.Time) {
	key := event + " " + subject
	if t, known := b.Troubles[key]; known && t.Ended.IsZero() {
		t.Ended = now
		b.Troubles[key] = t
		b.forget(key)
	}
}

// forget drops a trouble that is over once no channel has to hear that.
func (b *Book) forget(key string) {
	for _, c := range b.Channels {
		if _, told := c.Told[key]; told {
			return
		}
	}
	if !b.Troubles[key].Ended.IsZero() {
		delete(b.Troubles, key)
	}
}

// Keep drops the channels, and the troubles of subjects, that are not
// configured any more.
func (b *Book) Keep(channels, subjects map[string]bool) {
	maps.DeleteFunc(b.Channels, func(name string, _ *Channel) bool { return !channels[name] })
	for key, t := range b.Troubles {
		if !subjects[t.Subject] {
			b.drop(key)
		}
		b.forget(key)
	}
}

func (b *Book) drop(key string) {
	delete(b.Troubles, key)
	for _, c := range b.Channels {
		delete(c.Told, key)
	}
}

// recoveryTold is how long it is worth telling that a trouble is over, or that all
// went well.
const recoveryTold = 24 * time.Hour

// dropNews forgets what was good news a day ago.
func (b *Book) dropNews(now time.Time) {
	for key, t := range b.Troubles {
		if t.Event == notify.Renewed && now.Sub(t.Began) > recoveryTold {
			b.drop(key)
		}
	}
}

// Owed lists what the channel is still to be told: the troubles that it was
// not told of, and those that are over, of the events that it listens to.
// A trouble whose end it does not want to know is settled here.
func (b *Book) Owed(name string, wants func(event string) bool, recovered string, now time.Time) []Trouble {
	c := b.channel(name)
	var owed []Trouble
	for _, key := range slices.Sorted(maps.Keys(b.Troubles)) {
		t := b.Troubles[key]
		began, told := c.Told[key]
		switch {
		case t.Ended.IsZero() && wants(t.Event) && !(told && began.Equal(t.Began)):
			owed = append(owed, t)
		case t.Ended.IsZero() || !told:
		case wants(recovered) && now.Sub(t.Ended) < recoveryTold:
			owed = append(owed, t)
		default:
			delete(c.Told, key)
			b.forget(key)
		}
	}
	return owed
}

// channel is the entry of a channel, made when it is not there.
func (b *Book) channel(name string) *Channel {
	c := b.Channels[name]
	if c == nil {
		c = &Channel{}
		b.Channels[name] = c
	}
	if c.Told == nil {
		c.Told = map[string]time.Time{}
	}
	return c
}

// Told notes that the channel was told of these troubles.
func (b *Book) Told(name string, troubles []Trouble) {
	c := b.channel(name)
	c.Failures, c.Error, c.Until = 0, "", time.Time{}
	for _, t := range troubles {
		if t.Ended.IsZero() {
			c.Told[t.key()] = t.Began
			continue
		}
		if began, told := c.Told[t.key()]; told && began.Equal(t.Began) {
			delete(c.Told, t.key())
		}
		b.forget(t.key())
	}
}

// Failed notes that the channel could not be told, and when it is tried again.
func (b *Book) Failed(name, why string, failures int, until time.Time) {
	c := b.channel(name)
	c.Failures, c.Error, c.Until = failures, why, until
}
