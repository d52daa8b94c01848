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

func TestInstallCopiesOriginals(t *testing.T) {
	h := newHost(t)
	store := bundle.Open(h.path("store"))
	original := h.put(t, h.issue(t))
	var sets []string
	for range 3 {
		b := h.issue(t)
		if _, err := store.Put(b); err != nil {
			t.Fatal(err)
		}
		job := h.job(b)
		job.Known = func(key crypto.PublicKey) bool { return store.Has(key) }
		result := install(t, job)
		checkError(t, result.Err, "")
		if result.Originals != "" {
			sets = append(sets, result.Originals)
		}
	}
	if len(sets) != 1 {
		t.Fatalf("originals in %v, want the first pair alone", sets)
	}
	saved, err := deploy.Held(deploy.Target{
		Fullchain: filepath.Join(sets[0], "fullchain.pem"),
		Key:       filepath.Join(sets[0], "privkey.pem"),
	})
	if err != nil || saved.ID() != original.ID() {
		t.Errorf("the originals are another pair, error %v", err)
	}
	wantMode(t, filepath.Join(sets[0], "privkey.pem"), 0o600)
}

func TestInstallChangesNothingWhoseOriginalsItCannotCopy(t *testing.T) {
	h := newHost(t)
	old := h.put(t, h.issue(t))
	job := h.job(h.issue(t))
	write(t, h.path("file"), nil)
	job.Originals = filepath.Join(h.path("file"), "originals")
	checkError(t, install(t, job).Err, "copy originals")
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
	saved, err := deploy.Held(deploy.Target{
		Fullchain: filepath.Join(first.Originals, "fullchain.pem"), Key: filepath.Join(first.Originals, "privkey.pem"),
	})
	if err != nil || saved.ID() != original.ID() {
		t.Errorf("the originals are another pair, error %v", err)
	}
}

func TestInstallBoundsTheSetsOfOriginals(t *testing.T) {
	h := newHost(t)
	first := ""
	for range 13 {
		h.put(t, h.issue(t))
		result := install(t, h.job(h.issue(t)))
		checkError(t, result.Err, "")
		if first == "" {
			first = result.Originals
		}
	}
	sets, err := os.ReadDir(h.path("originals"))
	if err != nil || len(sets) != 10 {
		t.Errorf("%d sets, error %v", len(sets), err)
	}
	if _, err := os.Stat(first); err != nil {
		t.Errorf("the oldest set is gone: %v", err)
	}
}

func TestInstallCopiesTheOriginalsOfEveryTarget(t *testing.T) {
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
		if _, err := os.Stat(filepath.Join(result.Originals, "privkey.pem")); result.Originals == "" || err != nil {
			t.Errorf("the key of %s is not copied: %v", result.Job.Target, err)
		}
	}
}
