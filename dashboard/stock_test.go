package dashboard

import (
	"strings"
	"testing"

	"dvagent/agent/order"
)

func TestAPackageIsShownWithWhatIsLeftOfIt(t *testing.T) {
	for _, tt := range []struct {
		name  string
		stock order.Stock
		shown string // in the table
		left  float64
		alarm bool
	}{
		{"more than is wanted", order.Stock{Total: 5, Used: 1}, "<td>3 ", 3, false},
		{"less than is wanted", order.Stock{Total: 5, Used: 4}, "<td>0 ", 0, true},
		{"it is not known", order.Stock{Used: 4}, "<td>not known yet<", -1, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHost(t, past{name: "www", age: 60 * day, left: 40 * day, bare: true, stock: &tt.stock})
			p := h.page("")
			if r := p.Rows[0]; r.Source != "package p" || (len(r.Warnings) > 0) != tt.alarm {
				t.Errorf("the row is %+v", r)
			}
			if alarmed := len(p.Alarms) == 1 && p.Alarms[0].Title == "Too little left of package p in account main"; alarmed != tt.alarm || p.Well == tt.alarm {
				t.Errorf("the alarms are %+v", p.Alarms)
			}
			url := h.open()
			if text, _ := look(t, url); !strings.Contains(text, `main<span class="names">package p</span></th>`+tt.shown) {
				t.Errorf("the page is\n%s", text)
			}
			families, labels := scrape(t, url), []string{"account=main", "package=p"}
			if left, coming := value(families, "package_certificates_left", labels...), value(families, "package_coming_renewals", labels...); left != tt.left || coming != 1 {
				t.Errorf("the metrics are %v and %v", left, coming)
			}
		})
	}
}

func TestAnOrderIsShownWithWhatItIsOf(t *testing.T) {
	number := order.Fact{Kind: order.Submitted, Order: "4711"}
	ofPackage := order.Fact{Kind: order.Claimed, Instance: "p/www", Package: "p", API: "2020-04-07"}
	for _, tt := range []struct {
		name  string
		facts []order.Fact
		want  string
	}{
		{"an instance", []order.Fact{opened("missing"), claimed("cas-1")}, "instance cas-1"},
		{"none yet", []order.Fact{opened("missing")}, "no instance yet"},
		{"a package", []order.Fact{opened("missing"), ofPackage}, "from package p"},
		{"a package, with the server's number", []order.Fact{opened("missing"), ofPackage, number}, "order 4711 from package p"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if shown := newHost(t, past{name: "www", order: tt.facts, bare: true}).page("").Orders; len(shown) != 1 || shown[0].Source != tt.want {
				t.Errorf("got %+v", shown)
			}
		})
	}
}
