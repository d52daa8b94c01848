package agent

import (
	"context"
	"crypto/x509"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"dvagent/agent/fleet"
	"dvagent/agent/fleet/fleettest"
	"dvagent/agent/order"
	"dvagent/internal/bundle"
	"dvagent/internal/sandbox"
)

// chaos is a fleet of hosts that renew all the time, on a cluster of three members.
type chaos struct {
	*testing.T
	w      *world
	etcd   *fleettest.Cluster
	hosts  []*chaosHost
	random *rand.Rand

	lifetime time.Duration // of certificates, which are due when two thirds of it are over
	restores bool          // old backups of etcd are put back, too
	backup   string
	leaves   map[string]*x509.Certificate // that any host had, by their version
}

// chaosHost is a host whose service runs, or does not for a while.
type chaosHost struct {
	*world
	orders *fleet.Orders
	words  *interrupted // of the service that runs
	stop   func()
	had    bool // a pair
}

// faults 119, 120, 121: members of etcd are killed and hang, hosts die and sleep, while
// certificates that live for seconds are renewed.
func TestAFleetInChaosOrdersEachRenewalOnce(t *testing.T) {
	t.Parallel()
	length, c := 20*time.Second, &chaos{T: t, lifetime: 30 * time.Second}
	seed := uint64(121)
	if longTest() {
		length, seed, c.lifetime, c.restores = 10*time.Minute, rand.Uint64(), 2*time.Minute, true
	} else {
		t.Log("only for 20 seconds; DVAGENT_LONG_TESTS=1 makes ten minutes, of a seed of its own, and puts backups back")
	}
	t.Logf("seed %d", seed)
	c.random = rand.New(rand.NewPCG(seed, 0))
	c.begin()
	c.settle()
	first := len(c.leaves)
	for end, last := time.Now().Add(length), time.Now().Add(length+2*time.Minute); !t.Failed(); {
		if now := time.Now(); now.After(last) || now.After(end) && len(c.leaves) > first {
			break
		}
		c.disturb()
		c.look()
	}
	if len(c.leaves) == first {
		t.Error("nothing was renewed in the chaos")
	}
	c.settle()
}

func (c *chaos) begin() {
	c.Helper()
	c.w = newWorldOfToday(c.T, sandbox.Options{Lifetime: c.lifetime, IssueAfter: 100 * time.Millisecond})
	c.etcd, c.leaves = fleettest.Three(c.T), map[string]*x509.Certificate{}
	text, err := fleet.NewIdentity()
	if err != nil {
		c.Fatal(err)
	}
	p := &party{T: c.T, etcd: c.etcd, identity: fleettest.Identity(c.T, text)}
	for range 5 {
		w := &world{T: c.T, sandbox: c.w.sandbox, dir: c.TempDir(), api: c.w.api}
		w.extra = w.target() + p.table(1) + "\n[limits]\nsubmissions_per_day = 1000\n"
		c.hosts = append(c.hosts, &chaosHost{world: w})
	}
	for _, host := range c.hosts {
		host.start()
	}
	c.Cleanup(func() {
		for _, host := range c.hosts {
			host.stop()
		}
	})
}

// start begins the service, which another call may end.
func (h *chaosHost) start() {
	ctx, cancel := context.WithCancel(context.Background())
	a := h.agent()
	h.orders = fleet.NewOrders(a.etcd, a.share.Host, a.host.Dir.Fleet(),
		fleet.Timing{Lease: 3 * time.Second, Call: 2 * time.Second, Restore: 20 * time.Second, Publish: 10 * time.Second})
	h.words = &interrupted{Fleet: h.orders, n: 1 << 40, at: func(func() error) error { return errDead }}
	a.fleet = h.words
	service := NewService(a, nil, tester)
	var running sync.WaitGroup
	running.Go(func() {
		if err := service.Run(ctx); err != nil {
			h.Errorf("a service ended: %v", err)
		}
	})
	h.stop = func() { cancel(); running.Wait() }
}

