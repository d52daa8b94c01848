package dashboard

import (
	"strings"
	"testing"
	"time"

	"dvagent/agent/state"
)

func TestASubscriptionIsShownWithItsEnd(t *testing.T) {
	ends := func(after time.Duration) string { return time.Now().Add(after).UTC().Format(time.DateOnly) }
	for _, tt := range []struct {
		name         string
		subscription time.Duration
		instance     string
		warning      string
		coming       float64
	}{
		{"one that lasts", 300 * day, "subscription cas_dv-cn-www until " + ends(300*day), "", 0},
		{"one that ends before the renewal", 2 * day, "subscription cas_dv-cn-www until " + ends(2*day), "ends on " + ends(2*day) + ", before the renewal of www on ", 1},
		{"one that ended", -2 * day, "subscription cas_dv-cn-www until " + ends(-2*day), "ended on " + ends(-2*day) + ", before the renewal of www on ", 1},
		{"none", 0, "", "", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHost(t, past{name: "www", age: 60 * day, left: 40 * day, bare: true, subscription: tt.subscription})
			h.board.noteSpare(state.Spare{Account: "main", Instances: state.Spares{{}: 0}})
			p := h.page("")
			if r := p.Rows[0]; r.Source != tt.instance || !strings.Contains(strings.Join(r.Warnings, ""), tt.warning) || (tt.warning == "") != (r.Warnings == nil) {
				t.Errorf("the row is %+v", r)
			}
			url := h.open()
			text, _ := look(t, url)
			if shown := strings.Contains(text, `class="names">`+tt.instance+"</span>"); shown != (tt.instance != "") || p.Well == (tt.coming == 1) {
				t.Errorf("shown: %v, all is well: %v", shown, p.Well)
			}
			families := scrape(t, url)
			end := value(families, "certificate_subscription_end_timestamp_seconds", "certificate=www")
			if off := end - float64(time.Now().Add(tt.subscription).Unix()); tt.subscription != 0 && (off < -60 || off > 1) || tt.subscription == 0 && end != -1 {
				t.Errorf("the metric is %v", end)
			}
			if coming := value(families, "account_coming_renewals", "account=main"); coming != tt.coming {
				t.Errorf("%v renewals come", coming)
			}
		})
	}
}
