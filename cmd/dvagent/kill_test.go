package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"dvagent/internal/bundle"
	"dvagent/internal/sandbox"
)

// trial is an agent whose runs are cut short: a directory with its
// configuration, state and targets, a sandbox behind a gate, and a record of
// someone else at the name that the CA looks at.
type trial struct {
	*testing.T
	dir     string
	sandbox *sandbox.Sandbox
	gate    *gate
	env     []string
	webroot string // where files prove the domains, or ""
}

const foreignValue = "of someone else"

func newTrial(t *testing.T) *trial {
	t.Helper()
	return newTrialOf(t, sandbox.API2018)
}

// newTrialOf is a trial that orders in that way.
func newTrialOf(t *testing.T, ordering string) *trial {
	t.Helper()
	options := sandbox.Options{CASAPI: ordering, Propagation: []time.Duration{10 * time.Millisecond}, IssueAfter: 50 * time.Millisecond}
	switch ordering {
	case fromPackage:
	case byFile:
		return newTrialByFile(t, options)
	default:
		return newTrialAgainst(t, options)
	}
	options.CASAPI, options.Packages = sandbox.API2020, []sandbox.Package{{ProductCode: product, Total: 20}}
	c := newTrialAgainst(t, options)
	c.ordersFromPackage()
	return c
}

func newTrialAgainst(t *testing.T, options sandbox.Options) *trial {
	t.Helper()
	options.AccessKeyID, options.AccessKeySecret = "LTAItrial", canary
	s := startSandbox(t, options)
	if _, err := s.AddRecord("example.com", "_dnsauth", "TXT", foreignValue); err != nil {
		t.Fatal(err)
	}
	return newTrialOn(t, s, "")
}

// newTrialOn is a trial on the account of a sandbox; tables are further ones of its
// configuration.
func newTrialOn(t *testing.T, s *sandbox.Sandbox, tables string) *trial {
	t.Helper()
	c := &trial{T: t, dir: t.TempDir(), sandbox: s, gate: newGate(t, s.Ready().API)}
	cp, err := exec.LookPath("cp")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(s.AgentConfig(c.path("state")), s.Ready().API, c.gate.URL) + strings.NewReplacer(
		"$dir", c.dir, "$cp", cp).Replace(`
  [[certificate.deploy]]
  fullchain = "$dir/www.pem"
  key = "$dir/www.key"
  reload = ["$cp", "$dir/www.pem", "$dir/served.pem"]
`) + tables
	config := c.path("agent.toml")
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c.env = []string{"PATH=" + os.Getenv("PATH"), "HOME=/no-home", "DVAGENT_CONFIG=" + config}
	return c
}

func (c *trial) path(name string) string { return filepath.Join(c.dir, name) }

func (c *trial) current(name string) string {
	return filepath.Join(c.path("state"), "certificates", "example.com", "current", name)
}

func (c *trial) start(argv ...string) *process {
	c.Helper()
	p, err := startProcess(c.dir, c.env, argv...)
	if err != nil {
		c.Fatal(err)
	}
	return p
}

// await waits for a process to end.
func (c *trial) await(p *process) {
	c.Helper()
	select {
	case <-p.ended:
	case <-time.After(time.Minute):
		p.cmd.Process.Kill()
		c.Fatalf("did not end in a minute:\n%s", p.output.String())
	}
	if leak := secretIn(p.output.String()); leak != "" {
		c.Errorf("the output tells %s", leak)
	}
}

// renews fails the test unless a renewal does all that is due.
func (c *trial) renews() {
	c.Helper()
	p := c.start("dvagent", "renew", "--timeout", "40s")
	c.await(p)
	if code := p.cmd.ProcessState.ExitCode(); code != 0 {
		c.Fatalf("exit code %d:\n%s", code, p.output.String())
	}
}

// converges checks what must hold once a run after a cut has done its work: that
// many certificates were ordered, only the foreign record is left, the targets
// hold the current pair, and nothing is left to do.
func (c *trial) converges(certificates ...int) {
	c.Helper()
	c.waitsForLostAnswers()
	c.renews()
	c.sandbox.ClearHistory()
	c.renews()
	if calls := c.sandbox.History(); len(calls) > 0 {
		c.Errorf("another run called %s", calls[0].Action)
	}
	c.paid(certificates)
	if values := c.published(); !slices.Equal(values, []string{foreignValue}) {
		c.Errorf("records: %q", values)
	}
	if left, err := os.ReadDir(c.webroot); c.webroot != "" && (err != nil || len(left) > 0) {
		c.Errorf("left in the webroot: %v, %v", left, err)
	}
	c.served()
	c.tidy()
}

