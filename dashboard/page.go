package dashboard

import (
	"cmp"
	_ "embed"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"dvagent/agent/config"
	"dvagent/agent/order"
	"dvagent/agent/view"
	"dvagent/internal/words"
)

const (
	mostRows     = 300 // certificates on one page
	mostTroubles = 50
	mostOrders   = 50
	mostRecords  = 100
	mostNames    = 3 // domains of one certificate
)

// page is what the template shows; its texts are English, and the template puts
// them into the reader's language.
type page struct {
	Frame       frame
	Host        string
	At          string
	Refresh     int // seconds; 0: never
	Query       string
	State       string
	Total       int
	Headline    string
	Well        bool
	Totals      []total
	Alarms      []alarm // of the whole, not of one certificate
	Troubles    []row
	MoreTrouble int
	Marks       []mark
	Now         string
	Rows        []row
	Matching    int
	Orders      []openOrder
	MoreOrders  int
	Stocks      []stock
	Records     []view.RecordStatus
	MoreRecords int
	Events      []shownEvent
}

type total struct {
	badge
	Count    int
	Link     string
	Selected bool
}

type alarm struct{ Title, Text, Hint string }

type row struct {
	Name, Domains, More string
	Link                string // to its own page
	State               badge
	Bar                 *bar
	Ends, EndsIn        string
	Renews, RenewsIn    string
	Source              string // the package, or the instance with the end of its subscription
	Warnings            []string
	Deployed, Served    string
	Next                string
	Trouble             trouble
}

type openOrder struct {
	Certificate, Reason, Source, Opened, WaitsFor, Next string
	Steps                                               []stepShown
	Trouble                                             trouble
	Stopped                                             bool
	History                                             []shownFact // on the page of the certificate
}

type stepShown struct {
	Name          string
	Done, Current bool
}

type shownEvent struct {
	At, Ago, Certificate, Step, Text, Kind string
}

func (d *Dashboard) servePage(w http.ResponseWriter, r *http.Request, service Service) {
	p := d.page(service.Glance(), r.URL.Query())
	p.Frame = d.frame(d.language(r), p.title())
	p.Frame.Refresh = p.Refresh
	show(w, "page", p.Frame.Language, p)
}

func (p *page) title() string {
	if p.Well {
		return "✓ dvagent: " + p.Headline
	}
	return "! dvagent: " + p.Headline
}

// looked is a certificate with its state at the time of the page.
type looked struct {
	*view.Seen
	badge badge
}

func (d *Dashboard) page(g *view.Glance, query url.Values) page {
	p := page{Host: hostname(), At: clock(g.At), Total: len(g.Certificates),
		Query: query.Get("q"), State: query.Get("state"), Records: g.Records[:min(len(g.Records), mostRecords)]}
	p.MoreRecords = len(g.Records) - len(p.Records)
	if query.Has("refresh") {
		p.Refresh = 30
	}
	all := make([]looked, len(g.Certificates))
	for i := range g.Certificates {
		all[i] = looked{&g.Certificates[i], badgeOf(g.Certificates[i].State)}
	}
	slices.SortStableFunc(all, func(a, b looked) int {
		return cmp.Or(cmp.Compare(a.Seen.State.Rank(), b.Seen.State.Rank()), a.NotAfter.Compare(b.NotAfter))
	})
	p.showTotals(all)
	p.showTroubles(all, g.At)
	p.showRows(all, g.At)
	p.showOrders(all, g)
	d.mu.Lock()
	defer d.mu.Unlock()
	p.showStocks(g, d.spare)
	p.showAlarms(g, d.reload)
	p.showEvents(d.events, g.At)
	p.summarise(g.PassError != nil)
	return p
}

func (p *page) showTotals(all []looked) {
	count := map[string]int{}
	for _, c := range all {
		count[c.badge.Key]++
	}
	for _, s := range states() {
		if n := count[s.Key]; n > 0 || s.Key == p.State {
			p.Totals = append(p.Totals, total{s, n, "?" + p.link(s.Key), s.Key == p.State})
		}
	}
}

