package fleet

import (
	"bufio"
	"context"
	"errors"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"dvagent/agent/fleet/fleettest"
	"dvagent/internal/bundle/bundletest"
)

// BenchmarkWatchers is how long it takes from a publication until the last of many
// watchers has read the bundle: each with a connection of its own, in one process, from
// one etcd.
func BenchmarkWatchers(b *testing.B) {
	watchers := 300
	if os.Getenv("DVAGENT_LONG_TESTS") == "1" {
		watchers = 3000
	} else {
		b.Log("only 300; DVAGENT_LONG_TESTS=1 makes 3,000")
	}
	if n, err := strconv.Atoi(os.Getenv("DVAGENT_WATCHERS")); err == nil {
		watchers = n
	}
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
	ctx, cancel := context.WithCancel(b.Context())
	has := make(chan string, watchers)
	var all sync.WaitGroup
	defer all.Wait()
	defer cancel()
	before := memory()
	began := time.Now()
	for range watchers {
		watcher := New(settings)
		_, at, err := watcher.Rollouts(ctx) // as a service does that starts
		if err != nil {
			b.Fatal(err)
		}
		all.Go(func() {
			defer watcher.Close()
			err := watcher.Watch(ctx, at, func(r Rollout) {
				for try := range 20 { // all of them at once, on the two cores that etcd has, too
					entry, err := watcher.Read(ctx, bundlesAt+r.Name)
					if err == nil && entry.Value != nil {
						has <- r.ID
						return
					}
					time.Sleep(time.Duration(try) * 100 * time.Millisecond)
				}
				b.Error("a watcher reads no bundle")
			})
			if !errors.Is(err, context.Canceled) && ctx.Err() == nil {
				b.Errorf("a watch ended: %v", err)
			}
		})
	}
	started := time.Since(began)
	time.Sleep(time.Second) // the last watches begin: those that are late are told all the same
	used := memory() - before
	ca := bundletest.NewCA(b, "CA")
	for b.Loop() {
		pair := ca.Issue(b, bundletest.Leaf{Names: []string{"example.com"}})
		busy, began := metric(b, etcd, "process_cpu_seconds_total"), time.Now()
		if read, err = host.Publish(b.Context(), read, Publication{Bundle: pair, By: "host", At: time.Now()}); err != nil {
			b.Fatal(err)
		}
		for range watchers {
			select {
			case <-has:
			case <-time.After(time.Minute):
				b.Fatal("a watcher was never told")
			}
		}
		b.ReportMetric(float64(time.Since(began).Milliseconds()), "ms/last")
		b.ReportMetric(metric(b, etcd, "process_cpu_seconds_total")-busy, "etcd-cpu-s")
	}
	b.ReportMetric(started.Seconds(), "s/start")
	b.ReportMetric(float64(used)/float64(watchers)/1024, "KiB/watcher")
	b.ReportMetric(metric(b, etcd, "process_resident_memory_bytes")/(1<<20), "etcd-MiB")
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