// disturb does one thing to a member or a host, and makes good for it after a while.
func (c *chaos) disturb() {
	c.Helper()
	member, host := c.etcd.Members[c.random.IntN(3)], c.hosts[c.random.IntN(5)]
	length := time.Duration(c.random.IntN(5000)) * time.Millisecond
	choices := 5
	if c.restores {
		choices = 6
	}
	switch c.random.IntN(choices) {
	case 0:
		member.Kill()
		time.Sleep(length)
		member.Restart()
	case 1:
		member.Stop()
		time.Sleep(length)
		member.Continue()
	case 2: // two of three: nothing is written
		other := c.etcd.Members[(slices.Index(c.etcd.Members, member)+1)%3]
		member.Stop()
		other.Stop()
		time.Sleep(length)
		member.Continue()
		other.Continue()
	case 3: // the host dies, and comes back
		host.words.mu.Lock()
		host.words.n, host.words.at = 0, nil
		host.words.mu.Unlock()
		host.orders.Close(context.Background()) // as time does
		host.stop()
		time.Sleep(length)
		host.start()
	case 4: // the host sleeps for longer than its lease
		host.words.mu.Lock()
		host.orders.Close(context.Background())
		time.Sleep(length)
		host.words.mu.Unlock()
	case 5:
		if c.backup == "" {
			c.backup = c.etcd.Backup()
			return
		}
		c.etcd.Restore(c.backup)
		c.backup = ""
	}
}

// look notes what each host serves.
func (c *chaos) look() {
	c.Helper()
	for i, host := range c.hosts {
		b, err := host.pair()
		switch {
		case err == nil:
			c.leaves[b.ID()], host.had = b.Leaf, true
		case host.had:
			c.Errorf("host %d has no pair any more: %v", i, err)
		}
	}
}

// pair is what the host holds. The version that a link led to may be gone by the time
// that it is read.
func (h *chaosHost) pair() (b *bundle.Bundle, err error) {
	h.Helper()
	for range 3 {
		if b, err = bundle.Load(h.where().Store("example.com").CurrentDir()); err == nil {
			break
		}
	}
	return b, err
}

// settle ends the chaos: all hosts come to the newest version, by one order for each, and
// serve it while it is valid.
func (c *chaos) settle() {
	c.Helper()
	for _, m := range c.etcd.Members {
		m.Await()
	}
	same := eventually(func() bool {
		c.look()
		first := c.hosts[0].newest()
		return first != "" && !slices.ContainsFunc(c.hosts, func(h *chaosHost) bool { return !h.serves(first) || h.step() != order.Done })
	})
	if !same {
		for i, h := range c.hosts {
			c.Errorf("host %d is at version %q, step %s, has installed %q: %s", i, h.newest(), h.step(), h.installed(), h.trouble())
		}
	}
	var made []time.Time
	for _, leaf := range c.leaves {
		made = append(made, leaf.NotBefore)
	}
	slices.SortFunc(made, time.Time.Compare)
	for i := 1; i < len(made); i++ {
		if rest := made[i].Sub(made[i-1]); rest < c.lifetime*2/3-2*time.Second {
			c.Errorf("two certificates were made %s apart", rest)
		}
	}
	if n := c.w.sandbox.Applied(); n != len(made) {
		c.Errorf("%d applications for %d certificates", n, len(made))
	}
	c.Logf("%d certificates", len(made))
}

// serves says that a version is the newest here and installed, and that it is valid now.
func (h *chaosHost) serves(version string) bool {
	h.Helper()
	b, err := h.pair()
	return err == nil && b.ID() == version && h.newest() == version && h.installed() == version && time.Now().Before(b.Leaf.NotAfter)
}

func (h *chaosHost) newest() string {
	h.Helper()
	versions, err := h.where().Store("example.com").Versions()
	if err != nil || len(versions) == 0 {
		return ""
	}
	return versions[0]
}

// trouble is why the open order does not go on.
func (h *chaosHost) trouble() string {
	o, err := order.Load(h.where().Certificate("example.com"))
	if err != nil || o == nil {
		return fmt.Sprint("no order ", err)
	}
	return o.Waiting + o.Failure.Text
}
