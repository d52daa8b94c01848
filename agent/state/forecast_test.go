package state

import (
	"testing"
	"time"
)

func TestTheForecastCountsWhatIsDueAndWhatWasNeverIssued(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	until := now.AddDate(0, 0, 30)
	soon, late := Renewal{At: now.AddDate(0, 0, 10)}, Renewal{At: until}
	due, never := Renewal{At: now.AddDate(0, 0, -1)}, Renewal{}
	claimed := Renewal{At: now, Claimed: true}
	for _, tt := range []struct {
		name     string
		renewals []Renewal
		want     Forecast
	}{
		{"nothing of no certificate", nil, Forecast{}},
		{"what comes within the forecast", []Renewal{soon, late}, Forecast{Later: 1}},
		{"what is due, and what was never issued", []Renewal{due, never, soon}, Forecast{Now: 2, Later: 1}},
		{"nothing that has an instance already", []Renewal{claimed, soon}, Forecast{Later: 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := Foresee(tt.renewals, now, until); got != tt.want {
				t.Errorf("got %+v", got)
			}
		})
	}
}
