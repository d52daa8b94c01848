//go:debug tlsmlkem=0
package simulate

import (
	"flag"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"strings"
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
	for i := range 1 + w.dice.IntN(4)/3 {
		w.addHost(settings{names: names[i], interval: []time.Duration{day, 2 * day}[w.dice.IntN(2)], probed: w.dice.IntN(2) == 0, key: "ec256", api: w.api})
	}
	return w
}

// outlives lives through a time of a seed, and fails when something does not hold.
func outlives(t *testing.T, seed uint64, length time.Duration, tell func(string)) (story []string) {
	synctest.Test(t, func(t *testing.T) {
		w := create(t, seed)
		w.sink = tell
		defer w.close()
		for _, h := range w.hosts {
			h.start()
		}
		w.after(day, w.draw)
		w.after(time.Hour, w.check)
		w.live(length)
		story = w.story
		w.count(t)
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
		outlives(t, *seedOf, length, func(line string) { t.Log(line) })
		return
	}
	seeds := 4
	if os.Getenv("DVAGENT_LONG_TESTS") == "1" {
		seeds = 10
	} else {
		t.Logf("only %d seeds; DVAGENT_LONG_TESTS=1 tries 10", seeds)
	}
	for seed := range seeds {
		t.Run(fmt.Sprint("seed ", seed+1), func(t *testing.T) {
			t.Parallel()
			outlives(t, uint64(seed+1), length, nil)
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

func TestTheSameSeedIsTheSameStory(t *testing.T) {
	notUnderRace(t)
	first, second := outlives(t, 3, 250*day, nil), outlives(t, 3, 250*day, nil)
	for i := range first {
		if i >= len(second) || first[i] != second[i] {
			t.Fatalf("line %d:\n%s\n%s", i, first[i], strings.Join(second[min(i, len(second)):min(i+1, len(second))], ""))
		}
	}
	if slices.Index(second, first[len(first)-1]) != len(second)-1 {
		t.Error("the second story goes on")
	}
}