// paid checks how many certificates were ordered: in 2018-07-13 each is an
// instance's only one, in 2020-04-07 all are of one instance or of a package, and
// the last one is for the current key.
func (c *trial) paid(certificates []int) {
	c.Helper()
	ordered := c.sandbox.Submitted() + c.sandbox.Applied()
	instances := ordered
	if c.takesOfPackage() {
		ordered, instances = c.sandbox.Packages()[0].Used, 0
	} else if c.sandbox.Applied() > 0 {
		instances = 1
	}
	if c.sandbox.Submitted() == 0 {
		if err := ownKey(c.sandbox, c.current(bundle.KeyFile)); err != nil {
			c.Error(err)
		}
	}
	used := 0
	for _, instance := range c.sandbox.Instances() {
		if !strings.EqualFold(instance.Status, "PAYED") {
			used++
		}
	}
	if !slices.Contains(certificates, ordered) || used != instances {
		c.Errorf("%d instances are used and %d orders were accepted, not %d", used, ordered, certificates)
	}
}

// published lists the values of the TXT records in the zone, and of the files in
// the webroot.
func (c *trial) published() []string {
	values := c.filesShown()
	for _, record := range c.sandbox.Records("example.com") {
		if record.Type == "TXT" {
			values = append(values, record.Value)
		}
	}
	return values
}

// pair checks that current is a pair for the names.
func (c *trial) pair() {
	c.Helper()
	pair, err := tls.LoadX509KeyPair(c.current(bundle.FullchainFile), c.current(bundle.KeyFile))
	if err != nil {
		c.Fatal(err)
	}
	if err := pair.Leaf.VerifyHostname("www.example.com"); err != nil {
		c.Error(err)
	}
}

// served checks that the targets hold the current pair and have been reloaded
// since.
func (c *trial) served() {
	c.Helper()
	c.pair()
	for target, source := range map[string]string{
		"www.pem": bundle.FullchainFile, "www.key": bundle.KeyFile, "served.pem": bundle.FullchainFile,
	} {
		want, wantErr := os.ReadFile(c.current(source))
		got, err := os.ReadFile(c.path(target))
		if err != nil || wantErr != nil || !bytes.Equal(got, want) {
			c.Errorf("%s is not the current %s: %v", target, source, err)
		}
	}
}

// tidy checks that no half-made file, no secret and no key of an order that is
// over is left behind.
func (c *trial) tidy() {
	c.Helper()
	err := filepath.WalkDir(c.dir, func(path string, entry fs.DirEntry, err error) error {
		if name := filepath.Base(path); strings.HasPrefix(name, ".") || strings.Contains(name, "aside") || isPendingKey(path) {
			c.Errorf("%s is left behind", path)
		}
		return err
	})
	if err != nil {
		c.Error(err)
	}
	leaks, err := leaksUnder(c.dir)
	if err != nil || len(leaks) > 0 {
		c.Errorf("leaks: %q, %v", leaks, err)
	}
}

// sideBySide is how many trials run at a time: each mostly waits.
const sideBySide = 4

// longTest says whether all cases are wanted, which takes minutes, or a sample.
func longTest() bool { return os.Getenv("DVAGENT_LONG_TESTS") == "1" }

// every tries n = 1, 2, … until there is no n-th. Without DVAGENT_LONG_TESTS it
// tries only one of each stride.
func every(t *testing.T, what string, stride int, try func(t *testing.T, n int) bool) {
	if longTest() {
		stride = 1
	}
	if stride > 1 {
		t.Logf("only one of %d; DVAGENT_LONG_TESTS=1 tries them all", stride)
	}
	var tried, cut atomic.Int64
	var over atomic.Bool
	var workers sync.WaitGroup
	for range sideBySide {
		workers.Go(func() {
			for !over.Load() {
				n := int(tried.Add(1)-1)*stride + 1
				t.Run(fmt.Sprintf("%s %d", what, n), func(t *testing.T) {
					if try(t, n) {
						cut.Add(1)
					} else {
						over.Store(true)
					}
				})
			}
		})
	}
	workers.Wait()
	if cut.Load() < 3 {
		t.Errorf("only %d cases were met", cut.Load())
	}
}

