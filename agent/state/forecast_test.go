package state

import (
	"maps"
	"reflect"
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
			got.wanting, ofP.wanting = nil, nil
			if !reflect.DeepEqual(got, tt.want) || !reflect.DeepEqual(ofP, tt.ofP) {
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

func TestASpareInstanceCountsForARenewalIfItLasts(t *testing.T) {
	spares := func(ends ...int) Spares {
		s := Spares{}
		for _, n := range ends {
			if n == 0 {
				s.Add(time.Time{})
			} else {
				s.Add(days(n).Add(13 * time.Hour))
			}
		}
		return s
	}
	www := Renewal{At: days(10), Ends: days(30), Claim: kept(30)}
	later := Renewal{At: days(20), Ends: days(60), Claim: kept(60)}
	first := Renewal{At: forecastAt}
	for _, tt := range []struct {
		name     string
		renewals []Renewal
		spares   Spares
		unmet    int
	}{
		{"none is there", []Renewal{www, first}, nil, 2},
		{"one without an end serves anybody", []Renewal{www}, spares(0), 0},
		{"one that ends later than what is kept", []Renewal{www}, spares(400), 0},
		{"one serves one", []Renewal{www, later}, spares(400), 1},
		{"those that were bought with it end with it", []Renewal{www}, spares(30, 30, 30), 1},
		{"those that end before the renewal are of no use", []Renewal{www}, spares(5, 9), 1},
		{"a first certificate takes any that has not ended", []Renewal{first}, spares(30), 0},
		{"but none that has", []Renewal{first}, spares(-1), 1},
		{"the one that comes last takes the shortest that lasts for it", []Renewal{www, later}, spares(400, 50), 0},
		{"each finds its own, whoever is first", []Renewal{first, www}, spares(30, 400), 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := maps.Clone(tt.spares)
			if unmet := Foresee(tt.renewals, "", forecastAt, days(30)).Unmet(tt.spares); unmet != tt.unmet {
				t.Errorf("for %d there is none", unmet)
			}
			if !maps.Equal(before, tt.spares) {
				t.Errorf("the spare ones are %v afterwards", tt.spares)
			}
		})
	}
}
