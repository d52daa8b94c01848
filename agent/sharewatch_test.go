package agent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"dvagent/agent/fleet"
	"dvagent/agent/state"
)

func TestAServiceInstallsWithinSecondsOfAPublication(t *testing.T) {
	t.Parallel()
	p := newParty(t, 2, 1)
	for _, w := range p.hosts {
		w.dueSoon()
	}
	// The follower has no account: it needs none.
	w := p.hosts[1]
	w.extra = "follow = true\n" + w.extra
	p.serveFrom(w)
	p.hosts[0].renewed(Renewal{})
	published := time.Now()
	w.await("the follower has it", func() bool { return w.installed() == p.hosts[0].current() })
	t.Logf("after %s", time.Since(published))
}

// await waits for what comes to hold.
func (w *world) await(what string, holds func() bool) {
	w.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if holds() {
			return
		}
	}
	w.Fatalf("not within a minute: %s", what)
}

// serveFrom runs a service on a host, until the end of the test, and waits until the fleet
// knows it.
func (p *party) serveFrom(w *world) {
	p.Helper()
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- NewService(w.agent(), nil, tester).Run(ctx) }()
	p.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			p.Error(err)
		}
	})
	f := p.fleet()
	before, err := f.Hosts(p.Context())
	if err != nil {
		p.Fatal(err)
	}
	w.await("the fleet knows the host", func() bool {
		hosts, err := f.Hosts(p.Context())
		return err == nil && len(hosts) > len(before) || err == nil && len(before) == len(p.hosts)
	})
}

// fault 124
func TestAServiceThatIsHeldBackGoesOnAsSoonAsTheCanaryServes(t *testing.T) {
	t.Parallel()
	p := newParty(t, 2, 1)
	for _, w := range p.hosts {
		w.dueSoon()
	}
	canary, w := p.hosts[0], p.hosts[1]
	old := w.current()
	w.extra = "follow = true\n" + w.extra
	p.serveFrom(w)
	sound := canary.extra
	canary.extra = strings.Replace(sound, "[fleet]", "  check = [\"false\"]\n[fleet]", 1)
	if o := canary.renew(Renewal{}); o.Class != state.NotServed {
		t.Fatalf("the canary: %+v", o)
	}
	w.await("the service says why it is held back", func() bool {
		for _, one := range w.status().Certificates {
			return strings.Contains(one.FleetError, "failed with it")
		}
		return false
	})
	if w.installed() != old {
		t.Errorf("it installed %s all the same", w.installed())
	}
	canary.extra = sound
	if o := canary.renew(Renewal{}); o.Class != state.Served {
		t.Fatalf("the canary, helped: %+v", o)
	}
	w.await("the service goes on", func() bool { return w.installed() == canary.current() })
}

// fault 119
func TestWithoutEtcdWhatIsInstalledIsServedAndHealedAndAFollowerWaits(t *testing.T) {
	t.Parallel()
	p := newParty(t, 1, 1)
	w := p.hosts[0]
	w.extra = "follow = true\n" + w.extra
	for _, tt := range []struct {
		name         string
		begins, ends time.Duration
		class        state.Class
		says         string
	}{
		{"while nothing is due", -time.Hour, 90 * 24 * time.Hour, state.Served, ""},
		{"while something is due", -65 * 24 * time.Hour, 25 * 24 * time.Hour, state.Pending, "connection refused"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w.dir = t.TempDir()
			w.extra = "follow = true\n" + w.target() + p.table(1)
			w.serves(tt.begins, tt.ends)
			p.etcd.Members[0].Kill()
			o := w.renew(Renewal{NoWait: true})
			if o.Class != tt.class || !strings.Contains(o.Waiting, tt.says) || w.installed() != w.current() {
				t.Errorf("%+v, at %s", o, w.installed())
			}
			if err := os.Remove(filepath.Join(w.dir, "www.pem")); err != nil {
				t.Fatal(err)
			}
			if w.renew(Renewal{NoWait: true}); w.installed() != w.current() {
				t.Error("a file that was removed is not healed")
			}
		})
	}
}

