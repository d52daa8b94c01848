package state

import (
	"crypto/x509"
	"fmt"
	"math/big"
	"testing"
	"time"

	"dvagent/agent/config"
)

func leafOf(notBefore time.Time, lifetime time.Duration) *x509.Certificate {
	return &x509.Certificate{Raw: fmt.Appendf(nil, "%s %s", notBefore, lifetime), SerialNumber: big.NewInt(1),
		NotBefore: notBefore, NotAfter: notBefore.Add(lifetime)}
}

// fault 93: what is due is reckoned from the leaf's own dates, so that neither
// a leap day nor a time zone nor summer time moves it.
func TestARenewalIsReckonedFromTheLeaf(t *testing.T) {
	const day = 24 * time.Hour
	shanghai := time.FixedZone("CST", 8*3600)
	for _, tt := range []struct {
		name      string
		notBefore time.Time
		lifetime  time.Duration
		window    config.Window
	}{
		{"two hundred days", time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC), 200 * day, config.Window{Share: 0.33}},
		{"over a leap day", time.Date(2028, 1, 15, 0, 0, 0, 0, time.UTC), 100 * day, config.Window{Share: 0.33}},
		{"over the change to summer time", time.Date(2027, 3, 1, 0, 0, 0, 0, shanghai), 47 * day, config.Window{Fixed: 15 * day}},
		{"an hour", time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC), time.Hour, config.Window{Share: 0.5}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			leaf := leafOf(tt.notBefore, tt.lifetime)
			window := tt.window.Of(tt.lifetime)
			at := renewsAt(leaf, config.Certificate{Name: "www", RenewBefore: tt.window})
			start := leaf.NotAfter.Add(-window).Truncate(time.Second)
			if latest := start.Add(min(day, window/10)); at.Before(start) || at.After(latest) {
				t.Errorf("%s is not between %s and %s", at, start, latest)
			}
			abroad := *leaf
			abroad.NotAfter = leaf.NotAfter.In(time.FixedZone("EST", -5*3600))
			if again := renewsAt(&abroad, config.Certificate{Name: "www", RenewBefore: tt.window}); !again.Equal(at) {
				t.Errorf("%s abroad, %s here", again, at)
			}
		})
	}
}

func TestManyHostsDoNotRenewAtOnce(t *testing.T) {
	leaf := leafOf(time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC), 200*24*time.Hour)
	seen := map[time.Time]int{}
	for i := range 1000 {
		seen[renewsAt(leaf, config.Certificate{Name: fmt.Sprint("host", i), RenewBefore: config.Window{Share: 0.33}}).Truncate(time.Hour)]++
	}
	for hour, n := range seen {
		if n > 100 {
			t.Errorf("%d of 1000 in the hour of %s", n, hour)
		}
	}
}

func TestAnEmergencyIsTriedMoreOften(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	const day = 24 * time.Hour
	for _, tt := range []struct {
		name     string
		lifetime time.Duration
		left     time.Duration
		want     time.Duration // in place of an hour
	}{
		{"long before", 100 * day, 20 * day, time.Hour},
		{"it begins before the next try", 100 * day, 10*day + 20*time.Minute, 20 * time.Minute},
		{"in an emergency", 100 * day, 9 * day, 5 * time.Minute},
		{"after the end", 100 * day, -day, 5 * time.Minute},
		{"of a certificate that lives for ten minutes", 10 * time.Minute, 30 * time.Second, 6 * time.Second},
		{"of one that lives for a minute", time.Minute, time.Second, time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			leaf := leafOf(now.Add(tt.left-tt.lifetime), tt.lifetime)
			if got := BeforeEmergency(time.Hour, leaf, now); got != tt.want {
				t.Errorf("got %s", got)
			}
		})
	}
	if got := BeforeEmergency(time.Second, leafOf(now.Add(-99*day), 100*day), now); got != time.Second {
		t.Errorf("a short wait became %s", got)
	}
}
