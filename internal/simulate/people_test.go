package simulate

import (
	"context"
	"encoding/json"
	"io"
	"log"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"dvagent/agent"
	"dvagent/agent/state"
	"dvagent/notify"
)

const noticesAt = "127.0.0.1:7000"

// people read what they are told, and do what it says a while later.
type people struct {
	world *world

	mu       sync.Mutex
	troubles map[string]*trouble // that they were told of and are not over, by host, event and subject
}

// trouble is what people were told of.
type trouble struct {
	host           *host
	event, subject string
	text           string
	told           time.Time
	acted          time.Time // zero: nobody has done anything about it yet
}

func (t *trouble) key() string { return t.host.name + " " + t.event + " " + t.subject }

// listen takes what people are told.
func (p *people) listen() {
	p.troubles = map[string]*trouble{}
	l, err := p.world.net.Listen("tcp", noticesAt)
	if err != nil {
		p.world.t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(p.hear), ErrorLog: log.New(io.Discard, "", 0)}
	p.world.done.Go(func() { _ = server.Serve(l) })
	context.AfterFunc(p.world.ctx, func() { server.Close() })
}

func (p *people) hear(_ http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	var told struct {
		Event   string          `json:"event"`
		Notices []notify.Notice `json:"notices"`
	}
	if err := json.Unmarshal(body, &told); err != nil {
		p.world.violated("a notice cannot be read: %v: %q", err, body)
		return
	}
	if strings.Contains(string(body), secret) {
		p.world.violated("I6: a notice shows the secret: %s", body)
	}
	i := slices.IndexFunc(p.world.hosts, func(h *host) bool { return "/"+h.name == r.URL.Path })
	for _, n := range told.Notices {
		p.world.tell(p.world.hosts[i].name, "TELLS %s: %s: %s", told.Event, n.Subject, n.Text)
		p.note(p.world.hosts[i], told.Event, n)
	}
}

func (p *people) note(h *host, event string, n notify.Notice) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if event == notify.Recovered {
		maps.DeleteFunc(p.troubles, func(_ string, t *trouble) bool {
			return t.host == h && t.subject == n.Subject && over(t.event, n.Text)
		})
		return
	}
	t := &trouble{host: h, event: event, subject: n.Subject, text: n.Text, told: time.Now()}
	if before := p.troubles[t.key()]; before != nil && before.text == t.text && h.watch.lastDeath.Before(before.told) && !h.watch.lapsed(before.told) {
		p.world.violated("told twice: %s: %s", event, n.Text)
	}
	p.troubles[t.key()] = t
	p.world.after(p.world.delay(t.key()), func() { p.act(t) })
}

// over says that the text of a recovery is about the event.
func over(event, text string) bool {
	about := map[string]string{
		notify.Failed: "works again", notify.Expiring: "was renewed", notify.NoInstance: "has something to renew",
		notify.SubscriptionEnds: "has a subscription",
	}
	return strings.HasPrefix(text, about[event])
}

// delay is how long it takes until somebody has time: from two hours to two days,
// by the clock and not by the dice, which are the loop's.
func (w *world) delay(what string) time.Duration {
	n := time.Now().Unix() / 60
	for _, c := range what {
		n = n*31 + int64(c)
	}
	return 2*time.Hour + time.Duration((n%2760+2760)%2760)*time.Minute
}

// act does what a notice says, and looks again a day later.
func (p *people) act(t *trouble) {
	p.mu.Lock()
	current := p.troubles[t.key()] == t
	if current {
		t.acted = time.Now()
	}
	p.mu.Unlock()
	if !current {
		return
	}
	p.follow(t)
	p.world.after(day, func() { p.act(t) })
}

func (p *people) follow(t *trouble) {
	h, w := t.host, p.world
	if !h.isUp() {
		return
	}
	switch {
	case w.spare() > 1 && strings.Contains(t.text, "buy a DV instance"):
	case t.event == notify.NoInstance || t.event == notify.SubscriptionEnds || strings.Contains(t.text, "buy a DV instance"):
		if w.spare() < 2 {
			w.buy(2)
		}
	case strings.Contains(t.text, "dvagent abandon"):
		w.tell("people", "dvagent abandon %s", h.certificate)
		w.excuse(1)
		h.once(func(ctx context.Context, a *agent.Agent) error {
			_, err := a.Abandon(ctx, h.certificate, operator)
			return err
		})
	case strings.Contains(t.text, "renew --force"):
		p.renew(h, true)
	case strings.Contains(t.text, "dvagent renew"):
		p.renew(h, false)
	}
}

var operator = state.Caller{Who: "dvagent renew", LockWait: time.Minute}

func (p *people) renew(h *host, force bool) {
	what := "dvagent renew"
	if force {
		what += " --force"
		p.world.excuse(1)
	}
	p.world.tell("people", "%s on %s", what, h.name)
	h.once(func(ctx context.Context, a *agent.Agent) error {
		_, err := a.Renew(ctx, agent.Renewal{Names: []string{h.certificate}, Force: force, Timeout: 20 * time.Minute, Caller: operator})
		return err
	})
}

// owing lists the troubles of a host about which nobody has done anything yet.
func (p *people) owing(h *host) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, t := range p.troubles {
		if t.host == h && t.acted.IsZero() {
			return true
		}
	}
	return false
}

// know says that people were told of a trouble of the certificate that is not over.
func (p *people) know(h *host) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, t := range p.troubles {
		if t.host == h {
			return true
		}
	}
	return false
}
