package main

import (
	"cmp"
	"context"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"dvagent/internal/command"
	"dvagent/internal/sandbox"
)

// TestMain makes this test binary serve as dvagent too: the stories run it by
// that name.
func TestMain(m *testing.M) {
	command.Supervise()
	if filepath.Base(os.Args[0]) != "dvagent" {
		os.Setenv("LC_ALL", "C") // whoever runs them, they expect English
	}
	flag.Set("test.parallel", "6") // stories wait more than they work
	testscript.Main(m, map[string]func(){"dvagent": main})
}

// TestStories plays testdata/stories: sessions of an operator with the real
// binary against the real sandbox. Each one has a directory of its own, $WORK,
// and ends with a search for secrets in everything that it left there.
//
// Beside testscript's commands a story has those of the table below; their
// functions say what they do. $DVAGENT is the binary's path, for commands in
// agent.toml. The sandbox serves the zone example.com, so that is the name of
// the certificate.
func TestStories(t *testing.T) {
	play(t, filepath.Join("testdata", "stories"))
}

// play plays the stories of a directory.
func play(t *testing.T, dir string) {
	testscript.Run(t, testscript.Params{
		Dir:                 dir,
		Setup:               setTheStage,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"applied":       on((*stage).applied),
			"await":         on((*stage).await),
			"becomes":       on((*stage).becomes),
			"buy":           on((*stage).buy),
			"called":        on((*stage).called),
			"order-package": on((*stage).orderPackage),
			"capture":       on((*stage).capture),
			"configure":     on((*stage).configure),
			"exits":         on((*stage).exits),
			"expired":       on((*stage).expired),
			"extend":        on((*stage).extend),
			"fault":         on((*stage).fault),
			"forget":        on((*stage).forget),
			"hangup":        on((*stage).hangup),
			"hear":          on((*stage).hear),
			"hosting":       on((*stage).hosting),
			"instances":     on((*stage).instances),
			"mode":          on((*stage).mode),
			"ownkey":        on((*stage).ownkey),
			"people":        on((*stage).people),
			"records":       on((*stage).records),
			"sandbox":       on((*stage).startSandbox),
			"shows":         on((*stage).shows),
			"start":         on((*stage).start),
			"terminate":     on((*stage).terminate),
			"submit":        on((*stage).submit),
			"under":         on((*stage).under),
			"unplug":        on((*stage).unplug),
			"web":           on((*stage).web),
		},
	})
}

func setTheStage(env *testscript.Env) error {
	binary, err := exec.LookPath("dvagent")
	if err != nil {
		return err
	}
	s := &stage{dir: env.WorkDir, processes: map[string]*process{}}
	env.Values[stageKey{}] = s
	env.Setenv("DVAGENT", binary)
	env.Setenv("DVAGENT_CONFIG", filepath.Join(env.WorkDir, "agent.toml"))
	env.Setenv("TZ", "UTC")
	env.Defer(func() { s.clear(env.T().(testing.TB)) })
	return os.Chmod(env.WorkDir, 0o700)
}

// on makes a testscript command of a method of the stage.
func on(command func(*stage, *testscript.TestScript, []string)) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		if neg {
			ts.Fatalf("this command cannot be negated")
		}
		command(ts.Value(stageKey{}).(*stage), ts, args)
	}
}

// startSandbox starts a sandbox until the end of the test. Its CAS is
// 2018-07-13 unless the options say otherwise.
func startSandbox(t *testing.T, options sandbox.Options) *sandbox.Sandbox {
	t.Helper()
	options.CASAPI = cmp.Or(options.CASAPI, sandbox.API2018)
	s, err := sandbox.Start(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// dvagent runs the program in this process.
func dvagent(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, err lines
	code = run(context.Background(), args, &out, &err)
	return code, out.String(), err.String()
}
