package agent

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"dvagent/agent/fleet"
	"dvagent/agent/fleet/fleettest"
	"dvagent/agent/state"
	"dvagent/internal/bundle"
	"dvagent/internal/sandbox"
)

// party is some hosts of one fleet, in front of one sandbox.
type party struct {
	*testing.T
	etcd     *fleettest.Cluster
	identity string
	hosts    []*world
}

// newParty makes so many hosts that order; canaries is how many try a version first.
func newParty(t *testing.T, hosts, canaries int) *party {
	t.Helper()
	text, err := fleet.NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	p := &party{T: t, etcd: fleettest.One(t), identity: fleettest.Identity(t, text)}
	first := newWorld(t, sandbox.Options{Instances: 5})
	first.api = "2020-04-07"
	for i := range hosts {
		w := first
		if i > 0 {
			w = &world{T: t, sandbox: first.sandbox, dir: t.TempDir(), api: first.api}
		}
		w.extra = w.target() + p.table(canaries)
		p.hosts = append(p.hosts, w)
	}
	return p
}

func (p *party) table(canaries int) string {
	return fmt.Sprintf("[fleet]\netcd = [\"%s\"]\nidentity_file = %q\ncanaries = %d\n", strings.Join(p.etcd.URLs(), `", "`), p.identity, canaries)
}

// fleet is what etcd holds.
func (p *party) fleet() *fleet.Fleet {
	p.Helper()
	f := fleet.New(p.etcd.Settings(p.identity))
	p.Cleanup(f.Close)
	return f
}

func (p *party) rollout() fleet.Rollout {
	p.Helper()
	r, err := p.fleet().Rollout(p.Context(), "example.com")
	if err != nil {
		p.Fatal(err)
	}
	return r
}

// installed is the pair that a target of the host holds; "" where it holds none.
func (w *world) installed() string {
	text, err := os.ReadFile(filepath.Join(w.dir, "www.pem"))
	if err != nil {
		return ""
	}
	key, err := os.ReadFile(filepath.Join(w.dir, "www.key"))
	if err != nil {
		return ""
	}
	b, err := bundle.Parse(text, key)
	if err != nil { // a service is replacing them
		return ""
	}
	return b.ID()
}

func TestWhatOneHostOrdersAllInstallAndNobodyOrdersAgain(t *testing.T) {
	t.Parallel()
	p := newParty(t, 3, 1)
	p.hosts[0].renewed(Renewal{})
	version := p.hosts[0].current()
	for i, w := range p.hosts[1:] {
		w.calls()
		if o := w.renew(Renewal{}); o.Class != state.Served || !o.Ordered || w.current() != version || w.installed() != version {
			t.Errorf("host %d: %+v, at %s and not %s", i+1, o, w.current(), version)
		}
		if calls := w.calls(); len(calls) > 0 {
			t.Errorf("host %d called %v", i+1, calls)
		}
	}
	hosts, err := p.fleet().Hosts(t.Context())
	if err != nil || len(hosts) != 3 {
		t.Fatalf("%+v: %v", hosts, err)
	}
	for _, h := range hosts {
		if h.Versions["example.com"] != version {
			t.Errorf("%s is registered at %v", h.Name, h.Versions)
		}
	}
	r := p.rollout()
	if len(r.Tries) != 1 || r.Tries[r.By].State != fleet.Served {
		t.Errorf("the canaries: %+v", r.Tries)
	}
	secret, err := bundle.Load(p.hosts[0].where().Store("example.com").Path(version))
	if err != nil {
		t.Fatal(err)
	}
	entries, _, err := p.fleet().ReadAll(t.Context(), "")
	if err != nil || len(entries) < 5 {
		t.Fatalf("%d entries: %v", len(entries), err)
	}
	for _, entry := range entries {
		if strings.Contains(string(entry.Value), strings.Split(string(secret.KeyPEM()), "\n")[1]) {
			t.Errorf("%s holds the key", entry.Key)
		}
	}
}

func TestAOneShotThatWaitsForAnotherHostTakesSoonWhatThatBrings(t *testing.T) {
	t.Parallel()
	p := newParty(t, 3, 3)
	outcomes := make([]state.Outcome, len(p.hosts))
	var all sync.WaitGroup
	for i, w := range p.hosts {
		all.Go(func() { outcomes[i] = w.renew(Renewal{Timeout: 25 * time.Second}) }) // less than half a lease
	}
	all.Wait()
	version := p.rollout().Version.ID
	for i, o := range outcomes {
		if w := p.hosts[i]; o.Class != state.Served || o.Next.Before(time.Now().Add(24*time.Hour)) || version == "" || w.installed() != version {
			t.Errorf("host %d: %+v, at %q and not %q", i, o, w.installed(), version)
		}
	}
	if used := p.hosts[0].usedInstances(); used != 1 {
		t.Errorf("%d instances are used", used)
	}
}