// link is the query of the page with another state.
func (p *page) link(state string) string {
	values := url.Values{"state": {state}}
	if p.Query != "" {
		values.Set("q", p.Query)
	}
	if p.Refresh > 0 {
		values.Set("refresh", "")
	}
	return values.Encode()
}

// showTroubles puts the most urgent first and, of those, the soonest.
func (p *page) showTroubles(all []looked, now time.Time) {
	for _, s := range states() {
		for _, c := range all {
			if !s.Person || c.badge != s {
				continue
			}
			if len(p.Troubles) == mostTroubles {
				p.MoreTrouble++
				continue
			}
			p.Troubles = append(p.Troubles, rowOf(c, axis{}, now))
		}
	}
}

func (p *page) showRows(all []looked, now time.Time) {
	var shown []*view.Seen
	var matching []looked
	for _, c := range all {
		if !p.matches(c) {
			continue
		}
		if p.Matching++; p.Matching <= mostRows {
			matching, shown = append(matching, c), append(shown, c.Seen)
		}
	}
	a := newAxis(shown, now)
	p.Marks, p.Now = a.marks(), percent(a.at(now))
	for _, c := range matching {
		p.Rows = append(p.Rows, rowOf(c, a, now))
	}
}

func (p *page) matches(c looked) bool {
	if p.State != "" && c.badge.Key != p.State {
		return false
	}
	has := func(text string) bool { return strings.Contains(text, strings.ToLower(p.Query)) }
	shown := func(domain string) bool { return has(domain) || has(config.Shown(domain)) }
	return has(c.Name) || slices.ContainsFunc(c.Domains, shown)
}

func rowOf(c looked, a axis, now time.Time) row {
	r := row{
		Name: c.Name, Link: linkTo(c.Name), State: c.badge, Next: clean(c.Next), Domains: domains(c.Domains[:min(len(c.Domains), mostNames)]),
		Ends: date(c.NotAfter), EndsIn: words.BriefAway(c.NotAfter, now), Renews: date(c.RenewsAt), RenewsIn: words.BriefAway(c.RenewsAt, now),
		Deployed: "–", Served: "–",
	}
	if more := len(c.Domains) - mostNames; more > 0 {
		r.More = fmt.Sprintf("and %d more", more)
	}
	switch {
	case c.Package != "":
		r.Source = "package " + clean(c.Package)
	case !c.SubscriptionEnds.IsZero():
		r.Source = fmt.Sprintf("subscription %s until %s", clean(c.Instance), date(c.SubscriptionEnds))
	}
	for _, warning := range c.Warnings {
		r.Warnings = append(r.Warnings, clean(warning))
	}
	if len(c.Deployments) > 0 && c.Version != "" {
		r.Deployed = words.YesNo(c.Deployed)
	}
	if c.Probed && c.Version != "" {
		r.Served = words.YesNo(c.Served)
	}
	if c.badge.Person {
		r.Trouble = troubleOf(c.Seen, now)
	}
	if a != (axis{}) {
		r.Bar = a.bar(c.Seen, now)
	}
	return r
}

// domains are names as people write them.
func domains(names []string) string {
	var shown []string
	for _, name := range names {
		shown = append(shown, config.Shown(name))
	}
	return strings.Join(shown, ", ")
}

func linkTo(certificate string) string {
	return "certificate?" + url.Values{"name": {certificate}}.Encode()
}

func (p *page) showOrders(all []looked, g *view.Glance) {
	for _, c := range all {
		if !c.Order.Open() {
			continue
		}
		shown := orderOf(c.Name, *c.Order, g.At)
		if shown.Trouble.Text != "" && c.badge.Person {
			shown.Trouble = trouble{Text: "failed: see above", Again: shown.Trouble.Again}
		}
		p.addOrder(shown)
	}
	for _, orphan := range g.Orphans {
		if orphan.Error != "" {
			continue
		}
		shown := orderOf(orphan.Certificate, orphan.Order, g.At)
		shown.Next = orphan.Next
		p.addOrder(shown)
	}
}

func (p *page) addOrder(o openOrder) {
	if len(p.Orders) == mostOrders {
		p.MoreOrders++
		return
	}
	p.Orders = append(p.Orders, o)
}

