//go:debug tlsmlkem=0
package simulate

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"dvagent/internal/chance"
	"dvagent/internal/sandbox"
)

var (
	seedOf  = flag.Uint64("seed", 0, "live through this seed alone, and print its story with -v")
	yearsOf = flag.Int("years", 0, "years of each seed; 1 when not given")
)

func TestMain(m *testing.M) {
	os.Setenv("LC_ALL", "C")
	chance.Repeat()
	debug.SetGCPercent(400)
	runtime.GOMAXPROCS(1) // a bubble has little to do side by side, and what comes first is the same again
	m.Run()
}

// create draws a world: its cloud, its hosts, and how they are configured.
func create(t *testing.T, seed uint64) *world {
	w := newWorld(t, seed)
	w.api = []string{sandbox.API2018, sandbox.API2020}[w.dice.IntN(2)]
	lag := []time.Duration{time.Second, time.Minute, 5 * time.Minute, 20 * time.Minute}
	term := 365 * day
	if w.api == sandbox.API2018 {
		term = 20 * 365 * day // which it does not tell of
	}
	w.open(sandbox.Options{
		Term:   term,
		CASAPI: w.api, Seed: seed, Instances: -1,
		Lifetime:    []time.Duration{47 * day, 100 * day, 199 * day}[w.dice.IntN(3)],
		IssueAfter:  []time.Duration{10 * time.Second, 10 * time.Minute, 3 * time.Hour}[w.dice.IntN(3)],
		KeyType:     "ECC_256",
		LookEvery:   time.Minute,
		Propagation: []time.Duration{lag[w.dice.IntN(4)], lag[w.dice.IntN(4)]},
	})
	w.buy(1 + w.dice.IntN(3))
	names := [][]string{{"example.com", "*.example.com"}, {"shop.example.com"}}
	var hosts []settings
	for i := range 1 + w.dice.IntN(4)/3 {
		hosts = append(hosts, settings{names: names[i], interval: []time.Duration{day, 2 * day}[w.dice.IntN(2)], probed: w.dice.IntN(2) == 0, key: "ec256", api: w.api,
			choices: [][]string{{"example.com", "*.example.com"}, {"www.example.com", "shop.example.com"}, {"shop.example.com"}}})
	}
	w.choose(seed, hosts)
	for _, s := range hosts {
		w.addHost(s)
	}
	return w
}

// apart is how long after each other hosts start: what two do at the very same time has no
// order that could be repeated.
const apart = 7*time.Minute + 1234567*time.Nanosecond

// outlives lives through a time of a seed, and fails when something does not hold.
func outlives(t *testing.T, seed uint64, length time.Duration, tell func(string)) (story []string) {
	synctest.Test(t, func(t *testing.T) {
		w := create(t, seed)
		w.sink = tell
		defer w.close()
		for i, h := range w.hosts {
			w.tell(h.name, "%s", h.settings)
			w.after(time.Duration(i)*apart, h.start)
		}
		w.after(day, w.draw)
		w.after(time.Hour, w.check)
		w.live(length)
		story = w.story
		fmt.Println(w.count())
		if wrong := w.violations(); len(wrong) > 0 {
			t.Errorf("seed %d: %s\n%s", seed, strings.Join(wrong, "\n"), strings.Join(story[max(0, len(story)-30):], "\n"))
		}
	})
	return story
}

// notUnderRace leaves out what the race detector does not survive: it counts the
// steps of each goroutine, and years have more of them than it can count.
func notUnderRace(t *testing.T) {
	t.Helper()
	if underRace {
		t.Skip("the race detector does not count to a year; .ci/run two tries it without")
	}
}

func TestSimulation(t *testing.T) {
	notUnderRace(t)
	length := time.Duration(max(*yearsOf, 1)) * 365 * day
	if *seedOf != 0 {
		var tell func(line string)
		if testing.Verbose() {
			tell = func(line string) { fmt.Println(line) }
		}
		outlives(t, *seedOf, length, tell)
		return
	}
	const many = 150
	seeds := 16
	if os.Getenv("DVAGENT_LONG_TESTS") == "1" {
		seeds = many
	} else {
		t.Logf("only %d seeds; DVAGENT_LONG_TESTS=1 tries %d", seeds, many)
	}
	for seed := range seeds {
		t.Run(fmt.Sprint("seed ", seed+1), func(t *testing.T) {
			t.Parallel()
			alone(t, "-test.run=^TestSimulation$", fmt.Sprint("-seed=", seed+1), fmt.Sprint("-years=", *yearsOf))
		})
	}
}

