package simulate

import (
	"testing"
	"testing/synctest"
	"time"

	"dvagent/internal/chance"
	"dvagent/internal/sandbox"
)

func TestMain(m *testing.M) {
	chance.Repeat()
	m.Run()
}

func TestAYearWithoutWeatherIsServedWithoutAGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, 1, sandbox.Options{IssueAfter: 10 * time.Minute, LookEvery: time.Minute, CASAPI: sandbox.API2020, Term: 1000 * day, Lifetime: 47 * day})
		defer w.close()
		h := w.hosts[0]
		w.configure(h, settings{API: sandbox.API2020, Interval: day, Domains: `"example.com", "*.example.com"`, Key: "ec256"})
		if err := h.start(); err != nil {
			t.Fatal(err)
		}
		for range 365 {
			time.Sleep(day)
			if leaf := h.leaf(); leaf == nil || time.Now().After(leaf.NotAfter) {
				t.Fatal("nothing is served, or what has expired")
			}
		}
		if n := w.cloud.Applied(); n < 8 || n > 16 {
			t.Errorf("%d applications", n)
		}
	})
}
