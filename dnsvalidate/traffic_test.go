package dnsvalidate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"
)

const hundred = 100

// meter counts what reaches a server.
type meter struct {
	mu             sync.Mutex
	asked          []string // the names, as often as they are asked for
	inFlight, most int
}

// count is r, counted; it answers after a moment, so that questions meet.
func (m *meter) count(r reply) reply {
	return func(query *dns.Msg) *dns.Msg {
		m.mu.Lock()
		m.asked = append(m.asked, query.Question[0].Name)
		m.inFlight++
		m.most = max(m.most, m.inFlight)
		m.mu.Unlock()
		defer func() { m.mu.Lock(); m.inFlight--; m.mu.Unlock() }()
		return after(5*time.Millisecond, r)(query)
	}
}

// seen returns the names in order, and how many questions were in flight at most.
func (m *meter) seen() (asked []string, most int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Sorted(slices.Values(m.asked)), m.most
}

// anyName shows the value at each name of the zone.
func anyName(query *dns.Msg) *dns.Msg {
	return zoneWith(1, txt(query.Question[0].Name, testValue))(query)
}

// lookAHundredTimes looks at as many names at once.
func lookAHundredTimes(tb testing.TB, prover *Prover) []Verdict {
	verdicts := make([]Verdict, hundred)
	inParallel(hundred, func(i int) {
		var err error
		name := fmt.Sprintf("_dnsauth.w%d.%s", i, testZone)
		if verdicts[i], err = prover.Look(tb.Context(), Question{Zone: testZone, Name: name, Value: testValue}); err != nil {
			tb.Error(err)
		}
	})
	return verdicts
}

// faults 35 and 38
func TestAHundredLooksAtOnceOverwhelmNobody(t *testing.T) {
	t.Parallel()
	var live [2]meter
	var black meter
	settings := Settings{Quorum: Quorum{60}}
	for i := range live {
		settings.NameServers = append(settings.NameServers, serve(t, "127.0.0.1", "0", live[i].count(anyName)))
	}
	settings.NameServers = append(settings.NameServers, servePackets(t, func(query *dns.Msg) []byte {
		black.count(anyName)(query)
		return nil
	}))
	begun := time.Now()
	for _, verdict := range lookAHundredTimes(t, NewProver(settings)) {
		if leftOut := verdict.LeftOut(); verdict.Visible || len(leftOut) != 1 || leftOut[0].State != stateSilent {
			t.Fatal(verdict)
		}
	}
	if took := time.Since(begun); took > 2*askLimit {
		t.Errorf("one silent server holds up a hundred looks for %s", took)
	}
	for i := range live {
		asked, most := live[i].seen()
		names := slices.DeleteFunc(asked, func(name string) bool { return name == testZone+"." }) // its serial
		if len(names) < 2*hundred || len(names) > 3*hundred || most > 2*maxPerAddress {           // one that was given up may still be answered
			t.Errorf("a server had %d questions, up to %d at once", len(names), most)
		}
	}
	asked, _ := black.seen()
	if names := slices.Compact(asked); len(names) > maxPerAddress {
		t.Errorf("a silent server was asked about %d names", len(names))
	}
}

func TestASilentServerHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	black, live := silent(t), serve(t, "127.0.0.1", "0", published())
	prover := NewProver(Settings{})
	ctx, cancel := context.WithCancel(t.Context())
	var waiting sync.WaitGroup
	for range maxQuestions {
		waiting.Go(func() { _, _ = prover.ask(ctx, black, newQuery(testName, dns.TypeTXT, false)) })
	}
	defer waiting.Wait()
	defer cancel()
	for full := false; !full; full = len(prover.traffic.enter(black).slots) == maxPerAddress {
		time.Sleep(time.Millisecond) // until the silent server has all that it may have
	}
	begun := time.Now()
	if _, err := prover.ask(t.Context(), live, newQuery(testName, dns.TypeTXT, false)); err != nil || time.Since(begun) > time.Second {
		t.Errorf("took %s: %v", time.Since(begun), err)
	}
}

func TestTheRateToAnAddressIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lane := newTraffic().enter("192.0.2.1:53")
		begun := time.Now()
		for range burstPerAddress + ratePerAddress {
			if err := lane.begin(t.Context()); err != nil {
				t.Fatal(err)
			}
			lane.end()
		}
		if took := time.Since(begun); took != time.Second {
			t.Errorf("took %s", took)
		}
	})
}

func TestWhoWaitsWhileAnAddressAnswersNobodyIsToldSo(t *testing.T) {
	lost, broken := &noAnswer{state: stateSilent}, &noAnswer{stateMalformed, "wrong id"}
	tests := []struct {
		name   string
		others []error // how the questions ended that were asked meanwhile
		want   error
	}{
		{"all were given up", []error{lost, lost}, lost},
		{"the latest reason counts", []error{lost, broken}, broken},
		{"one was answered", []error{nil, lost}, nil},
		{"their looks were cut short", []error{context.Canceled}, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				lane := newTraffic().enter("192.0.2.1:53")
				lane.learn(lost)
				time.Sleep(time.Second) // what was before the wait does not count
				for range maxPerAddress {
					if err := lane.begin(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
				waited := make(chan error)
				go func() { waited <- lane.begin(t.Context()) }()
				synctest.Wait()
				time.Sleep(askLimit)
				for _, err := range test.others {
					lane.learn(err)
				}
				lane.end()
				if err := <-waited; err != test.want {
					t.Errorf("told %v, want %v", err, test.want)
				}
			})
		})
	}
}

