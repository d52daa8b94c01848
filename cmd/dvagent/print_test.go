package main

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"testing"
	"time"

	"dvagent/agent/state"
	"dvagent/agent/view"
	"dvagent/internal/aliyun"
	"dvagent/internal/terminal"
)

func TestOnlyExpiredUploadsArePrunable(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name          string
		end           string
		expired, sold bool
		want          bool
	}{
		{"an expired upload", "2026-02-01", true, false, true},
		{"one that Alibaba sold", "2026-02-01", true, true, false},
		{"one whose date has not come", "2026-04-01", true, false, false},
		{"one that ended yesterday, in some time zone", "2026-02-28", true, false, true},
		{"one that ends today", "2026-03-01", true, false, false},
		{"one that is not flagged as expired", "2026-02-01", false, false, false},
		{"one without a date", "", true, false, false},
		{"one with another kind of date", "01.02.2026", true, false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			x := aliyun.Certificate{EndDate: tt.end, Expired: tt.expired, BuyInAliyun: tt.sold}
			if got := prunable(x, now); got != tt.want {
				t.Errorf("got %v", got)
			}
		})
	}
}

func TestAnOutcomeIsDescribedAndHasItsExitCode(t *testing.T) {
	next := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name    string
		outcome state.Outcome
		code    int
		want    string
	}{
		{"renewed", state.Outcome{Ordered: true, Next: next}, 0, "renewed; next renewal 2026-05-01 00:00 UTC"},
		{"nothing due", state.Outcome{Next: next}, 0, "nothing to do until 2026-05-01 00:00 UTC"},
		{"a record was swept", state.Outcome{Next: next, Did: state.Swept}, 0, "removed the record that was owed; next renewal 2026-05-01 00:00 UTC"}, // fault 190
		{"a hook ran", state.Outcome{Next: next, Did: state.Told}, 0, "ran the hooks that were owed; next renewal 2026-05-01 00:00 UTC"},
		{"uploaded", state.Outcome{Next: next, Did: state.Uploaded}, 0, "uploaded to the account; next renewal 2026-05-01 00:00 UTC"},
		{"installed", state.Outcome{Next: next, Did: state.Installed}, 0, "installed; next renewal 2026-05-01 00:00 UTC"},
		{"taken over", state.Outcome{Next: next, Did: state.TookOver}, 0, "took over the certificate in place; next renewal 2026-05-01 00:00 UTC"},
		{"no next time", state.Outcome{}, 0, "done"},
		{"pending", state.Outcome{Class: state.Pending, Step: "issue"}, 3, "pending at the step issue"},
		{"waiting for hostile text", state.Outcome{Class: state.Pending, Step: "issue", Waiting: "a\nb"}, 3, "pending at the step issue, waiting for: a b"},
		{"not served", state.Outcome{Class: state.NotServed}, 4, "issued, but not served; the deployment is owed"},
		{"a hook is owed", state.Outcome{Class: state.NotServed, Step: "hook"}, 4, "issued and installed, but a hook failed; it is owed"},
		{"no instance", state.Outcome{Class: state.NoInstance}, 5, "no spare instance"},
		{"failed", state.Outcome{Class: state.Failure, Step: "submit", Err: errors.New("x")}, 1, "failed at the step submit"},
		{"failed before any step", state.Outcome{Class: state.Failure, Err: errors.New("x")}, 1, "failed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := describe(tt.outcome); got != tt.want {
				t.Errorf("got %q", got)
			}
			if code := outcomeCode([]state.Outcome{{}, tt.outcome}); code != tt.code {
				t.Errorf("exit code %d", code)
			}
		})
	}
}

func TestTheTimeOfAStepRunsOnWhenItWaitsForSomethingElse(t *testing.T) {
	began := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	p := &progress{going: map[string]going{}}
	for i, e := range []state.Progress{
		{Step: "propagate", Text: "0 of 2 visible", Waiting: true},
		{Step: "propagate", Text: "1 of 2 visible", Waiting: true},
		{Step: "issue", Text: "issuance", Waiting: true},
	} {
		e.Certificate, e.At = "www", began.Add(time.Duration(i)*time.Minute)
		p.goesOn(e)
		want := began
		if e.Step == "issue" {
			want = e.At
		}
		if g := p.going["www"]; !g.since.Equal(want) || g.text != "waits for "+e.Text {
			t.Errorf("after %+v: %+v", e, g)
		}
	}
}

