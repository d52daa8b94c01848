package state

import (
	"testing"
	"time"

	"dvagent/agent/order"
)

var forecastAt = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func days(n int) time.Time { return forecastAt.AddDate(0, 0, n) }

// kept is the claim of a subscription that ends after so many days.
func kept(n int) order.Claim { return order.Claim{Instance: "cas_dv-cn-1", Kept: true, Until: days(n)} }

func TestTheForecastCountsWhatIsDueAndWhatWasNeverIssued(t *testing.T) {
	until := days(30)
	soon, late := Renewal{At: days(10)}, Renewal{At: until}
	due, never := Renewal{At: days(-1)}, Renewal{}
	claimed := Renewal{At: forecastAt, Claim: order.Claim{Instance: "cas-cn-1"}}
	of := func(product string, at int) Renewal { return Renewal{At: days(at), Package: product} }
	ordering, moved := of("p", 10), of("p", 10)
	ordering.Claim.Instance, moved.Claim = "p/www", kept(90)
	for _, tt := range []struct {
		name     string
		renewals []Renewal
		want     Forecast // of instances
		ofP      Forecast // of the package p
	}{
		{"nothing of no certificate", nil, Forecast{}, Forecast{}},
		{"what comes within the forecast", []Renewal{soon, late}, Forecast{Later: 1}, Forecast{}},
		{"what is due, and what was never issued", []Renewal{due, never, soon}, Forecast{Now: 2, Later: 1}, Forecast{}},
		{"nothing that has an instance already", []Renewal{claimed, soon}, Forecast{Later: 1}, Forecast{}},
		{"what has one that does not last", []Renewal{{At: days(10), Claim: kept(9)}, {At: days(10), Claim: kept(90)}}, Forecast{Later: 1}, Forecast{}},
		{"nothing of what follows", []Renewal{{At: days(10), Follows: true}}, Forecast{}, Forecast{}},
		{"what wants one of a package, for that package", []Renewal{of("p", 10), of("p", -1), of("p", 30), of("q", 10), soon}, Forecast{Later: 1}, Forecast{Now: 1, Later: 1}},
		{"nothing whose order from the package runs", []Renewal{ordering}, Forecast{}, Forecast{}},
		{"what had an instance before, for the package", []Renewal{moved}, Forecast{}, Forecast{Later: 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, ofP := Foresee(tt.renewals, "", forecastAt, until), Foresee(tt.renewals, "p", forecastAt, until)
			if got != tt.want || ofP != tt.ofP {
				t.Errorf("got %+v, and %+v of the package", got, ofP)
			}
		})
	}
}

func TestASubscriptionLastsForARenewalOrNot(t *testing.T) {
	ordering := kept(10)
	ordering.Kept = false
	for _, tt := range []struct {
		name    string
		claim   order.Claim
		claimed bool
		says    string
	}{
		{"it outlasts the certificate", kept(120), true, ""},
		{"its end is not known", order.Claim{Instance: "cas_dv-cn-1", Kept: true}, true, ""},
		{"an order runs on it", ordering, true, ""},
		{"there is none", order.Claim{}, false, ""},
		{"it ends before the renewal", kept(50), false, "the subscription of cas_dv-cn-1 ends on 2026-02-20, before the renewal of www on 2026-03-02"},
		{"it ended already", kept(-1), false, "the subscription of cas_dv-cn-1 ended on 2025-12-31, before the renewal of www on 2026-03-02"},
		{"it ends with the certificate", kept(90), false, "the subscription of cas_dv-cn-1 ends on 2026-04-01, too soon for the renewal of www on 2026-03-02"},
		{"the certificate outlives it, as the next one may", kept(61), true, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := Renewal{At: days(60), Ends: days(90), Claim: tt.claim}
			if says := r.Shortfall("www", forecastAt); r.Claimed() != tt.claimed || says != tt.says {
				t.Errorf("claimed %v, says %q", r.Claimed(), says)
			}
		})
	}
}

func TestAPackageLastsForARenewalOrNot(t *testing.T) {
	left := func(n int) *order.Left { return &order.Left{Certificates: n, At: days(-5)} }
	for _, tt := range []struct {
		name    string
		renewal Renewal
		says    string
	}{
		{"something is left", Renewal{Left: left(1)}, ""},
		{"it is not known", Renewal{}, ""},
		{"nothing is left", Renewal{Left: left(0)}, "package p had no certificate left on 2025-12-27, and the renewal of www on 2026-03-02 wants one"},
		{"nothing is left, and the order has its certificate", Renewal{Left: left(0), Claim: order.Claim{Instance: "p/www", Package: "p"}}, ""},
		{"nothing is left, and an instance was claimed before", Renewal{Left: left(0), Claim: kept(300)},
			"package p had no certificate left on 2025-12-27, and the renewal of www on 2026-03-02 wants one"},
		{"something is left, and a subscription before ended", Renewal{Left: left(1), Claim: kept(-1)}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := tt.renewal
			r.At, r.Package = days(60), "p"
			if says := r.Shortfall("www", forecastAt); says != tt.says {
				t.Errorf("says %q", says)
			}
		})
	}
}