// The roles are those that docs/several-hosts.md shows.
func TestTheRolesOfTheDocsAreEnough(t *testing.T) {
	t.Parallel()
	p := newParty(t, 2, 1)
	f := p.fleet()
	client, err := f.Client()
	if err != nil {
		t.Fatal(err)
	}
	must := func(what any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	ctx := t.Context()
	grant := func(role, below string, as clientv3.PermissionType) {
		t.Helper()
		must(client.RoleGrantPermission(ctx, role, below, clientv3.GetPrefixRangeEnd(below), as))
	}
	for user, role := range map[string]string{"root": "root", "orders": "dvagent-orderer", "follows": "dvagent-follower"} {
		must(client.RoleAdd(ctx, role))
		must(client.UserAdd(ctx, user, "canary"))
		must(client.UserGrantRole(ctx, user, role))
	}
	read, write := clientv3.PermissionType(clientv3.PermRead), clientv3.PermissionType(clientv3.PermReadWrite)
	grant("dvagent-orderer", "/dvagent/", write)
	grant("dvagent-follower", "/dvagent/", read)
	grant("dvagent-follower", "/dvagent/rollouts/", write)
	grant("dvagent-follower", "/dvagent/hosts/", write)
	must(client.AuthEnable(ctx))

	as := func(user string) string { return fmt.Sprintf("username = %q\npassword = \"canary\"\n", user) }
	p.hosts[0].extra += as("orders")
	p.hosts[0].renewed(Renewal{})
	w := p.hosts[1]
	w.extra = "follow = true\n" + w.extra + as("follows")
	if o := w.renew(Renewal{}); o.Class != state.Served || w.current() != p.hosts[0].current() {
		t.Errorf("the follower: %+v", o)
	}
	settings := p.etcd.Settings(p.identity)
	settings.Username, settings.Password.Literal = "follows", "canary"
	follower := fleet.New(settings)
	defer follower.Close()
	hosts, err := follower.Hosts(ctx)
	if err != nil || len(hosts) != 2 {
		t.Errorf("%d hosts are registered: %v", len(hosts), err)
	}
	entry, err := follower.Read(ctx, "bundles/example.com")
	if err == nil {
		err = follower.Write(ctx, entry.Put([]byte("x")))
	}
	var refused *fleet.Error
	if !errors.As(err, &refused) || !refused.Rejected() || strings.Contains(err.Error(), "canary") {
		t.Errorf("a follower that publishes: %v", err)
	}
	w.extra = strings.Replace(w.extra, `"canary"`, `"wrong"`, 1)
	w.dueSoon()
	if o := w.renew(Renewal{}); o.Class != state.Failure || !strings.Contains(o.Hint(), "username and password") {
		t.Errorf("with a wrong password: %+v (%s)", o, o.Hint())
	}
}

// fault 119
func TestAServiceGoesOnWithAnEtcdThatWasAwayOrForgot(t *testing.T) {
	t.Parallel()
	p := newParty(t, 2, 0)
	for _, w := range p.hosts {
		w.dueSoon()
	}
	w := p.hosts[1]
	w.extra = "follow = true\n" + w.extra
	p.serveFrom(w)
	f := p.fleet()
	backup := p.etcd.Backup()
	p.hosts[0].renewed(Renewal{})
	first := p.hosts[0].current()
	w.await("it has what came after a restart", func() bool { return w.installed() == first })

	client, err := f.Client()
	if err != nil {
		t.Fatal(err)
	}
	status, err := client.Status(t.Context(), p.etcd.URLs()[0])
	if err == nil {
		_, err = client.Compact(t.Context(), status.Header.Revision)
	}
	if err != nil {
		t.Fatal(err)
	}
	p.etcd.Restore(backup)
	if o := p.hosts[0].renew(Renewal{}); o.Class != state.Served { // it publishes again what the backup lacks
		t.Errorf("%+v", o)
	}
	if r := p.rollout(); r.Version.ID != first {
		t.Errorf("published is %s and not %s", r.Version.ID, first)
	}
	w.await("it is at the newest version still", func() bool { return w.installed() == first })
}
