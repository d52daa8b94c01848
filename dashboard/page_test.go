package dashboard

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dvagent/agent/state"
	"dvagent/agent/view"
)

// look returns a page's text and the answer's header.
func look(t *testing.T, address string) (string, http.Header) {
	t.Helper()
	answer, err := http.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v: %s", address, answer.Status, err, text)
	}
	return string(text), answer.Header
}

func (h *host) page(query string) page {
	h.Helper()
	glance := h.service.Glance()
	values, err := url.ParseQuery(query)
	h.must(err)
	return h.board.page(glance, values)
}

func TestEachStateIsSeen(t *testing.T) {
	h := newHost(t, everyState()...)
	found := map[string]string{}
	p := h.page("")
	for _, r := range p.Rows {
		found[r.Name] = r.State.Key
	}
	for name, want := range map[string]string{
		"damaged": "unreadable", "legacy": "expired", "pay": "emergency", "intranet": "stopped", "new-shop": "no-instance",
		"mail": "failed", "static": "not-served", "git": "hook-owed", "www": "ordering", "due-now": "due",
		"fresh": "to-deploy", "wiki": "held", "host-only": "ok", "app-20": "ok",
	} {
		if found[name] != want {
			t.Errorf("%s is shown as %q, not as %q", name, found[name], want)
		}
	}
	if p.Headline != "8 of 25 certificates need an operator" || p.Troubles[0].Name != "damaged" || p.Troubles[1].Name != "legacy" {
		t.Errorf("on top are %q, %+v", p.Headline, p.Troubles)
	}
	for _, r := range p.Troubles {
		if r.Trouble.Text == "" {
			t.Errorf("nothing is said of what is wrong with %s", r.Name)
		}
	}
}

func TestTheMostUrgentComesFirstAndOfThoseTheOneThatEndsSoonest(t *testing.T) {
	h := newHost(t, past{name: "late", age: day, left: 90 * day}, past{name: "soon", age: 10 * day, left: 80 * day},
		past{name: "broken", age: day, left: 99 * day, failed: "connection refused"}, past{name: "none"})
	var names []string
	for _, r := range h.page("").Rows {
		names = append(names, r.Name)
	}
	if fmt.Sprint(names) != "[broken none soon late]" {
		t.Errorf("got %v", names)
	}
}

func TestThePageIsBounded(t *testing.T) {
	all := make([]past, 1000)
	for i := range all {
		all[i] = past{name: fmt.Sprintf("host%d", i), bare: true}
	}
	h := newHost(t, all...)
	for _, tt := range []struct {
		name, query    string
		rows, matching int
	}{
		{"the first of all", "", mostRows, 1000},
		{"those with a name", "q=HOST99", 11, 11},
		{"those below a domain", "q=host7.example", 1, 1},
		{"those in a state", "state=due", mostRows, 1000},
		{"none in another state", "state=ok", 0, 0},
		{"none of a name that there is not", "q=%3Cscript%3E", 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if p := h.page(tt.query); len(p.Rows) != tt.rows || p.Matching != tt.matching {
				t.Errorf("%d rows of %d", len(p.Rows), p.Matching)
			}
		})
	}
}

func TestAllIsWellInWords(t *testing.T) {
	well := past{name: "www", age: day, left: 90 * day}
	for _, tt := range []struct {
		name string
		all  []past
		says string
	}{
		{"nothing is configured", nil, "No certificate is configured"},
		{"one is well", []past{well}, "The certificate is well"},
		{"two are well", []past{well, {name: "shop", age: day, left: 90 * day}}, "All 2 certificates are well"},
		{"one is not", []past{well, {name: "old", age: 90 * day, left: -day}}, "1 of 2 certificates needs an operator"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			text, _ := look(t, newHost(t, tt.all...).open())
			if !strings.Contains(text, "</span> "+tt.says+"</h1>") {
				t.Errorf("%q is not in %s", tt.says, text)
			}
		})
	}
}

// fault 76: what a server said is text, never markup
func TestTextOfOthersIsNoMarkup(t *testing.T) {
	const evil = "<script>alert(1)</script>\u202e\x1b[2J"
	h := newHost(t, past{name: "www", age: day, left: 90 * day, failed: evil})
	h.board.note(state.Progress{At: time.Now(), Certificate: "www", Step: "submit", Err: errors.New(evil + strings.Repeat("x", 5000))})
	h.board.Reloaded(errors.New(evil))
	text, header := look(t, h.open()+"?q=%22%3E%3Cscript%3E&state=%22%3E%3Cscript%3E")
	for _, bad := range []string{"<script", "\u202e", "\x1b", strings.Repeat("x", longestText+1)} {
		if strings.Contains(text, bad) {
			t.Errorf("the page holds %q", bad)
		}
	}
	if policy := header.Get("Content-Security-Policy"); !strings.HasPrefix(policy, "default-src 'none'; style-src 'sha256-") {
		t.Errorf("the policy is %q", policy)
	}
}

