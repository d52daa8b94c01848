package main

import (
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"dvagent/cmd/dvagent/demo"
	"dvagent/internal/bundle"
	"dvagent/internal/sandbox"
)

// stage is what one story is played on: a directory, a sandbox, and the
// processes and the web server that the story started.
type stage struct {
	dir       string
	sandbox   *sandbox.Sandbox
	processes map[string]*process
	webServer *demo.Server
	audience  *people
}

type stageKey struct{}

// clear ends what the story started and looks for secrets that it leaked.
func (s *stage) clear(t testing.TB) {
	for name, p := range s.processes {
		if _, err := p.stop(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if s.sandbox != nil {
		s.sandbox.Close()
	}
	if s.webServer != nil {
		s.webServer.Close()
	}
	s.audience.leave()
	leaks, err := leaksUnder(s.dir)
	if err != nil {
		t.Error(err)
	}
	for _, leak := range leaks {
		t.Error(leak)
	}
}

// sandbox [--cas-api VERSION] [--instances N] [--names N] [--wildcards N]
// [--webroot DIR] [--term D] [--lifetime D] [--package CODE:N] [--fault SPEC] [--zone ZONE] [--propagation D] [--issue-after D]
// starts the stand-in, and writes an agent.toml for it; one that is up ends. Its
// access key secret is the canary, and its CAS 2018-07-13 unless the story says
// otherwise.
func (s *stage) startSandbox(ts *testscript.TestScript, args []string) {
	options := sandbox.Options{AccessKeyID: "LTAIstory", AccessKeySecret: canary}
	flags := flag.NewFlagSet("sandbox", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.IntVar(&options.Instances, "instances", 5, "")
	flags.StringVar(&options.CASAPI, "cas-api", sandbox.API2018, "")
	flags.DurationVar(&options.IssueAfter, "issue-after", 100*time.Millisecond, "")
	flags.DurationVar(&options.Lifetime, "lifetime", 0, "")
	flags.DurationVar(&options.Term, "term", 0, "")
	flags.IntVar(&options.Names, "names", 5, "")
	flags.IntVar(&options.Wildcards, "wildcards", 5, "")
	propagation := flags.Duration("propagation", 100*time.Millisecond, "")
	flags.Func("package", "", func(spec string) error {
		bought, err := sandbox.ParsePackage(spec)
		options.Packages = append(options.Packages, bought)
		return err
	})
	flags.Func("zone", "", func(zone string) error {
		options.Zones = append(options.Zones, zone)
		return nil
	})
	flags.Func("fault", "", func(spec string) error {
		fault, err := sandbox.ParseFault(spec)
		options.Faults = append(options.Faults, fault)
		return err
	})
	webroot := flags.String("webroot", "", "")
	ts.Check(flags.Parse(args))
	if *webroot != "" {
		options.HTTPPort = s.showFiles(ts, *webroot)
	}
	if options.Instances == 0 {
		options.Instances = -1 // asked for none
	}
	options.Propagation = []time.Duration{*propagation / 2, *propagation}
	if s.sandbox != nil {
		ts.Check(s.sandbox.Close())
	}
	started, err := sandbox.Start(options)
	ts.Check(err)
	s.sandbox = started
	if *webroot != "" {
		for _, rr := range []string{"@", "www"} {
			_, err := started.AddRecord("example.com", rr, "A", "127.0.0.1")
			ts.Check(err)
		}
	}
	ts.Setenv("API", started.Ready().API)
	ts.Setenv("DNS", started.Ready().DNS[0])
	ts.Setenv("CA", started.Ready().CAFile)
	s.configure(ts, nil)
}

// showFiles starts a web server of the story's that shows a directory, for the CA
// to visit. It returns its port.
func (s *stage) showFiles(ts *testscript.TestScript, dir string) int {
	ts.Check(os.MkdirAll(ts.MkAbs(dir), 0o755))
	web := httptest.NewServer(http.FileServer(http.Dir(ts.MkAbs(dir))))
	ts.Defer(web.Close)
	return web.Listener.Addr().(*net.TCPAddr).Port
}

// configure [FILE…] writes agent.toml anew: the sandbox's configuration and
// then the files, with variables expanded. $STATE is the state directory,
// state unless the story sets it.
func (s *stage) configure(ts *testscript.TestScript, args []string) {
	if ts.Getenv("STATE") == "" {
		ts.Setenv("STATE", "state")
	}
	text := s.sandbox.AgentConfig(ts.MkAbs(ts.Getenv("STATE")))
	for _, name := range args {
		text += os.Expand(ts.ReadFile(name), ts.Getenv)
	}
	path := ts.MkAbs("agent.toml")
	ts.Check(os.WriteFile(path+".new", []byte(text), 0o600))
	ts.Check(os.Rename(path+".new", path))
}

// under TABLE LINE… puts lines into a table that agent.toml already has.
func (s *stage) under(ts *testscript.TestScript, args []string) {
	header := "[" + args[0] + "]\n"
	text := ts.ReadFile("agent.toml")
	if strings.Count(text, header) != 1 {
		ts.Fatalf("agent.toml has no table %s", args[0])
	}
	text = strings.Replace(text, header, header+strings.Join(args[1:], "\n")+"\n", 1)
	ts.Check(os.WriteFile(ts.MkAbs("agent.toml"), []byte(text), 0o600))
}

// exits CODE PROGRAM [ARG…] runs the program, which has to end with exactly that
// code and must not print a secret.
func (s *stage) exits(ts *testscript.TestScript, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	var exit *exec.ExitError
	code := 0
	if errors.As(err, &exit) {
		code = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	for _, stream := range []string{"stdout", "stderr"} {
		if leak := secretIn(ts.ReadFile(stream)); leak != "" {
			ts.Fatalf("%s tells %s", stream, leak)
		}
	}
	if code != want {
		ts.Fatalf("exit code %d, not %d", code, want)
	}
}

// called ACTION N checks how many calls of an API action the sandbox has
// answered; the action any stands for all of them.
func (s *stage) called(ts *testscript.TestScript, args []string) {
	want, err := strconv.Atoi(args[1])
	ts.Check(err)
	if n := s.calls(args[0]); n != want {
		ts.Fatalf("%d calls of %s, not %d", n, args[0], want)
	}
}

func (s *stage) calls(action string) int {
	n := 0
	for _, request := range s.sandbox.History() {
		if request.Action == action || action == "any" {
			n++
		}
	}
	return n
}

// forget forgets the calls so far.
func (s *stage) forget(*testscript.TestScript, []string) { s.sandbox.ClearHistory() }

// fault [SPEC…] replaces the sandbox's faults.
func (s *stage) fault(ts *testscript.TestScript, args []string) {
	var faults []sandbox.Fault
	for _, spec := range args {
		fault, err := sandbox.ParseFault(spec)
		ts.Check(err)
		faults = append(faults, fault)
	}
	ts.Check(s.sandbox.SetFaults(faults...))
}

// instances STATUS N checks how many instances have that status.
func (s *stage) instances(ts *testscript.TestScript, args []string) {
	var found []string
	for _, instance := range s.sandbox.Instances() {
		if strings.EqualFold(instance.Status, args[0]) {
			found = append(found, instance.InstanceID)
		}
	}
	if strconv.Itoa(len(found)) != args[1] {
		ts.Fatalf("%d instances are %s, not %s: %v", len(found), args[0], args[1], s.sandbox.Instances())
	}
}

// buy puts a paid DV instance into the account.
func (s *stage) buy(*testscript.TestScript, []string) {
	s.sandbox.AddInstance("DV", "BUY", "PAYED", "")
}

// extend D lets each subscription end in that time from now.
func (s *stage) extend(ts *testscript.TestScript, args []string) {
	term, err := time.ParseDuration(args[0])
	ts.Check(err)
	for _, subscription := range s.sandbox.Subscriptions() {
		ts.Check(s.sandbox.EndSubscription(subscription.InstanceID, time.Now().Add(term)))
	}
}

// submit DOMAIN… places an order on the first instance, as another host with
// the same account would.
func (s *stage) submit(ts *testscript.TestScript, args []string) {
	ts.Check(s.sandbox.Submit(s.sandbox.Instances()[0].InstanceID, args...))
}

// order-package CODE DOMAIN… orders from a package, as somebody else would.
func (s *stage) orderPackage(ts *testscript.TestScript, args []string) {
	_, err := s.sandbox.OrderPackage(args[0], args[1:]...)
	ts.Check(err)
}

// records N checks how many TXT records the zone example.com holds.
func (s *stage) records(ts *testscript.TestScript, args []string) {
	n := 0
	for _, record := range s.sandbox.Records("example.com") {
		if record.Type == "TXT" {
			n++
		}
	}
	if strconv.Itoa(n) != args[0] {
		ts.Fatalf("%d TXT records, not %s", n, args[0])
	}
}

// mode MODE FILE… checks the permissions of files, such as 0600.
func (s *stage) mode(ts *testscript.TestScript, args []string) {
	for _, name := range args[1:] {
		info, err := os.Stat(ts.MkAbs(name))
		ts.Check(err)
		if mode := fmt.Sprintf("%04o", info.Mode().Perm()); mode != args[0] {
			ts.Fatalf("%s has mode %s, not %s", name, mode, args[0])
		}
	}
}

// capture VARIABLE PATTERN sets a variable to the pattern's first group in
// what the last command printed.
func (s *stage) capture(ts *testscript.TestScript, args []string) {
	found := regexp.MustCompile("(?m)" + args[1]).FindStringSubmatch(ts.ReadFile("stdout"))
	if found == nil {
		ts.Fatalf("%q is not in standard output", args[1])
	}
	ts.Setenv(args[0], found[1])
}

// shows ADDRESS FILE checks that a TLS handshake shows the leaf of the PEM file.
func (s *stage) shows(ts *testscript.TestScript, args []string) {
	pair, err := tls.LoadX509KeyPair(ts.MkAbs(args[1]), keyBeside(ts.MkAbs(args[1])))
	ts.Check(err)
	conn, err := tls.Dial("tcp", args[0], &tls.Config{InsecureSkipVerify: true})
	ts.Check(err)
	defer conn.Close()
	served := bundle.Fingerprint(conn.ConnectionState().PeerCertificates[0])
	if want := bundle.Fingerprint(pair.Leaf); served != want {
		ts.Fatalf("%s serves %s, not %s", args[0], served, want)
	}
}

// keyBeside is site.key for site.pem, and privkey.pem for fullchain.pem.
func keyBeside(certificate string) string {
	if filepath.Base(certificate) == bundle.FullchainFile {
		return filepath.Join(filepath.Dir(certificate), bundle.KeyFile)
	}
	return strings.TrimSuffix(certificate, ".pem") + ".key"
}