// renewOn is renew with a certificate that every host has, and that is in its window.
func (w *world) dueSoon() { w.serves(-65*24*time.Hour, 25*24*time.Hour) }

// fault 124
func TestACanaryThatFailsHoldsTheOthersBackAndTheyGoOnWhenItHasServed(t *testing.T) {
	t.Parallel()
	p := newParty(t, 2, 1)
	for _, w := range p.hosts {
		w.dueSoon()
	}
	old := p.hosts[1].current()
	sound := p.hosts[0].extra
	p.hosts[0].extra = strings.Replace(sound, "[fleet]", "  check = [\"false\"]\n[fleet]", 1)
	if o := p.hosts[0].renew(Renewal{}); o.Class != state.NotServed {
		t.Fatalf("the canary: %+v", o)
	}
	version := p.hosts[0].current()
	w := p.hosts[1]
	w.calls()
	o := w.renew(Renewal{})
	if o.Class != state.Pending || o.Retry || !strings.Contains(o.Waiting, "failed with it") || w.current() != old || len(w.calls()) > 0 {
		t.Errorf("the other one: %+v, at %s", o, w.current())
	}
	p.hosts[0].extra = sound
	if o := p.hosts[0].renew(Renewal{}); o.Class != state.Served {
		t.Fatalf("the canary, helped: %+v", o)
	}
	if o := w.renew(Renewal{}); o.Class != state.Served || w.current() != version || w.installed() != version {
		t.Errorf("the other one, then: %+v, at %s and not %s", o, w.current(), version)
	}
}

// fault 124: a canary that says nothing is replaced in time, and is told of before a
// certificate ends.
func TestACanaryThatIsSilentHoldsNobodyBackForLong(t *testing.T) {
	t.Parallel()
	p := newParty(t, 2, 1)
	p.hosts[0].renewed(Renewal{})
	f, published := p.fleet(), p.rollout()
	for _, tt := range []struct {
		name  string
		tried time.Duration // since another host did
		left  time.Duration // of what is installed
		says  string
		takes bool
	}{
		{"while there is time", 5 * time.Minute, 25 * 24 * time.Hour, "", false},
		{"in the last tenth", 5 * time.Minute, 5 * 24 * time.Hour, "has not said yet how it fares", false},
		{"in the last tenth, right after the publication", time.Minute, 5 * 24 * time.Hour, "", false},
		{"when it has been silent for a quarter of an hour", 15 * time.Minute, 25 * 24 * time.Hour, "", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := p.hosts[1]
			w.dir = t.TempDir()
			w.extra = w.target() + p.table(1)
			w.serves(tt.left-90*24*time.Hour, tt.left)
			r := p.rollout()
			r.Tries, r.Released, r.At = nil, false, time.Now().Add(-tt.tried)
			if _, err := f.Note(t.Context(), r, "other", fleet.Try{At: time.Now().Add(-tt.tried), State: fleet.Trying}); err != nil {
				t.Fatal(err)
			}
			o := w.renew(Renewal{NoWait: true})
			if (o.Err != nil) != (tt.says != "") || tt.says != "" && !strings.Contains(o.Err.Error(), tt.says) {
				t.Errorf("%+v", o)
			}
			if tt.says != "" && (!o.News || w.renew(Renewal{NoWait: true}).News) {
				t.Error("it is not told once")
			}
			if in := time.Until(o.Next); !tt.takes && (in > 16*time.Minute-tt.tried || in < 0) {
				t.Errorf("it looks again in %s", in)
			}
			if took := w.current() == published.Version.ID; took != tt.takes {
				t.Errorf("at %s, of %s", w.current(), published.Version.ID)
			}
		})
	}
}

