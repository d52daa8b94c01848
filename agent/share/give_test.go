package share

import (
	"testing"
	"time"

	"dvagent/agent/fleet"
	"dvagent/agent/fleet/fleettest"
	"dvagent/agent/state"
)

// fault 124: others wait for the word of a canary.
func TestWhatTheFleetCouldNotBeToldIsToldSoon(t *testing.T) {
	t.Parallel()
	etcd := fleettest.One(t)
	m := newMember(t, etcd.Settings(identity(t)))
	publish(t, m.fleet)
	r, err := m.fleet.Rollout(t.Context(), "www")
	if err == nil {
		_, err = m.fleet.Note(t.Context(), r, m.Host(), fleet.Try{At: time.Now(), State: fleet.Trying})
	}
	if err != nil {
		t.Fatal(err)
	}
	m.watches()
	m.await("it watches", m.isLive)
	s, err := m.host.Dir.Read(m.host.Config.Certificates[0])
	if err != nil {
		t.Fatal(err)
	}
	s.Current = r.Version.ID
	ctx, told := t.Context(), state.Outcome{}
	p := m.Pass()
	if _, err := p.rollout(ctx, "www"); err != nil {
		t.Fatal(err)
	}
	etcd.Members[0].Kill()
	again := p.Installed(ctx, s, s.Current, told)
	if in := time.Until(again); in < time.Second || in > 2*againWithout {
		t.Errorf("it is told in %s", in)
	}
	etcd.Members[0].Restart()
	etcd.Members[0].Await()
	if again := p.Installed(ctx, s, s.Current, told); !again.IsZero() {
		t.Errorf("it is told again in %s", time.Until(again))
	}
	if r, err = m.fleet.Rollout(ctx, "www"); err != nil || r.Tries[m.Host()].State != fleet.Served {
		t.Errorf("%+v: %v", r.Tries, err)
	}
}