// fault 14: it was once asked for each second while it was refused.
func TestARecordThatIsRefusedIsAskedForMoreAndMoreSeldom(t *testing.T) {
	notUnderRace(t)
	synctest.Test(t, func(t *testing.T) {
		w := create(t, 7)
		defer w.close()
		w.fault("dns-busy", day)
		w.hosts[0].start()
		w.live(20 * time.Minute)
		refused := 0
		for _, line := range w.story {
			if strings.Contains(line, "DnsSystemBusyness") && strings.Contains(line, "present: failed") {
				refused++
			}
		}
		if refused < 5 || refused > 20 {
			t.Errorf("refused %d times in twenty minutes", refused)
		}
	})
}

// seed 300: a record that could not be removed was asked for each eight seconds.
func TestARecordThatCannotBeRemovedIsAskedForMoreAndMoreSeldom(t *testing.T) {
	notUnderRace(t)
	synctest.Test(t, func(t *testing.T) {
		w := create(t, 7)
		defer w.close()
		if err := w.cloud.SetFaults(sandbox.Fault{Kind: "dns-change", Action: "DeleteDomainRecord"}); err != nil {
			t.Fatal(err)
		}
		w.hosts[0].start()
		w.live(2 * day)
		if asked := w.asked("DeleteDomainRecord"); asked < 30 || asked > 120 {
			t.Errorf("asked %d times in two days", asked)
		}
	})
}

// seed 102: nothing was shown for an order that was given up, and the CA looked each minute of a year.
func TestTheCALooksAtAnOldOrderSeldom(t *testing.T) {
	notUnderRace(t)
	synctest.Test(t, func(t *testing.T) {
		w := create(t, 7)
		defer w.close()
		if err := w.cloud.SetFaults(sandbox.Fault{Kind: "dns-busy"}); err != nil {
			t.Fatal(err)
		}
		w.hosts[0].start()
		w.live(30 * day)
		if calls := w.toNames.calls.Load(); w.hosts[0].leaf() != nil || calls < 200 || calls > 3000 {
			t.Errorf("the CA asked %d times in a month", calls)
		}
	})
}

// asked is how often an operation was called since that was checked last.
func (w *world) asked(operation string) (n int) {
	for _, r := range w.cloud.History() {
		if r.Action == operation {
			n++
		}
	}
	return n
}

// While an order fails for days, the web server is looked at as often as without it.
func TestAnOrderThatFailsLooksAtTheTargetsNoMoreOften(t *testing.T) {
	notUnderRace(t)
	synctest.Test(t, func(t *testing.T) {
		w := create(t, 7)
		defer w.close()
		h := w.hosts[0]
		s := h.settings
		s.probed, s.interval = true, day
		h.configure(s)
		h.start()
		w.after(2*day, func() {
			w.fault("throttle", 10*day)
			h.end()
			s.names = []string{"deep.www.example.com"}
			h.configure(s)
			h.start()
			w.after(day, func() { h.dialled.take() })
		})
		w.live(10 * day)
		looks := h.dialled.count("tcp " + h.address)
		if h.leaf() == nil || looks < 5 || looks > 20 || w.asked("DescribeOrderInstanceList")+w.asked("ListInstances") < 100 {
			t.Errorf("the web server was looked at %d times in a week:\n%s", looks, strings.Join(w.story, "\n"))
		}
	})
}

// alone runs a test in a process of its own: the clock of the hosts is its
// process's.
func alone(t *testing.T, arguments ...string) {
	if end, limited := t.Deadline(); limited {
		arguments = append(arguments, fmt.Sprint("-test.timeout=", time.Until(end)))
	}
	c := exec.CommandContext(t.Context(), os.Args[0], arguments...)
	c.Env = append(os.Environ(), "GODEBUG=adaptivestackstart=1") // most goroutines are short and deep, and each had its stack copied several times
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := c.CombinedOutput()
	if err != nil {
		t.Errorf("%v: %s", err, out)
		return
	}
	t.Logf("%s", out)
}

func TestTheSameSeedIsTheSameStory(t *testing.T) {
	notUnderRace(t)
	for seed, length := range map[uint64]time.Duration{
		3:  90 * day,  // of one host
		26: 90 * day,  // of two
		7:  160 * day, // a command meets the service of the other host
		13: 80 * day,  // one of two disks is full
	} {
		first, second := outlives(t, seed, length, nil), outlives(t, seed, length, nil)
		for i := range first {
			if i >= len(second) || first[i] != second[i] {
				t.Fatalf("seed %d, line %d:\n%s\n%s", seed, i, first[i], strings.Join(second[min(i, len(second)):min(i+1, len(second))], ""))
			}
		}
		if slices.Index(second, first[len(first)-1]) != len(second)-1 {
			t.Errorf("the second story of seed %d goes on", seed)
		}
	}
}
