package dashboard

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"dvagent/agent/state"
	"dvagent/agent/view"
	"dvagent/internal/words"
)

// certificatePage is what the template of one certificate shows.
type certificatePage struct {
	Frame     frame
	Host, At  string
	Name      string
	State     badge
	Next      string
	Trouble   trouble
	Warnings  []string
	Facts     []fact
	Versions  []shownVersion
	Order     *openOrder
	LastOrder *endedOrder

	Deployments []shownDeployment
}

// fact is one thing that is known, by its name.
type fact struct{ Name, Text string }

type shownVersion struct{ ID, Mark, From, Until string }

type shownDeployment struct {
	Paths           []string
	Version, Served string
	Trouble         trouble
}

type endedOrder struct {
	Reason, Source, Outcome, Ended string
	History                        []shownFact
}

// shownFact is one fact of an order.
type shownFact struct{ At, Text string }

// mostFacts bounds the history of one order.
const mostFacts = 200

func (d *Dashboard) serveCertificate(w http.ResponseWriter, r *http.Request, service Service) {
	seen, err := service.Detail(r.URL.Query().Get("name"))
	var unknown *state.UnknownError
	switch {
	case errors.As(err, &unknown):
		http.Error(w, "no such certificate", http.StatusNotFound)
		return
	case err != nil:
		http.Error(w, clean(err.Error()), http.StatusInternalServerError)
		return
	}
	p := pageOf(seen, time.Now())
	p.Frame = d.frame(d.language(r), "dvagent: "+seen.Name)
	show(w, "certificate", p.Frame.Language, p)
}

func pageOf(c *view.Seen, now time.Time) certificatePage {
	p := certificatePage{Host: hostname(), At: clock(now), Name: c.Name, State: badgeOf(c.State), Next: clean(c.Next)}
	if p.State.Person {
		p.Trouble = troubleOf(c, now)
	}
	for _, warning := range c.Warnings {
		p.Warnings = append(p.Warnings, clean(warning))
	}
	p.showFacts(c, now)
	p.showVersions(c)
	p.showDeployments(c, now)
	if c.Order.Open() {
		open := orderOf(c.Name, *c.Order, now)
		p.Order = &open
	}
	if o := c.LastOrder; o != nil {
		p.LastOrder = &endedOrder{Reason: o.Reason, Outcome: o.Outcome, Ended: clock(o.EndedAt), History: shownFacts(o.History),
			Source: sourceOf(view.OrderStatus{Instance: o.Instance, Package: o.Package, ServerOrder: o.ServerOrder})}
	}
	return p
}

func (p *certificatePage) showFacts(c *view.Seen, now time.Time) {
	add := func(name, text string) {
		if text != "" {
			p.Facts = append(p.Facts, fact{name, text})
		}
	}
	add("next", clean(c.Next))
	add("domains", domains(c.Domains))
	add("account", c.Account)
	if !c.NotAfter.IsZero() {
		add("valid until", clock(c.NotAfter)+" ("+words.Away(c.NotAfter, now)+")")
	}
	if !c.RenewsAt.IsZero() {
		add("renewal", clock(c.RenewsAt)+" ("+words.Away(c.RenewsAt, now)+")")
	}
	add("instance", clean(c.Instance))
	if !c.SubscriptionEnds.IsZero() {
		add("subscription until", clock(c.SubscriptionEnds))
	}
	add("package", clean(c.Package))
	add("leaf, SHA-256", c.Fingerprint)
	add("issuer", clean(c.Issuer))
}

func (p *certificatePage) showVersions(c *view.Seen) {
	for _, v := range c.Versions {
		mark := ""
		switch {
		case v.Current && c.Held:
			mark = "current and held"
		case v.Current:
			mark = "current"
		}
		p.Versions = append(p.Versions, shownVersion{v.ID, mark, date(v.NotBefore), date(v.NotAfter)})
	}
}

func (p *certificatePage) showDeployments(c *view.Seen, now time.Time) {
	for _, d := range c.Deployments {
		shown := shownDeployment{Paths: d.Paths, Version: d.Version, Served: "–"}
		if shown.Version == "" {
			shown.Version = "none yet"
		}
		if c.Probed && c.Version != "" {
			shown.Served = words.YesNo(d.Served)
		}
		if d.Error != "" {
			shown.Trouble = trouble{clean(d.Error), clean(d.Hint), again(d.RetryAt, now)}
		}
		p.Deployments = append(p.Deployments, shown)
	}
}

// shownFacts puts the newest first.
func shownFacts(history []view.OrderEvent) []shownFact {
	var all []shownFact
	for _, event := range slices.Backward(history[max(len(history)-mostFacts, 0):]) {
		all = append(all, shownFact{clock(event.At), clean(strings.TrimSpace(event.Text))})
	}
	return all
}
