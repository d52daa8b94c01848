package agent

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"dvagent/agent/state"
	"dvagent/internal/sandbox"
)

// fault 66
func TestAHookThatHangsIsWaitedForOnceInAPass(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{})
	log, script := filepath.Join(w.dir, "log"), filepath.Join(w.dir, "hook")
	text := fmt.Sprintf("#!/bin/sh\necho run >> %s\nsleep 600\n", log)
	if err := os.WriteFile(script, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	target := func(name string) string {
		return fmt.Sprintf("\n  [[certificate.deploy]]\n  fullchain = %q\n  key = %q\n", filepath.Join(w.dir, name+".pem"), filepath.Join(w.dir, name+".key"))
	}
	w.extra = target("www")
	for _, name := range []string{"a", "b"} {
		w.extra += fmt.Sprintf("[[certificate]]\nname = %q\ndomains = [\"%s.example.com\"]\n", name, name) + target(name)
	}
	if _, err := w.agent().Renew(t.Context(), Renewal{Timeout: 30 * time.Second, Caller: tester}); err != nil {
		t.Fatal(err)
	}
	w.extra += fmt.Sprintf("[[hook]]\non = [\"deployed\"]\ncommand = [%q]\ntimeout = \"1s\"\n", script)
	outcomes, err := w.agent().Deploy(t.Context(), Redeployment{Caller: tester})
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range outcomes {
		if o.Class != state.NotServed || o.Step != state.StepHook {
			t.Errorf("%+v", o)
		}
	}
	runs, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	if string(runs) != "run\n" || len(outcomes) != 3 {
		t.Errorf("%d outcomes, and the hook wrote %q", len(outcomes), runs)
	}
}
