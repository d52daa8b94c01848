package deploy_test

import (
	"context"
	"crypto/tls"
	"testing"
	"time"

	"dvagent/deploy"
	"dvagent/internal/bundle"
)

// breaks makes the host fail its handshakes with any key but that of old.
func (h *host) breaks(old *bundle.Bundle) {
	h.accepts = func(pair *tls.Certificate) error {
		if !bundle.SameKey(pair.Leaf.PublicKey, old.Leaf.PublicKey) {
			return errUnfit
		}
		return nil
	}
}

// within waits until it holds.
func within(t *testing.T, bound time.Duration, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(bound); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Errorf("not within %s: %s", bound, what)
			return
		}
	}
}

// shows says whether a handshake with the host shows b.
func (h *host) shows(t *testing.T, b *bundle.Bundle) bool {
	return shows(deploy.Probe(t.Context(), h.address, "example.com", nil), b)
}

func TestABrokenServerWaitsForNoOther(t *testing.T) {
	for _, test := range []struct {
		name  string
		other func(broken, other *deploy.Job)
	}{
		{"another server that ignores its reload", func(_, _ *deploy.Job) {}},
		{"another server whose reload hangs", func(_, other *deploy.Job) {
			other.Target.Reload = shell("sleep 60")
		}},
		{"another target of the same reload", func(broken, other *deploy.Job) {
			other.Target.Reload = broken.Target.Reload
		}},
		{"another probe of the same target", func(broken, other *deploy.Job) {
			broken.Target.Probe = append(broken.Target.Probe, other.Target.Probe...)
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			broken, other := newHost(t), newHost(t)
			old := broken.put(t, broken.issue(t))
			other.put(t, other.issue(t))
			broken.breaks(old)
			other.ignores = true
			jobs := []deploy.Job{other.job(other.issue(t)), broken.job(broken.issue(t))}
			for i := range jobs {
				jobs[i].Target.Timeout = time.Minute
			}
			test.other(&jobs[1], &jobs[0])
			ctx, stop := context.WithCancel(t.Context())
			results := make(chan []deploy.Result)
			go func() { results <- deploy.Install(ctx, jobs) }()
			within(t, 10*time.Second, "the reload", func() bool { return broken.reloads() > 0 })
			within(t, 9*time.Second, "the old leaf is served again", func() bool { return broken.shows(t, old) })
			stop()
			if result := (<-results)[1]; !result.RolledBack {
				t.Errorf("the previous files are not back: %v", result.Err)
			}
			broken.holds(t, old)
		})
	}
}

func TestABrokenServerDoesNotWaitForAShiftThatHangs(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	old := h.put(t, h.issue(t))
	h.breaks(old)
	job := h.job(h.issue(t))
	job.Target.Timeout = time.Minute
	var rounds deploy.Rounds
	results := make(chan []deploy.Result)
	go func() { results <- rounds.Install(t.Context(), []deploy.Job{job}, rounds.Expect()) }()
	within(t, 10*time.Second, "the reload", func() bool { return h.reloads() > 0 })
	shift, err := rounds.Shifts.Take(t.Context(), job.Target.Reload)
	if err != nil {
		t.Fatal(err)
	}
	defer shift.Over() // and not before
	within(t, 30*time.Second, "the old leaf is served again", func() bool { return h.shows(t, old) })
	if result := (<-results)[0]; !result.RolledBack {
		t.Errorf("the previous files are not back: %v", result.Err)
	}
}

func TestAStopLeavesNoServerBroken(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	old := h.put(t, h.issue(t))
	h.breaks(old)
	job := h.job(h.issue(t))
	job.Target.Timeout = time.Minute
	ctx, stop := context.WithCancel(t.Context())
	results := make(chan []deploy.Result)
	go func() { results <- deploy.Install(ctx, []deploy.Job{job}) }()
	within(t, 5*time.Second, "the server is broken", func() bool { return h.reloads() == 1 && !h.shows(t, old) })
	stop()
	result := (<-results)[0]
	checkError(t, result.Err, "stopped before the new certificate was seen")
	checkError(t, result.Err, "the previous files are back")
	if !result.RolledBack {
		t.Error("it is not rolled back")
	}
	h.holds(t, old)
	h.serves(t, old)
}

// A certificate of another kind of key may leave a server without a cipher
// suite for older clients.
func TestAServerThatLosesTLS12GetsItsFilesBack(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	old := h.put(t, h.issue(t))
	h.serveBy(t, "127.0.0.1:0", &tls.Config{GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		pair, err := h.certificate(hello)
		if err == nil && hello.SupportedVersions[0] == tls.VersionTLS12 && !bundle.SameKey(pair.Leaf.PublicKey, old.Leaf.PublicKey) {
			return nil, errUnfit
		}
		return pair, err
	}})
	job := h.job(h.issue(t))
	result := install(t, job)
	checkError(t, result.Err, "TLS 1.2 handshake with "+h.address)
	if !result.RolledBack || h.reloads() != 2 {
		t.Errorf("after %d reloads: rolled back %v", h.reloads(), result.RolledBack)
	}
	h.holds(t, old)
	h.serves(t, old)
}
