package share

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"dvagent/agent/config"
	"dvagent/agent/fleet"
	"dvagent/agent/fleet/fleettest"
	"dvagent/agent/state"
	"dvagent/internal/secret"
)

// fault 119: a watch waits in silence for an etcd that is away.
func TestAnEtcdThatGoesAwayUnderAWatchIsTold(t *testing.T) {
	t.Parallel()
	etcd := fleettest.One(t)
	for _, tt := range []struct {
		name       string
		away, back func()
	}{
		{"it hangs", etcd.Members[0].Stop, etcd.Members[0].Continue},
		{"it is dead", etcd.Members[0].Kill, func() { etcd.Members[0].Restart(); etcd.Members[0].Await() }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := newMember(t, etcd.Settings(identity(t)))
			m.watches()
			m.await("it watches", m.isLive)
			if p, o := m.take(); o.Class != state.Pending || !p.down.IsZero() {
				t.Fatalf("while etcd is there: %+v, down since %v", o, p.down)
			}
			tt.away()
			m.await("an operator is told", func() bool {
				_, o := m.take()
				return o.Class == state.Failure && strings.Contains(o.Err.Error(), "cannot be asked since") && o.News
			})
			if _, o := m.take(); o.Next.Before(time.Now()) || time.Until(o.Next) > 2*againWithout {
				t.Errorf("the next look is at %v", o.Next)
			}
			tt.back()
			m.await("it goes on", func() bool {
				p, o := m.take()
				return o.Class == state.Pending && p.down.IsZero()
			})
		})
	}
}

// fault 119
func TestHostsDoNotAskASilentEtcdAgainInStep(t *testing.T) {
	m := newMember(t, config.Fleet{Etcd: []string{"http://127.0.0.1:1"}})
	m.hears(errors.New("silent"))
	s, err := m.host.Dir.Read(m.host.Config.Certificates[0])
	if err != nil {
		t.Fatal(err)
	}
	drawn := map[time.Duration]bool{}
	for range 50 {
		l := &look{pass: m.Pass(), s: &s, now: time.Now()}
		o, _ := l.without(t.Context(), errors.New("silent"))
		after := o.Next.Sub(l.now)
		if drawn[after] = true; after < time.Minute || after > 2*time.Minute {
			t.Errorf("after %s", after)
		}
		if other, _ := l.without(t.Context(), errors.New("silent")); !other.Next.Equal(o.Next) {
			t.Errorf("two certificates of one host: %s and %s", o.Next, other.Next)
		}
	}
	if len(drawn) < 10 {
		t.Errorf("in step: %v", drawn)
	}
}

// fault 119
func TestWhatIsLeftToDoIsLookedAtWhenEtcdIsBack(t *testing.T) {
	const first, second = "20261127-0123456789ab", "20261128-0123456789ab"
	for _, tt := range []struct {
		name              string
		serves, published string // "": nothing
		told              fleet.TryState
		left              bool
	}{
		{"it lacks what is published", first, second, "", true},
		{"it serves what is published", second, second, "", false},
		{"it has told how it fares", second, second, fleet.Served, false},
		{"it has not told yet how it fares", second, second, fleet.Trying, true},
		{"it serves what the fleet has lost", first, "", "", true},
		{"there is nothing here and there", "", "", "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := newMember(t, config.Fleet{Etcd: []string{"http://127.0.0.1:1"}})
			m.setServing("www", tt.serves)
			m.rollouts = map[string]fleet.Rollout{}
			if tt.published != "" {
				m.rollouts["www"] = fleet.Rollout{Name: "www", Version: fleet.Version{ID: tt.published}, Tries: map[string]fleet.Try{m.Host(): {State: tt.told}}}
			}
			if left := m.left(); left["www"] != tt.left {
				t.Errorf("left: %v", left)
			}
		})
	}
}

func TestAWatchThatEndsAtOnceBeginsAnewMoreAndMoreRarely(t *testing.T) {
	refused, silent := errors.New("refused"), errors.New("silent")
	a := newAgain(atWork)
	for i, tt := range []struct {
		name   string
		ended  error
		lasted time.Duration
		floor  time.Duration
		news   bool
	}{
		{"the first one", refused, 0, time.Second, true},
		{"the second one", refused, 0, 2 * time.Second, false},
		{"one that ends for another reason", silent, 0, 4 * time.Second, true},
		{"the fourth one", refused, time.Second, 8 * time.Second, false},
		{"the fifth one", refused, time.Second, 16 * time.Second, false},
		{"any further one", refused, 59 * time.Second, 16 * time.Second, false},
		{"one that has held for a while", refused, time.Minute, time.Second, false},
		{"the one after that", refused, 0, 2 * time.Second, true},
	} {
		after, news := a.after(tt.ended, tt.lasted)
		if after < tt.floor || after > tt.floor+10*tt.floor || news != tt.news {
			t.Errorf("%d, %s: after %s, news: %v", i, tt.name, after, news)
		}
	}
}

