package agent

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"dvagent/agent/state"
	"dvagent/internal/sandbox"
)

// hooked is a world with certificates that are in place, and a hook of script
// that listens to deployed and writes the names of those it runs for into a log.
func hooked(t *testing.T, script string, names ...string) (w *world, ran func() string) {
	t.Helper()
	w = newWorld(t, sandbox.Options{})
	log, path := filepath.Join(w.dir, "log"), filepath.Join(w.dir, "hook")
	if err := os.WriteFile(path, []byte("#!/bin/sh\necho $DVAGENT_CERTIFICATE >> "+log+"\n"+script), 0o755); err != nil {
		t.Fatal(err)
	}
	target := func(name string) string {
		return fmt.Sprintf("\n  [[certificate.deploy]]\n  fullchain = %q\n  key = %q\n", filepath.Join(w.dir, name+".pem"), filepath.Join(w.dir, name+".key"))
	}
	w.name, w.domains = names[0], fmt.Sprintf("[\"%s.example.com\"]", names[0])
	w.extra = target(names[0])
	for _, name := range names[1:] {
		w.extra += fmt.Sprintf("[[certificate]]\nname = %q\ndomains = [\"%s.example.com\"]\n", name, name) + target(name)
	}
	w.renewedAll()
	w.extra += fmt.Sprintf("[[hook]]\non = [\"deployed\"]\ncommand = [%q]\ntimeout = \"1s\"\n", path)
	return w, func() string {
		t.Helper()
		names, err := os.ReadFile(log)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(log); err != nil {
			t.Fatal(err)
		}
		return strings.Join(strings.Fields(string(names)), " ")
	}
}

// fault 66
func TestAHookThatHangsIsWaitedForTwiceInAPass(t *testing.T) {
	t.Parallel()
	w, ran := hooked(t, "sleep 600\n", "a", "b", "c", "d")
	outcomes, err := w.agent().Deploy(t.Context(), Redeployment{Caller: tester})
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range outcomes {
		if o.Class != state.NotServed || o.Step != state.StepHook {
			t.Errorf("%+v", o)
		}
	}
	if names := ran(); names != "a b" || len(outcomes) != 4 {
		t.Errorf("%d outcomes, and the hook ran for %s", len(outcomes), names)
	}
}

// fault 154
func TestAHookThatHangsForOneCertificateRunsForTheOthers(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, hangs string
		ran         string // in the first pass
		next        string // in the next ones; in the very next one unless the machine is so slow that they come late
	}{
		{"for one that comes first", "a", "a b c d", "a"},
		{"for two, who come last the next time", "a|b", "a b", "c d"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w, ran := hooked(t, "case $DVAGENT_CERTIFICATE in "+tt.hangs+") sleep 600;; esac\n", "a", "b", "c", "d")
			if _, err := w.agent().Deploy(t.Context(), Redeployment{Caller: tester}); err != nil {
				t.Fatal(err)
			}
			if names := strings.Fields(ran()); !slices.Equal(slices.Sorted(slices.Values(names)), strings.Fields(tt.ran)) {
				t.Errorf("the hook ran for %s, want %s", names, tt.ran)
			}
			left := strings.Fields(tt.next)
			for range 3 {
				if _, err := w.agent().Renew(t.Context(), Renewal{NoWait: true, Timeout: time.Minute, Caller: tester}); err != nil { // as by cron
					t.Fatal(err)
				}
				names := strings.Fields(ran())
				left = slices.DeleteFunc(left, func(name string) bool { return slices.Contains(names, name) })
				if len(left) == 0 {
					return
				}
			}
			t.Errorf("in three more passes the hook did not run for %s", left)
		})
	}
}
