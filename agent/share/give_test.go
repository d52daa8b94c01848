package share

import (
	"crypto/x509"
	"testing"
	"time"

	"dvagent/agent/fleet"
	"dvagent/agent/fleet/fleettest"
	"dvagent/agent/state"
	"dvagent/deploy"
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

func TestWhatEtcdWasTooBusyForIsTakenSoon(t *testing.T) {
	t.Parallel()
	etcd := fleettest.One(t)
	m := newMember(t, etcd.Settings(identity(t)))
	publish(t, m.fleet)
	c := m.host.Config.Certificates[0]
	c.Deploy = []deploy.Target{{}}
	s, err := m.host.Dir.Read(c)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	s.Newest, s.Current = "20261101-0123456789ab", "20261101-0123456789ab"
	s.Leaf = &x509.Certificate{DNSNames: c.Domains, NotBefore: now.AddDate(0, 0, -10), NotAfter: now.AddDate(0, 0, 80)}
	p := m.Pass()
	if _, err := p.rollout(t.Context(), "www"); err != nil {
		t.Fatal(err)
	}
	etcd.Members[0].Kill()
	if o, _ := p.Take(t.Context(), &s); o.Class != state.Served || o.Next.Before(now) || o.Next.After(time.Now().Add(2*againWithout)) {
		t.Errorf("a seat is asked for at %s: %+v", o.Next, o)
	}
	s.Config.Deploy = nil // it has nothing to prove, and needs no seat
	if o, _ := p.Take(t.Context(), &s); o.Class != state.Served || o.Next.Before(now) || o.Next.After(time.Now().Add(3*busyAfter)) {
		t.Errorf("the bundle is read at %s: %+v", o.Next, o)
	}
}