// forbid lets nobody but root read or write, and knows a user "follows".
func forbid(t *testing.T, etcd *fleettest.Cluster) {
	t.Helper()
	f := fleet.New(etcd.Settings(""))
	defer f.Close()
	client, err := f.Client()
	for _, user := range []string{"root", "follows"} {
		if err == nil {
			_, err = client.UserAdd(t.Context(), user, "canary")
		}
	}
	if err == nil {
		_, err = client.UserGrantRole(t.Context(), "root", "root")
	}
	if err == nil {
		_, err = client.AuthEnable(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestWhyAFleetIsNotWatchedIsToldOnce(t *testing.T) {
	t.Parallel()
	etcd := fleettest.One(t)
	forbid(t, etcd)
	settings := etcd.Settings(identity(t))
	settings.Username, settings.Password = "follows", secret.Secret{Literal: "canary"}
	m := newMember(t, settings)
	m.timing.again = time.Millisecond
	m.watches()
	m.await("it has tried again", func() bool { return m.log.count("is watched anew") >= 5 })
	if n := m.log.count("its news come late"); n != 1 || m.log.count("permission denied") == 0 {
		t.Errorf("it is told %d times", n)
	}
}

// fault 119: etcd has forgotten what happened while a host was away.
func TestAHostThatWasAwayReadsAnewWhatEtcdHasForgotten(t *testing.T) {
	t.Parallel()
	etcd := fleettest.One(t)
	for i, tt := range []struct {
		name    string
		noticed bool // that etcd cannot be reached
		changed bool // something, meanwhile
	}{
		{"for a moment, in which nothing changed", false, false},
		{"for a moment, in which something changed", false, true},
		{"for a while, in which nothing changed", true, false},
		{"for a while, in which something changed", true, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			settings := etcd.Settings(identity(t))
			settings.Prefix = fmt.Sprintf("/%d/", i)
			others := fleet.New(settings)
			defer others.Close()
			cable, url := newCable(t, etcd.Members[0])
			settings.Etcd = []string{url}
			m := newMember(t, settings)
			if !tt.noticed {
				m.timing.ask = time.Hour
			}
			m.watches()
			m.await("it watches", m.isLive)
			last := publish(t, others)
			m.knows(last)

			cable.setWhole(false)
			if tt.noticed {
				m.await("it notices", func() bool { return !m.isLive() })
			}
			if tt.changed { // twice, for the last change is not forgotten
				publish(t, others)
				last = publish(t, others)
			}
			compact(t, others)
			cable.setWhole(true)
			m.knows(last)
			m.knows(publish(t, others))
			if forgot := m.log.count("etcd has forgotten"); (forgot > 0) != (tt.changed && !tt.noticed) {
				t.Errorf("%d watches ended since etcd has forgotten", forgot)
			}
		})
	}
}

// fault 119: an old backup is put back so fast that nobody notices that etcd was away: what is
// published then is not waited for until etcd has come as far as it had.
func TestAnEtcdThatHasComeLessFarIsReadAnew(t *testing.T) {
	t.Parallel()
	etcd := fleettest.One(t)
	settings := etcd.Settings(identity(t))
	others := fleet.New(settings)
	defer others.Close()
	backup := etcd.Backup()
	for range 10 {
		publish(t, others)
	}
	m := newMember(t, settings)
	m.timing.ask = 500 * time.Millisecond
	m.watches()
	m.await("it watches", m.isLive)
	etcd.Restore(backup)
	m.knows(publish(t, others))
}

// fault 119
func TestWhatEtcdHasForgottenOfAHostIsRegisteredAgain(t *testing.T) {
	t.Parallel()
	etcd := fleettest.One(t)
	settings := etcd.Settings(identity(t))
	others := fleet.New(settings)
	defer others.Close()
	backup := etcd.Backup()
	for range 10 {
		publish(t, others)
	}
	m := newMember(t, settings)
	m.timing.ask = 500 * time.Millisecond
	pass := m.Pass()
	if _, err := pass.rollout(t.Context(), "www"); err != nil {
		t.Fatal(err)
	}
	pass.serves("www", "20261101-0123456789ab")
	pass.End(t.Context())
	registered := func() string {
		h, err := m.fleet.Host(t.Context(), m.Host())
		if err != nil {
			return err.Error()
		}
		return h.Versions["www"]
	}
	if got := registered(); got != "20261101-0123456789ab" {
		t.Fatalf("registered is %q", got)
	}
	wake := m.watches()
	m.await("it watches", m.isLive)
	etcd.Restore(backup)
	m.await("it finds out", m.isForgotten)
	select {
	case <-wake:
	case <-time.After(patience):
		t.Fatal("no look is taken")
	}
	m.await("a look registers it", func() bool {
		pass := m.Pass() // which has nothing to look at: the certificate is sealed
		_, _ = pass.rollout(t.Context(), "www")
		pass.End(t.Context())
		return registered() == "20261101-0123456789ab"
	})
	if m.isForgotten() {
		t.Error("it is to be registered once more")
	}
}
