package deploy_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"dvagent/deploy"
)

// fault 150
func TestCommandsOfOneProgramRunOneAfterTheOther(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	program := h.path("set-cert")
	text := fmt.Sprintf("#!/bin/sh\nmkdir %[1]s || exit 1\nsleep 0.05\necho $1 $2 >>%[2]s\nrmdir %[1]s\n", h.path("busy"), h.path("log"))
	if err := os.WriteFile(program, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	b := h.issue(t)
	var jobs []deploy.Job
	for n := range 8 {
		job := h.job(b)
		job.Target.Fullchain, job.Target.Key = h.path(fmt.Sprintf("%d.pem", n)), h.path(fmt.Sprintf("%d.key", n))
		job.Target.Check, job.Target.Probe = []string{program, "check"}, nil
		job.Target.Reload = []string{program, "set", job.Target.Fullchain}
		jobs = append(jobs, job)
	}
	var rounds deploy.Rounds
	var certificates sync.WaitGroup
	for i := range 4 { // of two targets each
		joined := rounds.Expect()
		certificates.Go(func() {
			for _, result := range rounds.Install(t.Context(), jobs[2*i:2*i+2], joined) {
				checkError(t, result.Err, "")
			}
		})
	}
	certificates.Wait()
	log, err := os.ReadFile(h.path("log"))
	if err != nil {
		t.Fatal(err)
	}
	said := strings.Split(strings.TrimSpace(string(log)), "\n")
	for i, line := range said { // a check and the reload after it are of one target
		if strings.HasPrefix(line, "set") != (i%2 == 1) {
			t.Fatalf("they came as %q", said)
		}
	}
	if len(said) != 16 {
		t.Errorf("%d runs: %q", len(said), said)
	}
}

// fault 153
func TestATargetIsDoneThoughAnotherIsNotShown(t *testing.T) {
	t.Parallel()
	old, fine := newHost(t), newHost(t)
	old.put(t, old.issue(t))
	old.ignores = true
	waits, works := old.job(old.issue(t)), fine.job(fine.issue(t))
	waits.Target.Timeout, works.Target.Timeout = time.Hour, time.Hour
	both := shell("echo reload >>" + old.path("reloads") + "; echo reload >>" + fine.path("reloads"))
	waits.Target.Reload, works.Target.Reload = both, both
	ctx, stop := context.WithCancel(t.Context())
	var rounds deploy.Rounds
	ended := make(chan deploy.Result)
	joined := [2]func(){rounds.Expect(), rounds.Expect()}
	go func() { ended <- rounds.Install(ctx, []deploy.Job{waits}, joined[0])[0] }()
	result := rounds.Install(ctx, []deploy.Job{works}, joined[1])[0]
	checkError(t, result.Err, "")
	if fine.reloads() != 1 || old.reloads() != 1 {
		t.Errorf("%d reloads", fine.reloads())
	}
	again := fine.job(fine.issue(t))
	again.Target.Reload = both
	checkError(t, rounds.Install(ctx, []deploy.Job{again}, rounds.Expect())[0].Err, "")
	select {
	case result := <-ended:
		t.Errorf("the other one has ended: %v", result.Err)
	default:
	}
	stop()
	checkError(t, (<-ended).Err, "stopped before the new certificate was seen")
}

// fault 153
func TestThoseWhoComeTogetherShareAReload(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	b := h.issue(t)
	var rounds deploy.Rounds
	var certificates sync.WaitGroup
	var joined []func()
	for range 20 {
		joined = append(joined, rounds.Expect())
	}
	for n := range 20 {
		job := h.job(b)
		if n > 0 {
			job.Target.Fullchain, job.Target.Key = h.path(fmt.Sprintf("%d.pem", n)), h.path(fmt.Sprintf("%d.key", n))
		}
		certificates.Go(func() {
			for _, result := range rounds.Install(t.Context(), []deploy.Job{job}, joined[n]) {
				checkError(t, result.Err, "")
			}
		})
	}
	certificates.Wait()
	if h.reloads() > 8 { // one, unless the machine is so slow that they hardly come together
		t.Errorf("%d reloads", h.reloads())
	}
}