// effects are the calls by which the agent changes what is on disk. A write
// counts when it is fsynced.
const effects = "fsync,fchmod,fchmodat,renameat,symlinkat,linkat,unlinkat,mkdirat"

// needStrace skips the test where no process can be traced.
func needStrace(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("strace can read the memory of dvagent as root alone")
	}
	output, err := exec.Command("strace", "-f", "-qq", "-e", "trace=fsync", "-e", "inject=fsync:delay_exit=1000", "true").CombinedOutput()
	if err != nil {
		t.Skipf("strace, which .ci/run installs, cannot trace here: %v %s", err, output)
	}
}

// cutAtEffect runs the command and kills it right after its n-th effect on disk.
// It reports whether there was one. Each effect is held for 30 ms at its end, and
// no other one happens meanwhile.
func (c *trial) cutAtEffect(n int, args ...string) bool {
	c.Helper()
	fifo := filepath.Join(c.TempDir(), "effects")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		c.Fatal(err)
	}
	p := c.start(append([]string{"strace", "-f", "-qq", "-y", "-e", "signal=none", "-o", fifo,
		"-e", "trace=" + effects, "-e", "inject=" + effects + ":delay_exit=30000", "dvagent"}, args...)...)
	trace, err := os.Open(fifo)
	if err != nil {
		c.Fatal(err)
	}
	defer trace.Close()
	done := 0
	for lines := bufio.NewScanner(trace); lines.Scan(); {
		thread, call, _ := strings.Cut(lines.Text(), " ")
		if !strings.Contains(call, ") = 0") {
			continue // nothing was changed
		}
		if done++; done != n {
			continue
		}
		c.Logf("killed after %s", strings.TrimSpace(call))
		pid, err := strconv.Atoi(thread)
		if err != nil {
			c.Fatal(err)
		}
		switch err := syscall.Kill(pid, syscall.SIGKILL); { // a thread's id stands for its process
		case errors.Is(err, syscall.ESRCH):
			c.Logf("it was the last effect, and the process ended before it was killed")
		case err != nil:
			c.Fatal(err)
		}
	}
	c.await(p)
	if done > n {
		c.Logf("%d effects more before it ended", done-n)
	}
	return done >= n
}

// faults 2, 59
func TestAFirstOrderIsCutAtEachEffectOnDisk(t *testing.T) {
	needStrace(t)
	ofEachOrdering(t, func(t *testing.T, ordering string) {
		every(t, "effect", 12, func(t *testing.T, n int) bool {
			c := newTrialOf(t, ordering)
			cut := c.cutAtEffect(n, "renew")
			c.converges(1)
			return cut
		})
	})
}

// faults 58, 59
func TestARenewalIsCutAtEachEffectOnDisk(t *testing.T) {
	needStrace(t)
	ofEachOrdering(t, func(t *testing.T, ordering string) {
		every(t, "effect", 15, func(t *testing.T, n int) bool {
			c := newTrialOf(t, ordering)
			c.renews()
			cut := c.cutAtEffect(n, "renew", "--force")
			c.pair() // a server that starts now finds one
			c.converges(1, 2)
			return cut
		})
	})
}

// faults 59, 60
func TestKillsAtRandomMoments(t *testing.T) {
	t.Parallel()
	trials := 4
	if longTest() {
		trials = 200
	} else {
		t.Logf("only %d trials; DVAGENT_LONG_TESTS=1 makes 200 in two minutes at most", trials)
	}
	const seed = 3
	sample(t, trials, func(t *testing.T, n int) {
		random := rand.New(rand.NewPCG(seed, uint64(n)))
		c := newTrialOf(t, orderings[n%len(orderings)])
		for range 1 + random.IntN(3) {
			p := c.start("dvagent", "renew")
			time.Sleep(time.Duration(random.Int64N(int64(1500 * time.Millisecond))))
			if err := p.cmd.Process.Kill(); err != nil {
				t.Logf("ended by itself: %v", err)
			}
			c.await(p)
		}
		c.converges(1)
	})
}
