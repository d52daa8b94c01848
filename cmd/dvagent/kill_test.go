package main

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// sideBySide is how many trials run at a time: each mostly waits.
const sideBySide = 4

// longTest says whether all cases are wanted, which takes minutes, or a sample.
func longTest() bool { return os.Getenv("DVAGENT_LONG_TESTS") == "1" }

// every tries n = 1, 2, … until there was no n-th. Without DVAGENT_LONG_TESTS
// it leaves out all but one of each stride.
func every(t *testing.T, what string, stride int, try func(t *testing.T, n int) bool) {
	if longTest() {
		stride = 1
	} else {
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
	output, err := exec.Command("strace", "-f", "-qq", "-e", "trace=fsync", "-e", "inject=fsync:delay_exit=1000", "true").CombinedOutput()
	if err != nil {
		t.Skipf("strace, which .ci/run installs, cannot trace here: %v %s", err, output)
	}
}

// cutAtEffect runs the command and kills it right after its n-th effect on
// disk. It says whether there was one. Each effect is held for 30 ms at its
// end, in which no other is made.
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
		c.Logf("killed after %s", call)
		pid, err := strconv.Atoi(thread)
		if err != nil {
			c.Fatal(err)
		}
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil { // a thread's id stands for its process
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
	t.Parallel()
	needStrace(t)
	every(t, "effect", 12, func(t *testing.T, n int) bool {
		c := newTrial(t)
		cut := c.cutAtEffect(n, "renew")
		c.converges(1)
		return cut
	})
}

// faults 58, 59
func TestARenewalIsCutAtEachEffectOnDisk(t *testing.T) {
	t.Parallel()
	needStrace(t)
	every(t, "effect", 15, func(t *testing.T, n int) bool {
		c := newTrial(t)
		c.renews()
		cut := c.cutAtEffect(n, "renew", "--force")
		c.pair() // a server that starts now finds one
		c.converges(1, 2)
		return cut
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
		c := newTrial(t)
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

// sample makes so many trials, or as many as two minutes allow.
func sample(t *testing.T, trials int, try func(t *testing.T, n int)) {
	var tried atomic.Int64
	var workers sync.WaitGroup
	started := time.Now()
	for range sideBySide {
		workers.Go(func() {
			for {
				n := int(tried.Add(1))
				if n > trials || time.Since(started) > 2*time.Minute {
					return
				}
				t.Run(fmt.Sprintf("trial %d", n), func(t *testing.T) { try(t, n) })
			}
		})
	}
	workers.Wait()
}