// fault 123
func TestWhatEtcdHoldsIsVerifiedLikeWhatAServerSends(t *testing.T) {
	t.Parallel()
	p := newParty(t, 2, 0)
	p.hosts[0].renewed(Renewal{})
	f, at := p.fleet(), "bundles/example.com"
	sound, err := f.Read(t.Context(), at)
	if err != nil {
		t.Fatal(err)
	}
	w := p.hosts[1]
	w.dueSoon()
	old := w.current()
	stranger := newParty(t, 1, 0)
	stranger.hosts[0].renewed(Renewal{})
	foreign, err := stranger.fleet().Read(t.Context(), at)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, text, says string
	}{
		{"nothing", "", "there is none"},
		{"something else", "{", "not what dvagent writes"},
		{"cut", string(sound.Value[:len(sound.Value)/2]), "not what dvagent writes"},
		{"a bundle of another fleet", string(foreign.Value), "sealed for another fleet"},
		{"another leaf", strings.Replace(string(sound.Value), "MII", "MIJ", 1), "no pair in order"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			now, err := f.Read(t.Context(), at)
			if err == nil && tt.text == "" {
				err = f.Write(t.Context(), now.Remove())
			} else if err == nil {
				err = f.Write(t.Context(), now.Put([]byte(tt.text)))
			}
			if err != nil {
				t.Fatal(err)
			}
			w.calls()
			o := w.renew(Renewal{})
			if o.Class != state.Failure || o.Err == nil || !strings.Contains(o.Err.Error(), tt.says) || w.current() != old || len(w.calls()) > 0 {
				t.Errorf("%+v, at %s", o, w.current())
			}
		})
	}
	p.hosts[0].calls()
	for range 2 { // the second time there is nothing to repair
		if o := p.hosts[0].renew(Renewal{}); o.Class != state.Served || len(p.hosts[0].calls()) > 0 {
			t.Errorf("the host that published it: %+v", o)
		}
	}
	if o := w.renew(Renewal{}); o.Class != state.Served || w.current() != p.hosts[0].current() {
		t.Errorf("when it is sound again: %+v", o)
	}
}

// fault 122
func TestHostsThatGiveOneNameToDifferentCertificatesAreTold(t *testing.T) {
	t.Parallel()
	p := newParty(t, 2, 0)
	p.hosts[0].domains = `["www.example.com"]`
	p.hosts[0].renewed(Renewal{})
	w := p.hosts[1]
	w.domains = `["shop.example.com"]`
	w.serves(-time.Hour, 90*24*time.Hour)
	old := w.current()
	o := w.renew(Renewal{})
	if o.Class != state.Failure || o.Err == nil || !strings.Contains(o.Err.Error(), `"shop.example.com" is not among them`) || w.current() != old {
		t.Errorf("%+v, at %s", o, w.current())
	}
}

// fault 125
func TestAHostThatWasAwayForAMonthTakesTheNewestVersion(t *testing.T) {
	t.Parallel()
	p := newParty(t, 2, 1)
	w := p.hosts[1]
	w.serves(-120*24*time.Hour, -30*24*time.Hour)
	p.hosts[0].renewed(Renewal{})
	w.calls()
	if o := w.renew(Renewal{}); o.Class != state.Served || w.current() != p.hosts[0].current() || len(w.calls()) > 0 {
		t.Errorf("%+v", o)
	}
}

// An older publication, put back whole, is no rollback.
// fault 123
func TestAnOlderPublicationIsNotInstalledAgain(t *testing.T) {
	t.Parallel()
	p := newParty(t, 1, 0)
	w, f := p.hosts[0], p.fleet()
	keep := func() (rollout, published fleet.Entry) {
		rollout, err := f.Read(t.Context(), "rollouts/example.com")
		if err == nil {
			published, err = f.Read(t.Context(), "bundles/example.com")
		}
		if err != nil {
			t.Fatal(err)
		}
		return rollout, published
	}
	w.renewed(Renewal{})
	oldRollout, oldBundle := keep()
	w.renewed(Renewal{Force: true})
	second := w.current()
	nowRollout, nowBundle := keep()
	for _, tt := range []struct {
		name    string
		rollout string
	}{
		{"as it was", string(oldRollout.Value)},
		{"as if it were a rollback", strings.Replace(string(nowRollout.Value), string(cut(t, nowRollout.Value)), string(cut(t, oldRollout.Value)), 1)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := f.Write(t.Context(), nowRollout.Put([]byte(tt.rollout)), nowBundle.Put(oldBundle.Value)); err != nil {
				t.Fatal(err)
			}
			w.extra = "follow = true\n" + w.target() + p.table(0)
			w.renew(Renewal{})
			if w.current() != second || w.installed() != second {
				t.Errorf("at %s and not %s", w.current(), second)
			}
			nowRollout, nowBundle = keep()
		})
	}
}

// cut is what a rollout says before its newest version.
func cut(t *testing.T, rollout []byte) []byte {
	t.Helper()
	before, _, found := strings.Cut(string(rollout), `,"newest"`)
	if !found {
		t.Fatalf("no newest version in %s", rollout)
	}
	return []byte(before)
}