func TestAWaitForAnAddressEndsWithItsContext(t *testing.T) {
	for name, busy := range map[string]func(*lane){
		"all are asking":   func(l *lane) { l.slots = make(chan struct{}) },
		"the rate is used": func(l *lane) { l.rate.AllowN(time.Now(), burstPerAddress) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				lane := newTraffic().enter("192.0.2.1:53")
				busy(lane)
				ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
				defer cancel()
				if err := lane.begin(ctx); !errors.Is(err, context.DeadlineExceeded) || len(lane.slots) > 0 {
					t.Errorf("%v, %d still ask", err, len(lane.slots))
				}
			})
		})
	}
}

func TestAQuestionThatIsCutShortSaysNothingOfTheServer(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	address := servePackets(t, func(*dns.Msg) []byte { cancel(); return nil })
	traffic := newTraffic()
	_, _, err := traffic.ask(ctx, address, newQuery(testName, dns.TypeTXT, false))
	if reason := traffic.enter(address).reason; err != context.Canceled || reason != nil {
		t.Errorf("%v, and the next one is told %v", err, reason)
	}
}

func TestTheAddressesThatAreRememberedAreBounded(t *testing.T) {
	traffic := newTraffic()
	busy := traffic.enter("192.0.2.1:53")
	for i := range 3 * maxLanes {
		traffic.leave(traffic.enter(fmt.Sprintf("127.0.%d.%d:53", i/256, i%256)))
	}
	if len(traffic.lanes) > maxLanes {
		t.Errorf("%d are remembered", len(traffic.lanes))
	}
	if traffic.enter("192.0.2.1:53") != busy {
		t.Error("one that is in use was forgotten")
	}
}

func TestLooksAtOneZoneFindItsNameServersOnce(t *testing.T) {
	resolver := knows(soaOfCom, nsOfCom, aOfCom, aOfNS1, aOfNS2)
	asked := func(looks func(*testing.T, *Prover)) []string {
		var m meter
		looks(t, world(t, m.count(resolver), map[string]reply{
			"127.0.0.8": refers(ns1, ns2), "127.0.0.1": anyNameOf(ns1, ns2), "127.0.0.2": anyNameOf(ns1, ns2),
		}))
		names, _ := m.seen()
		return names
	}
	one := asked(func(t *testing.T, p *Prover) { _, _ = p.Look(t.Context(), question()) })
	all := asked(func(t *testing.T, p *Prover) { lookAHundredTimes(t, p) })
	// A busy machine has a question sent twice.
	if len(one) == 0 || len(all) > 3*len(one) || !slices.Equal(slices.Compact(slices.Clone(one)), slices.Compact(slices.Clone(all))) {
		t.Errorf("one look asks %q, a hundred ask %q", one, all)
	}
}

func anyNameOf(records ...string) reply {
	return func(query *dns.Msg) *dns.Msg {
		return zoneWith(1, append(slices.Clone(records), txt(query.Question[0].Name, testValue))...)(query)
	}
}

func TestALookThatIsCutShortSpoilsNoOther(t *testing.T) {
	t.Parallel()
	first, cutShort := context.WithCancel(t.Context())
	var questions atomic.Int32
	resolver := knows(ns1, aOfNS1)
	prover := world(t, func(query *dns.Msg) *dns.Msg {
		if questions.Add(1) == 1 {
			return nil // the first look hangs here
		}
		return resolver(query)
	}, map[string]reply{"127.0.0.1": published()})
	var both sync.WaitGroup
	both.Go(func() {
		if _, err := prover.Look(first, question()); !errors.Is(err, context.Canceled) {
			t.Error("the look that is cut short:", err)
		}
	})
	for questions.Load() == 0 {
		time.Sleep(time.Millisecond) // until the first look has begun
	}
	both.Go(func() {
		if verdict, err := prover.Look(t.Context(), question()); err != nil || !verdict.Visible {
			t.Error("the other look:", verdict, err)
		}
	})
	time.AfterFunc(100*time.Millisecond, cutShort)
	both.Wait()
}

func TestEqualQuestionsAtOnceAreAskedOnce(t *testing.T) {
	var m meter
	address := serve(t, "127.0.0.1", "0", m.count(after(200*time.Millisecond, knows(aOfNS1))))
	prover := NewProver(Settings{})
	inParallel(hundred, func(int) {
		answer, err := prover.askOnce(t.Context(), address, newQuery("ns1.example.com", dns.TypeA, true))
		if err != nil || len(answer.Answer) != 1 {
			t.Error(answer, err)
		}
	})
	if asked, _ := m.seen(); len(asked) != 1 {
		t.Errorf("asked %d times", len(asked))
	}
	for _, different := range []*dns.Msg{newQuery("ns1.example.com", dns.TypeAAAA, true), newQuery("ns1.example.com", dns.TypeA, false)} {
		_, _ = prover.askOnce(t.Context(), address, different)
	}
	if asked, _ := m.seen(); len(asked) != 3 {
		t.Errorf("asked %q", asked)
	}
}

func agreeing(tb testing.TB) *Prover {
	var settings Settings
	for range 3 {
		settings.NameServers = append(settings.NameServers, serve(tb, "127.0.0.1", "0", anyName))
	}
	return NewProver(settings)
}

// BenchmarkLook looks at three servers that agree at once; the second look is
// 20 ms after the first one.
func BenchmarkLook(b *testing.B) {
	prover := agreeing(b)
	for b.Loop() {
		if verdict, err := prover.Look(b.Context(), question()); err != nil || !verdict.Visible {
			b.Fatal(verdict, err)
		}
	}
}

// BenchmarkAHundredLooks has two hundred questions for each of three servers,
// 50 at once and 100 a second.
func BenchmarkAHundredLooks(b *testing.B) {
	for b.Loop() {
		lookAHundredTimes(b, agreeing(b))
	}
}
