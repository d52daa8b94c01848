package fleet

import (
	"bufio"
	"context"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"dvagent/agent/config"
	"dvagent/agent/fleet/fleettest"
	"dvagent/internal/bundle/bundletest"
	"dvagent/internal/chance"
)

// BenchmarkWatchers is what many hosts ask of one etcd, each with a connection of its own,
// all of them in one process: how long it takes until the last has the rollouts when all
// start at once, and from a publication until the last has read the bundle.
func BenchmarkWatchers(b *testing.B) {
	watchers := watchersOf(b)
	etcd := fleettest.One(b)
	text, err := NewIdentity()
	if err != nil {
		b.Fatal(err)
	}
	settings := etcd.Settings(fleettest.Identity(b, text))
	host := New(settings)
	defer host.Close()
	read, err := host.Rollout(b.Context(), "www")
	if err != nil {
		b.Fatal(err)
	}
	before, ranges, began := memory(), metric(b, etcd, "etcd_debugging_mvcc_range_total"), time.Now()
	c := startCrowd(b, settings, watchers)
	started, ranges := time.Since(began), metric(b, etcd, "etcd_debugging_mvcc_range_total")-ranges
	time.Sleep(time.Second) // the last watches begin: those that are late are told all the same
	used := memory() - before
	ca := bundletest.NewCA(b, "CA")
	for b.Loop() {
		pair := ca.Issue(b, bundletest.Leaf{Names: []string{"example.com"}})
		busy, began := metric(b, etcd, "process_cpu_seconds_total"), time.Now()
		if read, err = host.Publish(b.Context(), read, Publication{Bundle: pair, By: "host", At: time.Now()}); err != nil {
			b.Fatal(err)
		}
		c.await(c.has)
		b.ReportMetric(float64(time.Since(began).Milliseconds()), "ms/last")
		b.ReportMetric(metric(b, etcd, "process_cpu_seconds_total")-busy, "etcd-cpu-s")
	}
	b.ReportMetric(started.Seconds(), "s/start")
	b.ReportMetric(ranges/float64(watchers), "reads/start")
	b.ReportMetric(float64(used)/float64(watchers)/1024, "KiB/watcher")
	b.ReportMetric(metric(b, etcd, "process_resident_memory_bytes")/(1<<20), "etcd-MiB")
}

func watchersOf(b *testing.B) int {
	if n, err := strconv.Atoi(os.Getenv("DVAGENT_WATCHERS")); err == nil {
		return n
	}
	if os.Getenv("DVAGENT_LONG_TESTS") == "1" {
		return 10_000
	}
	b.Log("only 300; DVAGENT_LONG_TESTS=1 makes 10,000")
	return 300
}

// crowd is hosts that watch the same rollouts.
type crowd struct {
	b       *testing.B
	size    int
	started chan struct{} // each sends once
	has     chan struct{} // each sends for every publication
}

// startCrowd starts all hosts at once, and waits until each has read the rollouts.
func startCrowd(b *testing.B, settings config.Fleet, size int) *crowd {
	c := &crowd{b, size, make(chan struct{}, size), make(chan struct{}, size)}
	ctx, cancel := context.WithCancel(b.Context())
	var all sync.WaitGroup
	b.Cleanup(func() { cancel(); all.Wait() })
	for range size {
		all.Go(func() { c.follow(ctx, New(settings)) })
	}
	c.await(c.started)
	return c
}

// await waits until each host has sent.
func (c *crowd) await(each chan struct{}) {
	c.b.Helper()
	late := time.After(5 * time.Minute)
	for n := range c.size {
		select {
		case <-each:
		case <-late:
			c.b.Fatalf("%d hosts of %d were never told", c.size-n, c.size)
		}
	}
}

// follow does what a service does: it reads all rollouts, again where etcd did not answer
// in time, and watches from there on.
func (c *crowd) follow(ctx context.Context, f *Fleet) {
	defer f.Close()
	_, at, err := f.Rollouts(ctx)
	for err != nil && ctx.Err() == nil {
		time.Sleep(time.Second + chance.Below(10*time.Second)) // as package share does
		_, at, err = f.Rollouts(ctx)
	}
	c.started <- struct{}{}
	err = f.Watch(ctx, at, func(r Rollout) {
		for ctx.Err() == nil {
			if entry, err := f.Read(ctx, bundlesAt+r.Name); err == nil && entry.Value != nil {
				c.has <- struct{}{}
				return
			}
			time.Sleep(chance.Below(time.Second)) // all of them at once, on the two cores that etcd has, too
		}
	})
	if ctx.Err() == nil {
		c.b.Errorf("a watch ended: %v", err)
	}
}

func memory() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse + m.StackInuse
}

// metric is what etcd says of itself.
func metric(b *testing.B, etcd *fleettest.Cluster, name string) float64 {
	b.Helper()
	response, err := http.Get(etcd.Members[0].URL + "/metrics")
	if err != nil {
		b.Fatal(err)
	}
	defer response.Body.Close()
	for lines := bufio.NewScanner(response.Body); lines.Scan(); {
		if value, found := strings.CutPrefix(lines.Text(), name+" "); found {
			n, err := strconv.ParseFloat(value, 64)
			if err != nil {
				b.Fatal(err)
			}
			return n
		}
	}
	b.Fatalf("etcd does not say %s", name)
	return 0
}
