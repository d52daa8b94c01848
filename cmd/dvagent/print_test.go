package main

import (
	"errors"
	"testing"
	"time"

	"dvagent/agent"
	"dvagent/internal/aliyun"
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
		outcome agent.Outcome
		code    int
		want    string
	}{
		{"renewed", agent.Outcome{Ordered: true, Next: next}, 0, "renewed; next renewal 2026-05-01T00:00:00Z"},
		{"nothing due", agent.Outcome{Next: next}, 0, "nothing to do until 2026-05-01T00:00:00Z"},
		{"no next time", agent.Outcome{}, 0, "done"},
		{"pending", agent.Outcome{Class: agent.Pending, Step: "issue"}, 3, "pending at the step issue"},
		{"waiting for hostile text", agent.Outcome{Class: agent.Pending, Step: "issue", Waiting: "a\nb"}, 3, "pending at the step issue, waiting for: a b"},
		{"not served", agent.Outcome{Class: agent.NotServed}, 4, "issued, but not served; the deployment is owed"},
		{"no instance", agent.Outcome{Class: agent.NoInstance}, 5, "no spare instance"},
		{"failed", agent.Outcome{Class: agent.Failure, Step: "submit", Err: errors.New("x")}, 1, "failed at the step submit"},
		{"failed before any step", agent.Outcome{Class: agent.Failure, Err: errors.New("x")}, 1, "failed at the step of reading its state"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := describe(tt.outcome); got != tt.want {
				t.Errorf("got %q", got)
			}
			if code := outcomeCode([]agent.Outcome{{}, tt.outcome}); code != tt.code {
				t.Errorf("exit code %d", code)
			}
		})
	}
}

func TestTheWorstOutcomeIsTheExitCode(t *testing.T) {
	byBadness := []agent.Class{agent.Served, agent.Pending, agent.NotServed, agent.NoInstance, agent.Failure}
	codes := []int{exitOK, exitPending, exitNotServed, exitNoInstance, exitFailed}
	for i, class := range byBadness {
		for j, other := range byBadness {
			got := outcomeCode([]agent.Outcome{{Class: class}, {Class: other}})
			if got != codes[max(i, j)] {
				t.Errorf("%d beside %d: exit code %d", codes[i], codes[j], got)
			}
		}
	}
}
