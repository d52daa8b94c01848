package agent

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dvagent/agent/order"
	"dvagent/agent/rollout"
	"dvagent/agent/state"
	"dvagent/internal/bundle/bundletest"
	"dvagent/internal/sandbox"
)

// reloads gives the world a target in dir whose reload adds a line to a file, and
// then does something. It returns the count of lines.
func (w *world) reloads(dir, then string) func() int {
	file := filepath.Join(w.dir, "reloads")
	w.extra += fmt.Sprintf("\n  [[certificate.deploy]]\n  fullchain = %q\n  key = %q\n  reload = [\"/bin/sh\", \"-c\", %q]\n",
		filepath.Join(dir, "www.pem"), filepath.Join(dir, "www.key"), "echo >>"+file+"; "+then)
	return func() int {
		data, _ := os.ReadFile(file)
		return strings.Count(string(data), "\n")
	}
}

// fault 141
func TestATargetWhoseFileSystemKeepsItsOwnModesIsInstalledOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{})
	reloads := w.reloads(bundletest.OwnModes(t), "true")
	w.renewed(Renewal{})
	w.renew(Renewal{})
	a := w.agent()
	var log bytes.Buffer
	a.host.Log = slog.New(slog.NewTextHandler(&log, nil))
	service := NewService(a, nil, tester)
	stopped := make(chan error)
	go func() { stopped <- service.Run(t.Context()) }()
	t.Cleanup(func() {
		if err := <-stopped; err != nil {
			t.Error(err)
		}
	})
	time.Sleep(5 * settled)
	if n := reloads(); n != 1 {
		t.Errorf("%d reloads: %s", n, log.String())
	}
	if d := w.status().Certificates[0].Deployments[0]; len(d.Lacks) > 0 || len(d.Warnings) != 1 {
		t.Errorf("%+v", d)
	}
}

// fault 141
func TestATargetThatSomethingRewritesAgainAndAgainIsLeftForAWhile(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{})
	failures := filepath.Join(w.dir, "failures")
	reloads := w.reloads(w.dir, "chmod 0666 "+filepath.Join(w.dir, "www.key"))
	w.extra += fmt.Sprintf("\n[[hook]]\non = [\"failed\"]\ncommand = [\"/bin/sh\", \"-c\", %q]\n", "echo \"$DVAGENT_ERROR\" >>"+failures)
	w.renewed(Renewal{})
	var last state.Outcome
	for range rollout.MostInstalls + 2 {
		last = w.renew(Renewal{})
	}
	const what = "installed 20 times within an hour without a new version, and again "
	if n := reloads(); n != rollout.MostInstalls || last.Class != state.NotServed || !strings.HasPrefix(fmt.Sprint(last.Err), what) {
		t.Errorf("%d reloads, then %+v", n, last)
	}
	if told, err := os.ReadFile(failures); err != nil || strings.Count(string(told), what) != 1 {
		t.Errorf("told %q, error %v", told, err)
	}
	if left := last.Next.Sub(state.Now()); left <= 0 || left > time.Hour {
		t.Errorf("next in %s", left)
	}
	if d := w.status().Certificates[0].Deployments[0]; !strings.HasPrefix(d.Error, what) {
		t.Errorf("%+v", d)
	}
	if err := os.Chmod(filepath.Join(w.dir, "www.key"), 0o600); err != nil {
		t.Fatal(err)
	}
	if o := w.renew(Renewal{}); o.Class != state.Served || w.status().Certificates[0].Deployments[0].Error != "" {
		t.Errorf("it is as it should be: %+v", o)
	}
	w.renewed(Renewal{Force: true})
	if n := reloads(); n != rollout.MostInstalls+1 {
		t.Errorf("%d reloads after a new version", n)
	}
}

// fault 142
func TestWhatATargetHindersIsSaidBeforeTheOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{})
	w.extra += fmt.Sprintf("\n  [[certificate.deploy]]\n  key = %q\n", filepath.Join(w.dir, "none", "www.key"))
	a := w.agent()
	var log bytes.Buffer
	a.host.Log = slog.New(slog.NewTextHandler(&log, nil))
	var ordered string // the log as it was then
	a.host.Observe = func(e state.Event) {
		if p, ok := e.(state.Progress); ok && p.Step == string(order.Allocate) && ordered == "" {
			ordered = log.String()
		}
	}
	if _, err := a.Renew(t.Context(), Renewal{Timeout: 2 * time.Minute, Caller: tester}); err != nil {
		t.Fatal(err)
	}
	const what = "an order is due, and its certificate cannot be installed at "
	if !strings.Contains(ordered, what) || !strings.Contains(ordered, "mkdir -p ") || strings.Count(log.String(), what) != 1 {
		t.Errorf("before the order: %s\nat the end: %s", ordered, log.String())
	}
	if w.current() == "" {
		t.Error("nothing was ordered")
	}
}
