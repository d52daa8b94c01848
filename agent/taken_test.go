package agent

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"dvagent/agent/order"
	"dvagent/agent/rollout"
	"dvagent/agent/state"
	"dvagent/internal/sandbox"
)

// serve runs a service until the test ends.
func (w *world) serve() {
	w.Helper()
	service := NewService(w.agent(), nil, tester)
	stopped := make(chan error)
	go func() { stopped <- service.Run(w.Context()) }()
	w.Cleanup(func() {
		if err := <-stopped; err != nil {
			w.Error(err)
		}
	})
}

// takeAway removes the state directory, although the service may write there.
func (w *world) takeAway() {
	w.Helper()
	w.within(10*time.Second, "the end of the state directory", func() bool { return os.RemoveAll(string(w.where())) == nil })
}

// hasVersion says that the certificate has a version.
func (w *world) hasVersion() bool {
	_, err := os.Stat(filepath.Join(w.where().Certificate("example.com"), "current", "privkey.pem"))
	return err == nil
}

// fault 148
func TestAStateDirectoryThatIsTakenAwayFromAServiceIsMadeAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{})
	server := w.served()
	w.renewed(Renewal{})
	w.serve()
	for range 2 {
		w.quiet(server)
		w.calls()
		w.takeAway()
		w.within(10*time.Second, "a new state directory", w.hasVersion)
		if info, err := os.Stat(string(w.where())); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("mode %v, error %v", info.Mode(), err)
		}
		if calls := w.calls(); calls["CreateDVOrderAudit"] > 0 {
			t.Errorf("calls %v", calls)
		}
	}
}

// fault 148
func TestAnOrderThatRunsWhenTheStateDirectoryIsTakenAwayIsRecognised(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{Faults: []sandbox.Fault{mustFault(t, "checking-forever")}})
	w.served()
	w.serve()
	w.within(20*time.Second, "the submission", func() bool { return w.instancesUsed() == 1 && w.records() != "" })
	w.takeAway()
	for _, instance := range w.sandbox.Instances() {
		_ = w.sandbox.ForceOrder(instance.InstanceID, "issued") // of the one that runs
	}
	w.within(60*time.Second, "the certificate", w.hasVersion)
	if n := w.instancesUsed(); n != 1 {
		t.Errorf("%d instances used", n)
	}
}

// fault 148: also where no target of today has them.
func TestOldVersionsThatWereLeftAreRemovedAtTheNextLook(t *testing.T) {
	for _, target := range []bool{false, true} {
		t.Run(fmt.Sprintf("with a target %v", target), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, sandbox.Options{})
			if target {
				w.extra += w.target()
			}
			w.renewed(Renewal{})
			dir := w.where().Certificate("example.com")
			var old string
			for i := range 7 {
				old = fmt.Sprintf("20200101-%012x", i)
				if err := os.CopyFS(filepath.Join(dir, "versions", old), os.DirFS(filepath.Join(dir, "current"))); err != nil {
					t.Fatal(err)
				}
			}
			r, err := rollout.Load(dir)
			if err != nil {
				t.Fatal(err)
			}
			if err := r.Deployed("a target that is gone", old); err != nil {
				t.Fatal(err)
			}
			w.renew(Renewal{})
			if left, err := os.ReadDir(filepath.Join(dir, "versions")); len(left) != 5 || err != nil {
				t.Errorf("left: %v, error %v", left, err)
			}
		})
	}
}

// fault 148: another agent may hold a new lock, and order too.
func TestNothingIsOrderedUnderALockThatWasTakenAway(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{})
	var taken sync.Once
	w.onProgress(func(p state.Progress) {
		if p.Step == string(order.Allocate) {
			taken.Do(func() { os.Remove(w.where().LockFile()) })
		}
	})
	err := NewService(w.agent(), nil, tester).pass(t.Context())
	if !errors.Is(err, state.ErrLost) || w.instancesUsed() != 0 {
		t.Errorf("error %v; %d instances used", err, w.instancesUsed())
	}
	w.renewed(Renewal{})
	if n := w.instancesUsed(); n != 1 {
		t.Errorf("%d instances used", n)
	}
}
