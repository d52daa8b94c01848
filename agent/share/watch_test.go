package share

import (
	"testing"
	"time"

	"dvagent/agent/config"
	"dvagent/agent/fleet"
	"dvagent/agent/fleet/fleettest"
	"dvagent/agent/state"
)

// watching is a host's part in a fleet, with a watch that runs until the end of the test.
func watching(t *testing.T, etcd *fleettest.Cluster) *Share {
	t.Helper()
	text, err := fleet.NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	settings := etcd.Settings(fleettest.Identity(t, text))
	f := fleet.New(settings)
	t.Cleanup(f.Close)
	host := state.NewHost(&config.Config{StateDir: t.TempDir(), Fleet: settings}, nil, nil)
	if err := host.Dir.Prepare(); err != nil {
		t.Fatal(err)
	}
	s := New(host, f)
	go s.Watch(t.Context(), make(chan map[string]bool))
	await(t, "the watch", func() bool { return s.isLive() })
	return s
}

func (s *Share) isLive() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.live
}

// later is what s is like after that time.
func (s *Share) later(by time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.read, s.heard, s.asked = s.read.Add(-by), s.heard.Add(-by), s.asked.Add(-by)
}

func await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if holds() {
			return
		}
	}
	t.Fatalf("not within a minute: %s", what)
}

// fault 119: the watch of an etcd that is away looks like one that has nothing to tell.
func TestAWatchThatTellsNothingIsNotBelievedForLong(t *testing.T) {
	t.Parallel()
	etcd := fleettest.One(t)
	s := watching(t, etcd)
	s.later(watchLasts / 2)
	etcd.Members[0].Kill()
	if _, err := s.Pass().rollout(t.Context(), "www"); err != nil {
		t.Errorf("it is not believed for a moment: %v", err)
	}
	s.later(watchLasts)
	p := s.Pass()
	if _, err := p.rollout(t.Context(), "www"); err == nil || p.down.IsZero() {
		t.Errorf("it is believed: %v, down since %s", err, p.down)
	}
	etcd.Members[0].Restart()
	etcd.Members[0].Await()
	await(t, "etcd is found again", func() bool {
		s.later(readLasts)
		p := s.Pass()
		_, err := p.rollout(t.Context(), "www")
		return err == nil && p.down.IsZero()
	})
}

func TestAWatchThatEndsAtOnceAgainAndAgainBeginsMoreSeldom(t *testing.T) {
	pause, ends := againAfter, 0
	for ; pause < againMost; ends++ {
		pause = longer(pause, time.Second)
	}
	if ends != 5 || longer(pause, time.Second) != againMost {
		t.Errorf("the longest pause, %s, comes after %d ends", pause, ends)
	}
	if pause = longer(pause, watchHolds); pause != againAfter {
		t.Errorf("after a watch that was good it pauses for %s", pause)
	}
}