func orderOf(certificate string, o view.OrderStatus, now time.Time) openOrder {
	shown := openOrder{Certificate: certificate, Reason: o.Reason, Source: sourceOf(o),
		Opened: words.BriefAway(o.OpenedAt, now), WaitsFor: clean(o.WaitsFor), Stopped: o.Stopped}
	if o.Error != "" {
		shown.WaitsFor = ""
		shown.Trouble = trouble{clean(o.Error), clean(o.Hint), again(o.RetryAt, now)}
	}
	shown.History = shownFacts(o.History)
	passed := true
	for _, step := range order.Steps() {
		current := string(step) == o.Step
		passed = passed && !current
		shown.Steps = append(shown.Steps, stepShown{string(step), passed, current})
	}
	return shown
}

// sourceOf says what an order is of.
func sourceOf(o view.OrderStatus) string {
	switch {
	case o.Package != "" && o.ServerOrder != "":
		return fmt.Sprintf("order %s from package %s", clean(o.ServerOrder), clean(o.Package))
	case o.Package != "":
		return "from package " + clean(o.Package)
	}
	if o.Instance == "" {
		return "no instance yet"
	}
	return "instance " + clean(o.Instance)
}

func (p *page) showAlarms(g *view.Glance, r reload) {
	if still := g.StandsStill(g.At); still > 0 {
		p.Alarms = append(p.Alarms, alarm{"The scheduler stands still", "It has not moved for " + words.BriefSpan(still) + ".",
			"see the log, and restart the service"})
	}
	if g.PassError != nil {
		p.Alarms = append(p.Alarms, alarm{"Nothing is renewed: each pass fails", clean(g.PassError.Error), cmp.Or(clean(g.PassError.Hint), "see the log")})
	}
	if r.err != nil {
		p.Alarms = append(p.Alarms, alarm{"The configuration on disk is not used", clean(r.err.Error()),
			"mend it: it is read again when it changes; the one before is at work"})
	}
	p.showOrphans(g.Orphans)
	for _, s := range p.Stocks {
		if s.Unmet > 0 {
			p.Alarms = append(p.Alarms, s.alarm())
		}
	}
}

func (p *page) showOrphans(orphans []view.OrphanStatus) {
	for _, orphan := range orphans[:min(len(orphans), mostTroubles)] {
		title, text, what := "An order of %s, which is not configured", "", orphan.Next
		if orphan.Error != "" {
			title, text, what = "Unreadable state of %s, which is not configured", clean(orphan.Error), "mend it, or move its directory away"
		}
		p.Alarms = append(p.Alarms, alarm{fmt.Sprintf(title, clean(orphan.Certificate)), text, what})
	}
	if more := len(orphans) - mostTroubles; more > 0 {
		p.Alarms = append(p.Alarms, alarm{fmt.Sprintf("And %d more that are not configured", more), "", "see dvagent status"})
	}
}

// showEvents puts the newest first.
func (p *page) showEvents(events []event, now time.Time) {
	for _, e := range slices.Backward(events) {
		kind := "did"
		switch {
		case e.failed:
			kind = "failed"
		case e.waiting:
			kind = "waits"
		}
		p.Events = append(p.Events, shownEvent{clock(e.at), words.BriefAway(e.at, now), e.certificate, e.step, e.text, kind})
	}
}

func (p *page) summarise(failing bool) {
	n := len(p.Troubles) + p.MoreTrouble
	p.Well = n+len(p.Alarms) == 0
	switch {
	case p.Total == 0:
		p.Headline = "No certificate is configured"
	case p.Well && p.Total == 1:
		p.Headline = "The certificate is well"
	case p.Well:
		p.Headline = fmt.Sprintf("All %d certificates are well", p.Total)
	case failing && n == 0:
		p.Headline = "Nothing is renewed: each pass fails"
	case n == 0:
		p.Headline = "The certificates are well, but see below"
	case n == 1:
		p.Headline = fmt.Sprintf("1 of %d certificates needs an operator", p.Total)
	default:
		p.Headline = fmt.Sprintf("%d of %d certificates need an operator", n, p.Total)
	}
}
