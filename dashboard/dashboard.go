// Package dashboard shows a running service over HTTP: to a person as one page,
// to Prometheus as metrics, to programs as JSON. It shows what is known already
// and changes nothing; no scrape and no look at the page calls an API, shakes
// hands with a probe or compares a file. While nobody looks it costs nothing.
package dashboard

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"dvagent/agent/state"
	"dvagent/agent/view"
	"dvagent/internal/line"
	"dvagent/internal/message"
)

// Service is the running service that is shown; *agent.Service is one.
type Service interface {
	// Glance is how everything was last seen, without a look at targets or probes.
	Glance() *view.Glance
	// Status reads every target and shakes hands with every probe.
	Status(ctx context.Context, names ...string) (view.Status, error)
	// Detail is how one certificate was last seen, with its versions and the
	// history of its orders; an unknown one is a *state.UnknownError.
	Detail(name string) (*view.Seen, error)
}

// Build says what program it is.
type Build struct {
	Version, Commit, Go string
}

// Dashboard collects what agents tell while they work. It is safe for
// concurrent use.
type Dashboard struct {
	build    Build
	registry *prometheus.Registry
	counts   *counts

	mu     sync.Mutex
	events []event // the newest last
	spare  map[string]spareSeen
	reload reload
	speaks message.Language // what the configuration chooses; "": the browser does
}

// event is a state.Progress as it is shown.
type event struct {
	at                      time.Time
	certificate, step, text string
	waiting, failed         bool
}

// spareSeen is how many instances of an account were spare when it was asked.
type spareSeen struct {
	instances state.Spares
	at        time.Time
}

// reload is when the configuration at work was read, and why a later one is not
// in use.
type reload struct {
	at  time.Time
	err error
}

const (
	mostEvents  = 100
	longestText = 400 // runes of an event or an error
)

// New makes a dashboard that has seen nothing yet but that the configuration
// was read.
func New(build Build) *Dashboard {
	d := &Dashboard{build: build, registry: prometheus.NewRegistry(), spare: map[string]spareSeen{}}
	d.counts = newCounts(d.registry, build)
	d.Reloaded(nil)
	return d
}

// Observe is a state.Observer.
func (d *Dashboard) Observe(e state.Event) {
	switch e := e.(type) {
	case state.Progress:
		d.note(e)
	case state.Call:
		d.counts.call(e)
	case state.OrderChange:
		d.counts.order(e)
	case state.Spare:
		d.noteSpare(e)
	}
}

// Speak sets the language that the configuration chooses, whatever the browser
// asks for; "" leaves it to the browser.
func (d *Dashboard) Speak(language message.Language) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.speaks = language
}

// Reloaded says how a reading of the configuration ended; with an error the
// old one stays at work.
func (d *Dashboard) Reloaded(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.reload.err = err; err == nil { // at is of the one at work
		d.reload.at = time.Now().Round(0)
	}
	d.counts.reloaded(d.reload)
}

func (d *Dashboard) note(p state.Progress) {
	e := event{at: p.At, certificate: p.Certificate, step: p.Step, text: clean(p.Text), waiting: p.Waiting}
	if p.Err != nil {
		e.text, e.failed = clean(p.Err.Error()), true
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.events) == mostEvents {
		d.events = append(d.events[:0], d.events[1:]...)
	}
	d.events = append(d.events, e)
}

func (d *Dashboard) noteSpare(s state.Spare) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.spare[s.Account] = spareSeen{s.Instances, time.Now().Round(0)}
}

func (d *Dashboard) spareOf(account string) (seen spareSeen, known bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	seen, known = d.spare[account]
	return seen, known
}

// clean makes one bounded line of text of others.
func clean(text string) string {
	runes := []rune(line.Of(text))
	if len(runes) <= longestText {
		return string(runes)
	}
	return string(runes[:longestText-1]) + "…"
}
