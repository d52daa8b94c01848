package agent

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"dvagent/agent/config"
	"dvagent/agent/state"
	"dvagent/deploy"
	"dvagent/internal/bundle/bundletest"
	"dvagent/internal/sandbox"
)

// counted passes connections on and counts them.
type counted struct {
	net.Listener
	n atomic.Int32
}

func (c *counted) Accept() (net.Conn, error) {
	conn, err := c.Listener.Accept()
	if err == nil {
		c.n.Add(1)
	}
	return conn, err
}

// served gives the world a target with a TLS server that reads it for every
// handshake, and returns the server's connections.
func (w *world) served() *counted {
	w.Helper()
	c := new(counted)
	certificate, key := filepath.Join(w.dir, "tls", "www.pem"), filepath.Join(w.dir, "tls", "www.key")
	if err := os.Mkdir(filepath.Dir(certificate), 0o755); err != nil {
		w.Fatal(err)
	}
	address := serveFilesThrough(w, certificate, key, func(l net.Listener) net.Listener {
		c.Listener = l
		return c
	})
	w.extra += fmt.Sprintf("\n  [[certificate.deploy]]\n  fullchain = %q\n  key = %q\n  probe = [%q]\n", certificate, key, address)
	return c
}

// within fails the test unless done comes true in time.
func (w *world) within(limit time.Duration, what string, done func() bool) {
	w.Helper()
	for deadline := time.Now().Add(limit); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			w.Fatalf("not within %s: %s", limit, what)
		}
	}
}

func TestAPassOverWhatIsInPlaceMakesOneConnectionAndNoCall(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{})
	server := w.served()
	w.renewed(Renewal{})
	before := server.n.Load()
	w.calls()
	w.renew(Renewal{})
	if n := server.n.Load() - before; n != 1 {
		t.Errorf("%d connections", n)
	}
	if calls := w.calls(); len(calls) > 0 {
		t.Errorf("calls %v", calls)
	}
}

func TestTheServiceHealsAFileWithinTwoSeconds(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{})
	server := w.served()
	w.renewed(Renewal{})
	dir := filepath.Join(w.dir, "tls")
	key, pem := filepath.Join(dir, "www.key"), filepath.Join(dir, "www.pem")
	want, err := os.ReadFile(pem)
	if err != nil {
		t.Fatal(err)
	}
	healed := func() bool {
		data, _ := os.ReadFile(pem)
		info, err := os.Stat(key)
		return err == nil && info.Mode() == 0o600 && bytes.Equal(data, want)
	}
	service := NewService(w.agent(), nil, tester)
	stopped := make(chan error)
	go func() { stopped <- service.Run(t.Context()) }()
	t.Cleanup(func() {
		if err := <-stopped; err != nil {
			t.Error(err)
		}
	})
	for _, damage := range []struct {
		name string
		do   func() error
	}{
		{"overwritten", func() error { return os.WriteFile(pem, []byte("another"), 0o644) }},
		{"removed", func() error { return os.Remove(key) }},
		{"opened to others", func() error { return os.Chmod(key, 0o666) }},
	} {
		w.quiet(server)
		if err := damage.do(); err != nil {
			t.Fatal(err)
		}
		w.within(20*time.Second, damage.name, healed) // two on a host that runs no other tests
	}
	w.calls()
	w.quiet(server) // our own writes cause one more pass, and that is all
	if calls := w.calls(); len(calls) > 0 {
		t.Errorf("calls %v", calls)
	}
}

// quiet waits until nobody looked at the server for a while, and returns how
// often it was looked at. Where passes cause passes, that does not come.
func (w *world) quiet(server *counted) (looks int32) {
	w.Helper()
	since := time.Now()
	w.within(time.Minute, "the end of the looks", func() bool {
		if n := server.n.Load(); n != looks || n == 0 {
			looks, since = n, time.Now()
		}
		return time.Since(since) > 6*settled
	})
	return looks
}

// It was once passed over until the next look at all that is in place.
func TestTheServiceHealsAFileAtOnceWhileAnOrderWaits(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sandbox.Options{})
	server := w.served()
	w.renewed(Renewal{})
	w.faults("checking-forever")
	if o := w.renew(Renewal{Force: true, NoWait: true}); o.Class != state.Pending {
		t.Fatalf("%+v", o)
	}
	pem := filepath.Join(w.dir, "tls", "www.pem")
	want, err := os.ReadFile(pem)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	stopped := make(chan error)
	go func() { stopped <- NewService(w.agent(), nil, tester).Run(ctx) }()
	w.quiet(server)
	if err := os.WriteFile(pem, []byte("another"), 0o644); err != nil {
		t.Fatal(err)
	}
	w.within(20*time.Second, "the file is healed", func() bool {
		data, _ := os.ReadFile(pem)
		return bytes.Equal(data, want)
	})
	stop()
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

func TestAFightOverAFileIsLookedAtOnceInAWhile(t *testing.T) {
	s := scheduled(t, state.Now().Add(time.Hour))
	for range alarmsAtOnce {
		s.wake(map[string]bool{"example.com": true})
		if now := state.Now(); len(s.due(now)) != 1 {
			t.Fatalf("due %s from now", s.timeOf("example.com").Sub(now))
		}
		s.begin(map[string]bool{"example.com": true})
	}
	s.wake(map[string]bool{"example.com": true})
	if left := s.timeOf("example.com").Sub(state.Now()); left <= 0 || left > alarmPause {
		t.Errorf("due %s from now", left)
	}
}

func TestWhatCannotBeWatchedIsSaidOnce(t *testing.T) {
	bundletest.InChild(t, func() {
		if err := bundletest.Refuse(syscall.SYS_INOTIFY_ADD_WATCH, syscall.ENOSPC); err != nil {
			t.Fatal(err)
		}
		var log bytes.Buffer
		w := newTargetWatch(slog.New(slog.NewTextHandler(&log, nil)), filepath.Join(t.TempDir(), "lock"))
		defer w.close()
		targets := []deploy.Target{{Key: filepath.Join(t.TempDir(), "a")}, {Key: filepath.Join(t.TempDir(), "b")}}
		w.restart(t.Context(), []config.Certificate{{Name: "www", Deploy: targets}})
		for range 2 {
			w.follow(map[string]bool{"www": true})
		}
		if said := strings.Count(log.String(), "\n"); said != 1 || !strings.Contains(log.String(), "no space left on device") {
			t.Errorf("said %d times: %s", said, log.String())
		}
	})
}

// A directory that is made, or replaced by another, is watched from the next
// pass on.
func TestAReplacedDirectoryIsWatchedAgain(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tls")
	path := filepath.Join(dir, "key.pem")
	w := newTargetWatch(slog.New(slog.DiscardHandler), filepath.Join(t.TempDir(), "lock"))
	defer w.close()
	w.restart(t.Context(), []config.Certificate{{Name: "www", Deploy: []deploy.Target{{Key: path}}}})
	w.follow(map[string]bool{"www": true})
	for round := range 3 {
		if round > 0 {
			if err := os.Rename(dir, fmt.Sprint(dir, round)); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		w.follow(map[string]bool{"www": true})
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		select {
		case names := <-w.changed:
			if !names["www"] {
				t.Errorf("changed: %v", names)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("not noticed in directory %d", round)
		}
	}
}
