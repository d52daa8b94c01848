package agent

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dvagent/agent/state"
	"dvagent/internal/bundle"
	"dvagent/internal/sandbox"
)

// revoke has the CA declare void all that the account holds.
func (w *world) revoke() {
	w.Helper()
	for _, c := range w.sandbox.Certificates() {
		if err := w.sandbox.Revoke(c.ID); err != nil {
			w.Fatal(err)
		}
	}
}

func TestARevokedCertificateOfTheAccountIsNotFollowed(t *testing.T) {
	other, w := shared(t, "2020-04-07")
	other.renewed(Renewal{})
	w.revoke()
	if o := w.renew(Renewal{}); o.Class != state.Pending || len(w.sandbox.Certificates()) != 1 {
		t.Errorf("%+v", o)
	}
	other.renewed(Renewal{Force: true})
	w.renewed(Renewal{})
	if w.current() != other.current() {
		t.Errorf("version %s, not %s", w.current(), other.current())
	}
}

func TestAHostThatHasNothingOrdersWhereTheAccountHoldsWhatWasRevoked(t *testing.T) {
	other, w := shared(t, "2020-04-07")
	other.renewed(Renewal{})
	w.revoke()
	w.extra = other.extra
	w.renewed(Renewal{})
	if w.current() == other.current() || w.sandbox.Applied() != 2 {
		t.Errorf("version %s after %s; %d applications", w.current(), other.current(), w.sandbox.Applied())
	}
}

func TestARevokedCertificateIsReplacedOnTheSameInstance(t *testing.T) {
	w := newWorldOfToday(t, sandbox.Options{})
	w.renewed(Renewal{})
	first := w.current()
	w.revoke()
	w.calls()
	if o := w.renew(Renewal{}); o.Class != state.Served || len(w.calls()) > 0 {
		t.Errorf("nobody wants another one: %+v", o)
	}
	w.renewed(Renewal{Force: true})
	if used := w.usedInstances(); used != 1 || w.sandbox.Applied() != 2 || w.current() == first {
		t.Errorf("%d instances used, %d applications, version %s after %s", used, w.sandbox.Applied(), w.current(), first)
	}
}

func TestWhatWasRevokedBeforeItWasCollectedIsToldAsThatAndReplacedWithAnotherKey(t *testing.T) {
	t.Parallel()
	w := newWorldOfToday(t, sandbox.Options{})
	w.renewUntil("the record stands", w.recorded)
	w.within(time.Minute, "the CA issues", func() bool { return len(w.sandbox.Certificates()) > 0 })
	key := w.pendingKeys()
	w.revoke()
	o := w.renew(Renewal{Timeout: time.Minute})
	if o.Class == state.Served || o.Err == nil || !strings.Contains(o.Err.Error(), "was revoked before it was collected") || !strings.Contains(o.Hint(), "another key") {
		t.Fatalf("%+v, hint %q", o, o.Hint())
	}
	w.renewed(Renewal{})
	stored, err := os.ReadFile(filepath.Join(w.where().Certificate("example.com"), "current", bundle.KeyFile))
	if err != nil {
		t.Fatal(err)
	}
	id, err := bundle.KeyID(stored)
	if err != nil || len(key) != 1 || strings.Contains(key[0], id) || w.sandbox.Applied() != 2 || w.usedInstances() != 1 {
		t.Errorf("serves key %s after %s (%v); %d applications on %d instances", id, key, err, w.sandbox.Applied(), w.usedInstances())
	}
}
