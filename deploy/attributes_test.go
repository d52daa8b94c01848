package deploy_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"dvagent/deploy"
	"dvagent/internal/bundle/bundletest"
)

// fault 141
func TestWhatAFileSystemDoesNotKeepIsNoDrift(t *testing.T) {
	for _, tt := range []struct {
		name  string
		call  uintptr
		errno syscall.Errno // 0: it says that it did it
		owner string
		says  string
	}{
		{"modes, without a word", syscall.SYS_FCHMOD, 0, "", "fullchain.pem has mode 0600, not 0644"},
		{"modes, which it refuses", syscall.SYS_FCHMOD, syscall.EPERM, "", "fullchain.pem has mode 0600, not 0644"},
		{"owners, without a word", syscall.SYS_FCHOWN, 0, "65534", "not 65534"},
		{"owners, which it refuses", syscall.SYS_FCHOWN, syscall.EPERM, "65534", "not 65534"},
		{"owners, which it does not know", syscall.SYS_FCHOWN, syscall.EOPNOTSUPP, "65534", "not 65534"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.owner != "" && os.Geteuid() != 0 {
				t.Skip("only root can give a file away")
			}
			bundletest.InChild(t, func() {
				h := newHost(t)
				h.put(t, h.issue(t))
				job := h.job(h.issue(t))
				job.Originals, job.Target.Owner = "", tt.owner
				if err := bundletest.Refuse(tt.call, tt.errno); err != nil {
					t.Fatal(err)
				}
				first := install(t, job)
				checkError(t, first.Err, "")
				if said := strings.Join(first.Shortcomings, "; "); !strings.Contains(said, tt.says) || !strings.Contains(said, "its file system keeps") {
					t.Errorf("said %q", said)
				}
				before := h.reloads()
				job.Target.Instead = first.Instead
				if drift := deploy.Inspect(t.Context(), job.Target, job.Bundle); !drift.InPlace {
					t.Errorf("drift %q", drift.Files)
				}
				second := install(t, job)
				if second.Err != nil || second.Changed || len(second.Shortcomings) > 0 || h.reloads() != before {
					t.Errorf("again: %d reloads, %+v", h.reloads()-before, second)
				}
				job.Bundle = h.issue(t)
				third := install(t, job)
				if third.Err != nil || !third.Changed || len(third.Shortcomings) > 0 {
					t.Errorf("a new version: %+v", third)
				}
				if err := os.Chmod(h.path("key.pem"), 0o666); err != nil {
					t.Fatal(err)
				}
				job.Target.Instead = third.Instead
				if drift := deploy.Inspect(t.Context(), job.Target, job.Bundle); drift.InPlace {
					t.Error("a mode that somebody has changed is no drift")
				}
			})
		})
	}
}

// fault 141: without the right to, another owner is a mistake of the configuration.
func TestAnOwnerThatMayNotBeGivenIsAnError(t *testing.T) {
	var without []string
	if os.Geteuid() == 0 {
		without = []string{"setpriv", "--bounding-set=-chown", "--inh-caps=-chown"}
	}
	bundletest.InChildUnder(t, without, func() {
		h := newHost(t)
		h.put(t, h.issue(t))
		job := h.job(h.issue(t))
		job.Originals, job.Target.Owner = "", "4711"
		checkError(t, install(t, job).Err, "operation not permitted")
	})
}

// fault 141
func TestAKeyThatItsFileSystemOpensToAllIsWarnedOf(t *testing.T) {
	dir := bundletest.OwnModes(t)
	h := newHost(t)
	target := deploy.Target{Key: filepath.Join(dir, "key.pem"), Fullchain: filepath.Join(dir, "fullchain.pem")}
	rehearsed, err := deploy.Rehearse(t.Context(), target, deploy.Ours)
	if err != nil || len(rehearsed) != 2 || rehearsed[0].Err != nil {
		t.Fatalf("rehearsed %+v, error %v", rehearsed, err)
	}
	checkError(t, rehearsed[0].Warning, "key.pem has mode 0755, not 0600: its file system keeps modes and owners of its own, and lets every user of this host use the key")
	checkError(t, rehearsed[1].Warning, "fullchain.pem has mode 0755, not 0644")
	job := deploy.Job{Certificate: "www", Target: target, Bundle: h.issue(t)}
	result := install(t, job)
	checkError(t, result.Err, "")
	job.Target.Instead = result.Instead
	drift := deploy.Inspect(t.Context(), job.Target, job.Bundle)
	if !drift.InPlace || len(drift.Warnings) == 0 || !strings.Contains(drift.Warnings[len(drift.Warnings)-1], "use the key") {
		t.Errorf("%+v", drift)
	}
}