func TestAnEmergencyIsLoggedAsAnError(t *testing.T) {
	for _, e := range []state.Progress{{Text: "ordering: emergency"}, {Text: "issuance", Waiting: true}} {
		for _, e.Emergency = range []bool{false, true} {
			var out bytes.Buffer
			logProgress(slog.New(slog.NewTextHandler(&out, nil)), e)
			if got := strings.Contains(out.String(), "level=ERROR"); got != e.Emergency {
				t.Errorf("%+v: %s", e, out.String())
			}
		}
	}
}

func TestALineOfLogNamesNoStepWhereNoneIsTaken(t *testing.T) {
	for _, e := range []state.Progress{{Text: "abandoned the order"}, {Text: "waits", Waiting: true}, {Err: errors.New("refused")}} {
		for _, e.Step = range []string{"", "issue"} {
			var out bytes.Buffer
			logProgress(slog.New(slog.NewTextHandler(&out, nil)), e)
			if got := strings.Contains(out.String(), "step="); got != (e.Step != "") {
				t.Errorf("%+v: %s", e, out.String())
			}
		}
	}
}

func TestStatusShowsTheWorstFirstAndCountsWhoNeedsAPerson(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	status := view.Status{At: now, Certificates: []view.CertificateStatus{
		{Name: "well", State: view.OK, NotAfter: now.AddDate(0, 0, 50)},
		{Name: "stuck", State: view.Stopped, Order: &view.OrderStatus{Step: "submit", Error: "the CA\nrefused"}},
		{Name: "at-work", State: view.Ordering, NotAfter: now.AddDate(0, 0, 12)},
		{Name: "gone", State: view.Expired, NotAfter: now.Add(-26 * time.Hour)},
	}}
	text := statusText(terminal.Screen{}, status, false)
	if !regexp.MustCompile(`(?s)^2 of 4 certificates need you\ndates are by the clock of this host, \w+[^\n]*\n.*\ngone .* \(26 hours ago\).*\nstuck .*\nat-work .* \(in 12 days\).*\nwell .*\nstuck: order: the CA refused\n$`).MatchString(text) {
		t.Errorf("got\n%s", text)
	}
}

func TestAPlanOfManyListsWhatComesSoonest(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	plan := view.Plan{At: now}
	for i := range 10_000 {
		p := view.Planned{Name: fmt.Sprint("host", i), Action: view.ActionNone, RenewsAt: now.AddDate(0, 0, 10_000-i), Next: "nothing"}
		if i == 17 {
			p.Action, p.Reason = view.ActionOrder, state.ReasonInWindow
		}
		if i > 5000 {
			p.Warnings = []string{"no instances are listed"}
		}
		plan.Certificates = append(plan.Certificates, p)
	}
	text := planText(terminal.Screen{}, plan, false)
	if !regexp.MustCompile(`(?s)^10000 certificates: 1 with something to do now, 29 to renew in the next 30 days\ndates are by [^\n]*\n\nCERTIFICATE[^\n]*\n` +
		`host17 [^\n]*\nhost9999 [^\n]*\nhost9998 .*\nhost9971 [^\n]*\nand 9970 that renew later; [^\n]*\n[^\n]* and 4996 more: warning: no instances are listed\n$`).MatchString(text) {
		t.Errorf("got\n%s", text)
	}
	if lines := strings.Count(planText(terminal.Screen{}, plan, true), "\n"); lines != 10_005 {
		t.Errorf("with --all: %d lines", lines)
	}
}

func TestTheWorstOutcomeIsTheExitCode(t *testing.T) {
	byBadness := []state.Class{state.Served, state.Pending, state.NotServed, state.NoInstance, state.Failure}
	codes := []int{exitOK, exitPending, exitNotServed, exitNoInstance, exitFailed}
	for i, class := range byBadness {
		for j, other := range byBadness {
			got := outcomeCode([]state.Outcome{{Class: class}, {Class: other}})
			if got != codes[max(i, j)] {
				t.Errorf("%d beside %d: exit code %d", codes[i], codes[j], got)
			}
		}
	}
}

func TestTheAPIIsSaidInWords(t *testing.T) {
	const announced = "Alibaba announced that it went offline on 2024-12-31"
	for _, tt := range []struct {
		name string
		api  view.API
		want string
	}{
		{"configured", view.API{Configured: "2020-04-07", Version: "2020-04-07"}, "CAS 2020-04-07"},
		{"not known yet", view.API{Configured: "auto"}, "auto: the first order finds it out"},
		{"found out", view.API{Configured: "auto", Version: "2018-07-13"}, "auto: the latest order is of CAS 2018-07-13"},
		{"announced to be closed", view.API{Configured: "2018-07-13", Version: "2018-07-13", Announced: announced},
			"CAS 2018-07-13 (" + announced + ")"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := apiCell(tt.api); got != tt.want {
				t.Errorf("got %q", got)
			}
		})
	}
}
