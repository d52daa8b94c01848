// Package fleettest runs etcd on loopback, one member or three, with its data in a
// directory of the test's. It is for tests alone.
package fleettest

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"dvagent/internal/servertest"
)

// patience bounds each wait for a member.
const patience = 60 * time.Second

// Cluster is etcd at work. It is killed at the end of its test, which shows what it
// logged when it fails.
type Cluster struct {
	Members  []*Member
	Security *Security // nil: plain HTTP

	t       testing.TB
	program string
}

// Member is one etcd of a cluster.
type Member struct {
	URL string // for clients

	cluster *Cluster
	dir     string
	args    []string
	log     servertest.Log
	process *servertest.Process
}

// One starts a cluster of one member. It skips the test where etcd is not installed.
func One(t testing.TB) *Cluster { return start(t, 1, nil) }

// Small is One that takes no more than a megabyte.
func Small(t testing.TB) *Cluster {
	return start(t, 1, nil, "--quota-backend-bytes", fmt.Sprint(1<<20))
}

// Three starts a cluster of three members, of which any may be stopped.
func Three(t testing.TB) *Cluster { return start(t, 3, nil) }

// Secured is One with TLS, which also wants a certificate of its clients.
func Secured(t testing.TB) *Cluster { return start(t, 1, newSecurity(t)) }

func start(t testing.TB, members int, security *Security, args ...string) *Cluster {
	t.Helper()
	program, err := exec.LookPath("etcd")
	if err != nil {
		t.Skip("etcd is not installed: the fleet was not tried against it")
	}
	c := &Cluster{t: t, program: program, Security: security}
	var cluster, peers []string
	for i := range members {
		peers = append(peers, "http://"+freeAddress(t))
		cluster = append(cluster, fmt.Sprintf("m%d=%s", i, peers[i]))
	}
	for i := range members {
		m := &Member{URL: c.scheme() + freeAddress(t), cluster: c, dir: filepath.Join(t.TempDir(), "data")}
		m.args = append([]string{"--name", fmt.Sprintf("m%d", i), "--data-dir", m.dir, "--log-level", "error",
			"--listen-client-urls", m.URL, "--advertise-client-urls", m.URL,
			"--listen-peer-urls", peers[i], "--initial-advertise-peer-urls", peers[i],
			"--initial-cluster", strings.Join(cluster, ","), "--initial-cluster-state", "new"}, append(args, security.args()...)...)
		c.Members = append(c.Members, m)
	}
	for _, m := range c.Members {
		m.run()
	}
	t.Cleanup(c.end)
	c.awaitAll()
	return c
}

func (c *Cluster) scheme() string {
	if c.Security != nil {
		return "https://"
	}
	return "http://"
}

func (c *Cluster) end() {
	for _, m := range c.Members {
		m.kill()
		if c.t.Failed() {
			c.t.Logf("etcd at %s:\n%s", m.URL, m.log.String())
		}
	}
}

// URLs are those of all members.
func (c *Cluster) URLs() []string {
	var all []string
	for _, m := range c.Members {
		all = append(all, m.URL)
	}
	return all
}

// Backup copies what the members know, for which they are ended and started again.
func (c *Cluster) Backup() (backup string) {
	c.t.Helper()
	backup = c.t.TempDir()
	c.replaceData(func(i int, m *Member) error {
		return os.CopyFS(filepath.Join(backup, fmt.Sprint(i)), os.DirFS(m.dir))
	})
	return backup
}

// Restore puts a backup in the place of what the members know.
func (c *Cluster) Restore(backup string) {
	c.t.Helper()
	c.replaceData(func(i int, m *Member) error {
		if err := os.RemoveAll(m.dir); err != nil {
			return err
		}
		return os.CopyFS(m.dir, os.DirFS(filepath.Join(backup, fmt.Sprint(i))))
	})
}

// replaceData does something to the data of each member while none runs.
func (c *Cluster) replaceData(do func(int, *Member) error) {
	c.t.Helper()
	for _, m := range c.Members {
		m.kill()
	}
	for i, m := range c.Members {
		if err := do(i, m); err != nil {
			c.t.Fatal(err)
		}
		// CopyFS makes directories that others may list, which etcd refuses.
		_ = filepath.WalkDir(m.dir, func(path string, entry os.DirEntry, err error) error {
			if err == nil && entry.IsDir() {
				return os.Chmod(path, 0o700)
			}
			return err
		})
	}
	for _, m := range c.Members {
		m.run()
	}
	c.awaitAll()
}

func (c *Cluster) awaitAll() {
	c.t.Helper()
	for _, m := range c.Members {
		m.Await()
	}
}

// Await waits until the member answers, and has a leader.
func (m *Member) Await() {
	t := m.cluster.t
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if m.healthy() {
			return
		}
		select {
		case <-m.process.Ended:
			t.Fatalf("etcd at %s ended: %s", m.URL, m.log.String())
		default:
		}
	}
	t.Fatalf("etcd at %s is not healthy within %s: %s", m.URL, patience, m.log.String())
}

func (m *Member) healthy() bool {
	client := &http.Client{Timeout: time.Second, Transport: &http.Transport{TLSClientConfig: m.cluster.Security.client(), DisableKeepAlives: true}}
	response, err := client.Get(m.URL + "/health")
	if err != nil {
		return false
	}
	defer response.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(response.Body, 1000))
	return response.StatusCode == http.StatusOK && bytes.Contains(text, []byte("true"))
}

// Stop lets the member hang: it keeps its connections and says nothing, until Continue.
func (m *Member) Stop() { m.signal(syscall.SIGSTOP) }

// Continue ends a Stop.
func (m *Member) Continue() { m.signal(syscall.SIGCONT) }

// Kill ends the member. Restart starts it again.
func (m *Member) Kill() { m.kill() }

// Restart starts a member that was killed, with the data that it has. It waits for no
// answer, which may want other members: see Await.
func (m *Member) Restart() {
	m.cluster.t.Helper()
	m.run()
}

func (m *Member) signal(signal syscall.Signal) {
	m.cluster.t.Helper()
	if err := m.process.Signal(signal); err != nil {
		m.cluster.t.Fatal(err)
	}
}

func (m *Member) kill() {
	if m.process != nil {
		m.process.Kill()
	}
}

// run starts the process.
func (m *Member) run() {
	t := m.cluster.t
	t.Helper()
	cmd := exec.Command(m.cluster.program, m.args...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "ETCD_UNSUPPORTED_ARCH=" + runtime.GOARCH}
	process, err := servertest.Start(cmd, &m.log)
	if err != nil {
		t.Fatal(err)
	}
	m.process = process
}

// freeAddress is none of those that the system gives to connections: one of these could
// have it before etcd does.
func freeAddress(t testing.TB) string {
	t.Helper()
	for range 100 {
		listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 10_000+rand.IntN(22_000)))
		if err == nil {
			defer listener.Close()
			return listener.Addr().String()
		}
	}
	t.Fatal("no address is free")
	return ""
}
