package agent

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dvagent/agent/state"
	"dvagent/internal/sandbox"
)

// versions has the first host order so many versions, one after the other, and all others
// install each of them.
func (p *party) versions(n int) (all []string) {
	p.Helper()
	for _, w := range p.hosts {
		w.extra += "[limits]\nsubmissions_per_day = 10\n"
	}
	for range n {
		p.hosts[0].renewed(Renewal{Force: true})
		all = append(all, p.hosts[0].current())
		p.areAt(all[len(all)-1], p.hosts...)
	}
	return all
}

// areAt lets hosts look, and checks that they are at a version then, and stay there.
func (p *party) areAt(version string, hosts ...*world) {
	p.Helper()
	for i, w := range hosts {
		for range 2 {
			if o := w.renew(Renewal{}); o.Class != state.Served || w.current() != version || w.installed() != version {
				p.Errorf("of %d hosts number %d: %+v, at %s and not %s", len(hosts), i, o, w.current(), version)
			}
		}
	}
}

func (p *party) rollBack(w *world, to string) {
	p.Helper()
	if o, err := w.agent().RollbackFleet(p.Context(), "example.com", to, tester); err != nil || o.Class != state.Served {
		p.Fatalf("%+v: %v", o, err)
	}
}

func (w *world) isHeld() bool {
	w.Helper()
	return w.status().Certificates[0].Held
}

func TestARollbackOfTheFleetGoesToAllHostsAndIsHeldUntilTheNextIssuance(t *testing.T) {
	t.Parallel()
	p := newParty(t, 3, 1)
	p.hosts[0].renewed(Renewal{})
	first := p.hosts[0].current()
	for _, w := range p.hosts[1:2] {
		w.renew(Renewal{})
	}
	p.hosts[0].renewed(Renewal{Force: true})
	second := p.hosts[0].current()
	p.hosts[1].renew(Renewal{})
	if second == first || p.hosts[1].current() != second {
		t.Fatalf("at %s and %s", p.hosts[1].current(), second)
	}
	if o, err := p.hosts[0].agent().RollbackFleet(t.Context(), "example.com", "", tester); err != nil || o.Class != state.Served || p.hosts[0].current() != first {
		t.Fatalf("%+v: %v", o, err)
	}
	p.hosts[0].calls()
	for i, w := range p.hosts { // the last one had neither version
		for look := range 2 {
			o := w.renew(Renewal{})
			if o.Class != state.Served || w.current() != first || w.installed() != first {
				t.Errorf("host %d: %+v, at %s and not %s", i, o, w.current(), first)
			}
			if follows := i == 1 && look == 0; follows && (o.Ordered || o.Did != state.WentBack) {
				t.Errorf("the host that follows says %+v", o)
			}
		}
	}
	if calls := p.hosts[0].calls(); len(calls) > 0 {
		t.Errorf("called %v", calls)
	}
	if _, err := p.hosts[1].agent().Deploy(t.Context(), Redeployment{Latest: true, Caller: tester}); err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{first, second, first} {
		if p.hosts[i].renew(Renewal{}); p.hosts[i].current() != want {
			t.Errorf("host %d, after one was taken forward: at %s and not %s", i, p.hosts[i].current(), want)
		}
	}
	p.hosts[1].renewed(Renewal{Force: true})
	third := p.hosts[1].current()
	for i, w := range p.hosts {
		if o := w.renew(Renewal{}); o.Class != state.Served || w.current() != third || third == second {
			t.Errorf("host %d, after the next issuance: %+v, at %s and not %s", i, o, w.current(), third)
		}
	}
}

func TestWithoutAFleetThereIsNothingToRollBackOnAllHosts(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{})
	w.serves(-30*24*time.Hour, 60*24*time.Hour)
	w.serves(-20*24*time.Hour, 70*24*time.Hour)
	before := w.current()
	if _, err := w.agent().RollbackFleet(t.Context(), "example.com", "", tester); err == nil || err.Error() != "this host is alone" || w.current() != before {
		t.Errorf("got %v, at %s", err, w.current())
	}
}

func TestASecondRollbackOfTheFleetGoesFurtherBackOnAllHosts(t *testing.T) {
	t.Parallel()
	p := newParty(t, 3, 1)
	all := p.versions(3)
	orders, away := p.hosts[1], p.hosts[2]
	p.rollBack(p.hosts[0], "")
	p.areAt(all[1], p.hosts[:2]...)
	p.rollBack(p.hosts[0], "")
	p.areAt(all[0], p.hosts[:2]...)
	p.areAt(all[0], away) // which has seen neither of them happen

	orders.renewed(Renewal{Force: true}) // though it is held
	p.areAt(orders.current(), p.hosts...)
	for i, w := range p.hosts {
		if w.isHeld() {
			t.Errorf("host %d is held still", i)
		}
	}
}

func TestAHostThatWasAwayDuringARollbackOfTheFleetAndItsEndTakesTheNextIssuance(t *testing.T) {
	t.Parallel()
	p := newParty(t, 2, 1)
	p.versions(2)
	p.rollBack(p.hosts[0], "")
	p.hosts[0].renewed(Renewal{Force: true})
	p.areAt(p.hosts[0].current(), p.hosts[1])
}

func TestAHostThatWasRolledBackAloneTakesAllOthersThere(t *testing.T) {
	t.Parallel()
	p := newParty(t, 2, 1)
	all := p.versions(3)
	if _, err := p.hosts[0].agent().Rollback(t.Context(), "example.com", "", tester); err != nil {
		t.Fatal(err)
	}
	p.areAt(all[2], p.hosts[1])
	p.rollBack(p.hosts[0], all[1])
	p.areAt(all[1], p.hosts...)
}

// The others are told to take the version back that a canary failed with: they never had it.
func TestAVersionIsTakenBackByAHostThatNeverHadIt(t *testing.T) {
	t.Parallel()
	p := newParty(t, 2, 1)
	all := p.versions(2)
	canary, w := p.hosts[0], p.hosts[1]
	sound := canary.extra
	canary.extra = strings.Replace(sound, "[fleet]", "  check = [\"false\"]\n[fleet]", 1)
	if o := canary.renew(Renewal{Force: true}); o.Class != state.NotServed {
		t.Fatalf("the canary: %+v", o)
	}
	if w.renew(Renewal{}); w.current() != all[1] {
		t.Fatalf("at %s and not %s", w.current(), all[1])
	}
	p.rollBack(w, "")
	canary.extra = sound
	p.areAt(all[1], p.hosts...)
}

// A command writes down which rollback of the fleet it has followed, beside the service.
func TestAHostThatIsTakenForwardAgainStaysThereUnderItsService(t *testing.T) {
	t.Parallel()
	p := newParty(t, 1, 1)
	all := p.versions(2)
	w := p.hosts[0]
	p.serveFrom(w)
	p.rollBack(w, "")
	if _, err := w.agent().Deploy(t.Context(), Redeployment{Latest: true, Caller: tester}); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(w.dir, "www.pem")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	w.await("the service has looked", func() bool { return w.installed() != "" })
	if w.current() != all[1] {
		t.Errorf("at %s and not %s", w.current(), all[1])
	}
}
