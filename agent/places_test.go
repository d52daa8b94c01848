package agent

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"dvagent/agent/check"
	"dvagent/agent/state"
	"dvagent/internal/hint"
	"dvagent/internal/sandbox"
)

// fault 143
func TestAFileOfOthersThatIsNoCertificateIsRefusedBeforeTheOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{})
	path := filepath.Join(w.dir, "combined.pem")
	w.extra = fmt.Sprintf("  [[certificate.deploy]]\n  combined = %q\n", path)
	const passwd = "root:x:0:0:root:/root:/bin/bash\n"
	w.writes(path, passwd)
	failed := func() bool {
		return slices.ContainsFunc(w.check().Host(t.Context(), state.Now()), func(f check.Finding) bool {
			return !f.Warning && f.Err != nil && strings.Contains(f.Err.Error(), "no PEM with") && strings.HasPrefix(hint.Of(f.Err), "move it away")
		})
	}
	if !failed() {
		t.Error("check does not say so")
	}
	o := w.renew(Renewal{})
	if o.Err == nil || !strings.Contains(o.Err.Error(), path+" is not replaced: it is no PEM with") || !strings.HasPrefix(o.Hint(), "move it away") {
		t.Errorf("%+v, hint %q", o, o.Hint())
	}
	if data, err := os.ReadFile(path); string(data) != passwd || err != nil || w.sandbox.Submitted() != 0 {
		t.Errorf("the file holds %q, error %v; %d instances submitted", data, err, w.sandbox.Submitted())
	}

	w.writes(path, "") // as touch makes it
	w.renewed(Renewal{})
	for _, damage := range []string{passwd, "", "-----BEGIN CERTIFICATE-----\n"} { // of what dvagent wrote
		w.writes(path, damage)
		if failed() {
			t.Errorf("check refuses to replace %q", damage)
		}
		if o := w.renew(Renewal{}); o.Class != state.Served || w.sandbox.Submitted() != 1 {
			t.Errorf("%q in its place: %+v, %d instances submitted", damage, o, w.sandbox.Submitted())
		}
		w.wantPair(path)
	}
}

// fault 143
func TestAFileOfOthersInAFurtherTargetIsRefusedByItsDeployment(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{})
	w.renewed(Renewal{})
	path, good := filepath.Join(w.dir, "combined.pem"), filepath.Join(w.dir, "good.pem")
	w.extra = fmt.Sprintf("  [[certificate.deploy]]\n  combined = %q\n  [[certificate.deploy]]\n  combined = %q\n", path, good)
	w.writes(path, "hello")
	for range 2 {
		if o := w.renew(Renewal{}); o.Class != state.NotServed || !strings.HasPrefix(o.Hint(), "move it away") {
			t.Errorf("%+v, hint %q", o, o.Hint())
		}
		w.wantPair(good)
		if data, err := os.ReadFile(path); string(data) != "hello" || err != nil {
			t.Errorf("the file holds %q, error %v", data, err)
		}
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if o := w.renew(Renewal{}); o.Class != state.Served || w.sandbox.Submitted() != 1 {
		t.Errorf("%+v, %d instances submitted", o, w.sandbox.Submitted())
	}
	w.wantPair(path)
}

// fault 144
func TestWhatADeploymentChangesIsSaidOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{})
	path := filepath.Join(w.dir, "combined.pem")
	w.extra = fmt.Sprintf("  [[certificate.deploy]]\n  combined = %q\n", path)
	w.writes(path, "-----BEGIN CERTIFICATE-----\n")
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	const change = "mode 0640 becomes 0600"
	warned := func() bool {
		return slices.ContainsFunc(w.check().Host(t.Context(), state.Now()), func(f check.Finding) bool {
			return f.Warning && strings.Contains(f.Err.Error(), change)
		})
	}
	if !warned() {
		t.Error("check does not say so")
	}
	said := 0
	w.onProgress(func(p state.Progress) {
		if strings.Contains(p.Text, path+": "+change) {
			said++
		}
	})
	for range 2 {
		w.renewed(Renewal{Force: true})
		if said != 1 || warned() {
			t.Errorf("said %d times; check warns: %v", said, warned())
		}
	}
}

func (w *world) writes(path, text string) {
	w.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		w.Fatal(err)
	}
}

// wantPair looks for the current pair in a combined file.
func (w *world) wantPair(path string) {
	w.Helper()
	b := w.pair()
	if data, err := os.ReadFile(path); err != nil || string(data) != string(b.KeyPEM())+string(b.FullchainPEM()) {
		w.Errorf("%s holds something else, error %v", path, err)
	}
}
