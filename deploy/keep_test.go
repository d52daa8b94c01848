package deploy_test

import (
	"crypto"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"dvagent/deploy"
	"dvagent/internal/bundle"
)

func TestInstallKeepsOriginals(t *testing.T) {
	h := newHost(t)
	store := bundle.Open(h.path("store"))
	original := h.put(t, h.issue(t))
	var kept []string
	for range 3 {
		b := h.issue(t)
		if _, err := store.Put(b); err != nil {
			t.Fatal(err)
		}
		job := h.job(b)
		job.Known = func(key crypto.PublicKey) bool { return store.Has(key) }
		result := install(t, job)
		checkError(t, result.Err, "")
		if result.Kept != "" {
			kept = append(kept, result.Kept)
		}
	}
	if len(kept) != 1 {
		t.Fatalf("kept %v, want the first pair alone", kept)
	}
	saved, err := deploy.Held(deploy.Target{
		Fullchain: filepath.Join(kept[0], "fullchain.pem"),
		Key:       filepath.Join(kept[0], "privkey.pem"),
	})
	if err != nil || saved.ID() != original.ID() {
		t.Errorf("kept another pair, error %v", err)
	}
	wantMode(t, filepath.Join(kept[0], "privkey.pem"), 0o600)
}

func TestInstallChangesNothingThatItCannotKeep(t *testing.T) {
	h := newHost(t)
	old := h.put(t, h.issue(t))
	job := h.job(h.issue(t))
	write(t, h.path("file"), nil)
	job.Before = filepath.Join(h.path("file"), "before")
	checkError(t, install(t, job).Err, "keep originals")
	h.holds(t, old)
}

// The agent is killed when one file of two is new.
func TestInstallStillHasTheOriginalsAfterAKillBetweenTwoFiles(t *testing.T) {
	h := newHost(t)
	original := h.put(t, h.issue(t))
	b := h.issue(t)
	first := install(t, h.job(b))
	checkError(t, first.Err, "")
	write(t, h.path("fullchain.pem"), original.FullchainPEM())
	checkError(t, install(t, h.job(b)).Err, "")
	h.holds(t, b)
	kept, err := deploy.Held(deploy.Target{
		Fullchain: filepath.Join(first.Kept, "fullchain.pem"), Key: filepath.Join(first.Kept, "privkey.pem"),
	})
	if err != nil || kept.ID() != original.ID() {
		t.Errorf("kept another pair, error %v", err)
	}
}

func TestInstallBoundsWhatItKeeps(t *testing.T) {
	h := newHost(t)
	first := ""
	for range 13 {
		h.put(t, h.issue(t))
		result := install(t, h.job(h.issue(t)))
		checkError(t, result.Err, "")
		if first == "" {
			first = result.Kept
		}
	}
	sets, err := os.ReadDir(h.path("before"))
	if err != nil || len(sets) != 10 {
		t.Errorf("%d sets, error %v", len(sets), err)
	}
	if _, err := os.Stat(first); err != nil {
		t.Errorf("the oldest set is gone: %v", err)
	}
}

func TestInstallKeepsTheOriginalsOfEveryTarget(t *testing.T) {
	h := newHost(t)
	b := h.issue(t)
	var jobs []deploy.Job
	for n := range 14 {
		job := h.job(b)
		job.Target.Fullchain, job.Target.Key = h.path(fmt.Sprintf("%d.pem", n)), h.path(fmt.Sprintf("%d.key", n))
		job.Target.Probe = nil
		original := h.issue(t)
		write(t, job.Target.Fullchain, original.FullchainPEM())
		write(t, job.Target.Key, original.KeyPEM())
		jobs = append(jobs, job)
	}
	for _, result := range deploy.Install(t.Context(), jobs) {
		checkError(t, result.Err, "")
		if _, err := os.Stat(filepath.Join(result.Kept, "privkey.pem")); result.Kept == "" || err != nil {
			t.Errorf("the key of %s is not kept: %v", result.Job.Target, err)
		}
	}
}
