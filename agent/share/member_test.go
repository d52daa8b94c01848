package share

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"dvagent/agent/config"
	"dvagent/agent/fleet"
	"dvagent/agent/fleet/fleettest"
	"dvagent/agent/state"
	"dvagent/internal/bundle/bundletest"
)

// member is a host that follows a fleet for one certificate.
type member struct {
	*testing.T
	*Share
	log *records
}

// records are lines of a log.
type records struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (r *records) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.Write(p)
}

func (r *records) count(of string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Count(r.text.String(), of)
}

// quick is the timing of hosts in tests.
var quick = timing{ask: 20 * time.Millisecond, tell: 100 * time.Millisecond, again: 5 * time.Millisecond, holds: time.Minute}

func newMember(t *testing.T, settings config.Fleet) *member {
	t.Helper()
	cfg := &config.Config{StateDir: t.TempDir(), Fleet: settings, Service: config.Service{Interval: time.Hour},
		Certificates: []config.Certificate{{Name: "www", Domains: []string{"www.example.com"}, Follow: true, FromFleet: true, RenewBefore: config.Window{Share: 1.0 / 3}}}}
	log := &records{}
	host := state.NewHost(cfg, slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})), nil)
	if err := host.Dir.Prepare(); err != nil {
		t.Fatal(err)
	}
	f := fleet.New(settings)
	t.Cleanup(f.Close)
	m := &member{T: t, Share: New(host, f), log: log}
	m.timing = quick
	return m
}

// watches runs the watch until the end of the test, and tells what it wakes the host for.
func (m *member) watches() <-chan map[string]bool {
	m.Helper()
	ctx, stop := context.WithCancel(context.Background())
	wake := make(chan map[string]bool, 100)
	var watching sync.WaitGroup
	watching.Go(func() { m.Watch(ctx, wake) })
	m.Cleanup(func() { stop(); watching.Wait() })
	return wake
}

// take is a look at the certificate.
func (m *member) take() (*Pass, state.Outcome) {
	m.Helper()
	s, err := m.host.Dir.Read(m.host.Config.Certificates[0])
	if err != nil {
		m.Fatal(err)
	}
	p := m.Pass()
	o, _ := p.Take(m.Context(), &s)
	return p, o
}

// patience bounds each wait.
const patience = 3 * time.Minute

// await waits for what comes to hold.
func (m *member) await(what string, holds func() bool) {
	m.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if holds() {
			return
		}
	}
	m.Fatalf("not within %s: %s", patience, what)
}

func (m *member) isLive() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.live
}

func identity(t *testing.T) string {
	t.Helper()
	text, err := fleet.NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	return fleettest.Identity(t, text)
}

// cable leads to etcd while it is whole.
type cable struct {
	*testing.T
	to       string
	listener net.Listener

	mu    sync.Mutex
	cut   bool
	ends  []net.Conn
	lines sync.WaitGroup
}

// newCable is a way to a member of etcd, at an address of its own.
func newCable(t *testing.T, member *fleettest.Member) (c *cable, url string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c = &cable{T: t, to: strings.TrimPrefix(member.URL, "http://"), listener: listener}
	c.lines.Go(c.serve)
	t.Cleanup(func() {
		listener.Close()
		c.setWhole(false)
		c.lines.Wait()
	})
	return c, "http://" + listener.Addr().String()
}

func (c *cable) serve() {
	for {
		near, err := c.listener.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp", c.to)
		c.mu.Lock()
		if err != nil || c.cut {
			near.Close()
		}
		if err == nil && c.cut {
			far.Close()
		}
		if err == nil && !c.cut {
			c.ends = append(c.ends, near, far)
			c.lines.Go(func() { io.Copy(near, far); near.Close() })
			c.lines.Go(func() { io.Copy(far, near); far.Close() })
		}
		c.mu.Unlock()
	}
}

// setWhole cuts the cable, or mends it.
func (c *cable) setWhole(whole bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cut = !whole
	for _, end := range c.ends {
		end.Close()
	}
	c.ends = nil
}

// publish offers a new version of the certificate, as another host does.
func publish(t *testing.T, f *fleet.Fleet) (publication string) {
	t.Helper()
	r, err := f.Rollout(t.Context(), "www")
	if err == nil {
		b := bundletest.NewCA(t, "fleet").Issue(t, bundletest.Leaf{Names: []string{"www.example.com"}})
		r, err = f.Publish(t.Context(), r, fleet.Publication{Bundle: b, By: "other", At: time.Now()})
	}
	if err != nil {
		t.Fatal(err)
	}
	return r.ID
}

// compact lets etcd forget all but what it holds now.
func compact(t *testing.T, f *fleet.Fleet) {
	t.Helper()
	client, err := f.Client()
	if err != nil {
		t.Fatal(err)
	}
	now, err := f.Revision(t.Context())
	if err == nil {
		_, err = client.Compact(t.Context(), now)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// knows waits until the host knows of a publication.
func (m *member) knows(publication string) {
	m.Helper()
	m.await("it knows of the publication", func() bool {
		m.mu.Lock()
		defer m.mu.Unlock()
		return m.rollouts["www"].ID == publication
	})
}