func TestWhatConcernsEveryCertificateIsOnTop(t *testing.T) {
	h := newHost(t, past{name: "www", age: 60 * day, left: 60 * day, bare: true}, past{name: "shop", bare: true},
		past{name: "later", age: day, left: 120 * day, bare: true}, past{name: "running", bare: true, order: submitted("running", "cas-cn-1")})
	h.board.noteSpare(state.Spare{Account: "main", Instances: state.Spares{{}: 1}})
	h.board.Reloaded(errors.New(`agent.toml:7: colour: unknown key`))
	p := h.page("")
	if p.Well || len(p.Alarms) != 2 || p.Alarms[0].Text != "agent.toml:7: colour: unknown key" ||
		p.Alarms[1].Text != "1 spare, and 2 certificates want one within the forecast; for 1 there is none that lasts." {
		t.Errorf("got %+v", p.Alarms)
	}
	h.board.noteSpare(state.Spare{Account: "main", Instances: state.Spares{{}: 2}})
	h.board.Reloaded(nil)
	if p := h.page(""); !p.Well {
		t.Errorf("still %+v", p.Alarms)
	}
}

func TestEventsAreBounded(t *testing.T) {
	h := newHost(t)
	for i := range 3 * mostEvents {
		h.board.note(state.Progress{At: time.Now(), Text: fmt.Sprint(i)})
	}
	if events := h.page("").Events; len(events) != mostEvents || events[0].Text != fmt.Sprint(3*mostEvents-1) {
		t.Errorf("%d events, the newest %+v", len(events), events[0])
	}
}

func TestTheTimeLineFitsLivesOfAnyLength(t *testing.T) {
	now := time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name        string
		age, left   time.Duration
		first       string
		from, until int // marks
	}{
		{"minutes", 2 * time.Minute, 3 * time.Minute, "09:59", 4, 8},
		{"ten hours", 5 * time.Hour, 5 * time.Hour, "24 Nov 06:00", 1, 8},
		{"a day", 6 * time.Hour, 18 * time.Hour, "24 Nov 06:00", 3, 8},
		{"90 days", 30 * day, 60 * day, "Nov 2026", 3, 8},
		{"200 days", 100 * day, 100 * day, "Sep 2026", 3, 8},
		{"ten years", 300 * day, 3350 * day, "Feb 2026", 3, 9},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := view.Seen{CertificateStatus: view.CertificateStatus{NotBefore: now.Add(-tt.age), NotAfter: now.Add(tt.left), RenewsAt: now.Add(tt.left / 2)}}
			a := newAxis([]*view.Seen{&c}, now)
			marks := a.marks()
			if len(marks) < tt.from || len(marks) > tt.until || marks[0].Time.Format(marks[0].Layout) != tt.first {
				t.Errorf("the marks are %v", marks)
			}
			if b := a.bar(&c, now); b.Life.X != "0.00%" || b.Life.Width == "0.00%" {
				t.Errorf("the bar is %+v", b)
			}
		})
	}
}

func TestWhatIsNotConfiguredBlindsNobodyAndIsBounded(t *testing.T) {
	h := newHost(t, past{name: "www", age: day, left: 99 * day})
	unreadable := filepath.Join(h.state(), "certificates", "ghost", "order.journal")
	h.must(os.MkdirAll(unreadable, 0o700)) // a directory in the file's place
	url := h.open()
	for path, says := range map[string]string{"/": "Unreadable state of ghost", "/status": `"error": "`, "/metrics": "dvagent_orphaned_orders 1", "/healthz": "ok"} {
		if code, text := ask(t, url+path, func(*http.Request) {}); code != 200 || !strings.Contains(text, says) {
			t.Errorf("%s: %d %s", path, code, text)
		}
	}
	g := &view.Glance{At: time.Now(), Alive: time.Now(), Orphans: make([]view.OrphanStatus, 10_000), Records: make([]view.RecordStatus, 10_000)}
	p := h.board.page(g, nil)
	if len(p.Alarms) != mostTroubles+1 || len(p.Orders) != mostOrders || len(p.Records) != mostRecords || p.MoreRecords != 9_900 {
		t.Errorf("%d alarms, %d orders, %d records and %d more", len(p.Alarms), len(p.Orders), len(p.Records), p.MoreRecords)
	}
}

func TestPassesThatFailAreTheHeadline(t *testing.T) {
	h := newHost(t, past{name: "www", age: day, left: 99 * day})
	failing := *h.service.Glance()
	failing.PassError = &view.PassError{Since: time.Now(), Error: "read instances.journal: \x1b[31mdamaged"}
	p := h.board.page(&failing, nil)
	if p.Headline != "Nothing is renewed: each pass fails" || len(p.Alarms) != 1 || p.Alarms[0].Text != "read instances.journal: "+clean("\x1b[31m")+"damaged" {
		t.Errorf("%q, %+v", p.Headline, p.Alarms)
	}
}
