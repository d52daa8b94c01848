package main

import (
	"crypto/sha256"
	"encoding/pem"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"dvagent/agent/fleet"
	"dvagent/agent/fleet/fleettest"
	"dvagent/internal/sandbox"
)

// pair are two hosts of a fleet, each with a process and a state directory of its own, on
// one account.
type pair struct {
	first, second *trial
	client        *clientv3.Client
	prefix        string
}

func newPair(t *testing.T, etcd *fleettest.Cluster, ordering string) *pair {
	t.Helper()
	text, err := fleet.NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	settings := etcd.Settings(fleettest.Identity(t, text))
	settings.Prefix = fmt.Sprintf("/%s/", filepath.Base(filepath.Dir(t.TempDir())))
	tables := fmt.Sprintf("[fleet]\netcd = [%q]\nprefix = %q\nidentity_file = %q\ncanaries = 0\n", settings.Etcd[0], settings.Prefix, settings.Identity.File)
	f := fleet.New(settings)
	t.Cleanup(f.Close)
	client, err := f.Client()
	if err != nil {
		t.Fatal(err)
	}
	s := startSandbox(t, sandbox.Options{CASAPI: ordering, Propagation: []time.Duration{10 * time.Millisecond}, IssueAfter: 50 * time.Millisecond,
		AccessKeyID: "LTAItrial", AccessKeySecret: canary})
	if _, err := s.AddRecord("example.com", "_dnsauth", "TXT", foreignValue); err != nil {
		t.Fatal(err)
	}
	return &pair{newTrialOn(t, s, tables), newTrialOn(t, s, tables), client, settings.Prefix}
}

// sleepsAt runs a renewal of the first host and stops its process at the n-th request,
// which is applied, and answered when the process goes on after something else was done.
// It says whether there was an n-th one.
func (p *pair) sleepsAt(n int, meanwhile func()) bool {
	c := p.first
	c.Helper()
	var process *process
	started, asleep, awake := make(chan struct{}), make(chan string, 1), make(chan struct{})
	c.gate.arm(nth(n), func(w http.ResponseWriter, r *http.Request) {
		called, answer := action(r), httptest.NewRecorder()
		c.gate.api.ServeHTTP(answer, r)
		<-started
		process.cmd.Process.Signal(syscall.SIGSTOP)
		asleep <- called
		<-awake
		maps.Copy(w.Header(), answer.Header())
		w.WriteHeader(answer.Code)
		w.Write(answer.Body.Bytes())
	})
	defer c.gate.arm(nil, nil)
	process = c.start("dvagent", "renew", "--timeout", "4m")
	close(started)
	select {
	case <-process.ended:
		close(awake)
		return false
	case called := <-asleep:
		c.Logf("it sleeps at %s", called)
	case <-time.After(time.Minute):
		process.cmd.Process.Kill()
		close(awake)
		c.Fatalf("neither a request nor an end in a minute:\n%s", process.output.String())
	}
	defer c.await(process)
	defer close(awake)
	defer process.cmd.Process.Signal(syscall.SIGCONT)
	meanwhile()
	return true
}

// leaseRunsOut waits for the end of the lease that the first host has, or hastens it.
func (p *pair) leaseRunsOut(t *testing.T) {
	t.Helper()
	key := p.prefix + "orders/example.com/holder"
	for end := time.Now().Add(3 * time.Minute); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		held, err := p.client.Get(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		if len(held.Kvs) == 0 {
			return
		}
		if longTest() {
			continue
		}
		if _, err := p.client.Revoke(t.Context(), clientv3.LeaseID(held.Kvs[0].Lease)); err != nil {
			t.Fatal(err)
		}
	}
	t.Fatal("the lease never ends")
}

// leaf is what the host serves.
func (c *trial) leaf() string {
	c.Helper()
	text, err := os.ReadFile(c.path("served.pem"))
	if err != nil {
		c.Error(err)
	}
	first, _ := pem.Decode(text)
	if first == nil {
		return "nothing"
	}
	return fmt.Sprintf("%x", sha256.Sum256(first.Bytes))
}

// paying are the calls that place an order, or prepare it, and that write a record.
var paying = []string{"CreateDVOrderAudit", "UpdateInstance", "ApplyCertificate", "AddDomainRecord"}

// fault 120: the process of a host that orders is stopped for longer than its lease lasts,
// after each of its calls; another host brings the certificate meanwhile. When the process
// goes on it places nothing, and both hosts serve what the other one brought.
func TestAProcessThatIsStoppedForLongerThanItsLeaseOrdersNothing(t *testing.T) {
	if !longTest() {
		t.Log("leases are ended by hand; DVAGENT_LONG_TESTS=1 waits for their end")
	}
	etcd := fleettest.One(t)
	for _, ordering := range []string{sandbox.API2018, sandbox.API2020} {
		t.Run(ordering, func(t *testing.T) {
			t.Parallel()
			every(t, "call", 4, func(t *testing.T, n int) bool {
				p := newPair(t, etcd, ordering)
				slept := p.sleepsAt(n, func() {
					p.leaseRunsOut(t)
					p.second.renews()
					p.first.sandbox.ClearHistory()
				})
				for _, call := range p.first.sandbox.History() {
					if slept && slices.Contains(paying, call.Action) {
						t.Errorf("when it was awake again, it called %s", call.Action)
					}
				}
				for _, c := range []*trial{p.first, p.second} {
					c.renews()
					c.paid([]int{1})
					c.served()
				}
				p.second.tidy() // the first one keeps the key of an order that it has let go, until its next one
				if values := p.first.published(); !slices.Equal(values, []string{foreignValue}) {
					t.Errorf("records: %q", values)
				}
				if ours, theirs := p.first.leaf(), p.second.leaf(); ours != theirs {
					t.Errorf("one host serves %s, and the other one %s", ours, theirs)
				}
				return slept
			})
		})
	}
}
