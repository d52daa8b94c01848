package agent

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"dvagent/agent/issue/cas2020"
	"dvagent/agent/order"
	"dvagent/agent/state"
	"dvagent/internal/sandbox"
)

// manyDue are how many certificates fall due at once.
var manyDue = flag.Int("due", 300, "how many certificates fall due at once in BenchmarkManyDueAtOnce")

// BenchmarkManyDueAtOnce reports what it costs when many certificates of one server are
// due at once: API calls, runs of the reload that they share, processor time with that
// of the stand-ins, and how long after their issue the first one and the one in the
// middle were in place.
func BenchmarkManyDueAtOnce(b *testing.B) {
	for _, api := range []string{order.API2018, cas2020.API} {
		b.Run(api, func(b *testing.B) { benchmarkBurst(b, api, *manyDue) })
	}
}

const issuedAfter = 5 * time.Second

func benchmarkBurst(b *testing.B, api string, many int) {
	for b.Loop() {
		s, err := sandbox.Start(sandbox.Options{Instances: many, KeyType: "ECC_256", IssueAfter: issuedAfter, Propagation: []time.Duration{time.Millisecond}})
		if err != nil {
			b.Fatal(err)
		}
		dir := b.TempDir()
		var mu sync.Mutex
		inPlace := map[string]time.Time{}
		a := burstAgent(b, s, dir, api, many, func(e state.Event) {
			if p, ok := e.(state.Progress); ok && p.Step == state.StepDeploy && strings.HasPrefix(p.Text, "installed") {
				mu.Lock()
				defer mu.Unlock()
				inPlace[p.Certificate] = time.Now()
			}
		})
		begun, before := time.Now(), processorTime(b)
		outcomes, err := a.Renew(context.Background(), Renewal{Timeout: 30 * time.Minute, Caller: tester})
		if err != nil || state.Worst(outcomes) != state.Served {
			b.Fatal(err, state.Worst(outcomes))
		}
		b.ReportMetric(time.Since(begun).Seconds(), "s-to-last")
		b.ReportMetric((processorTime(b) - before).Seconds(), "CPU-s")
		reportBurst(b, s, dir, inPlace)
		s.Close()
	}
}

// burstAgent has many certificates, each with a deployment on one server.
func burstAgent(b *testing.B, s *sandbox.Sandbox, dir, api string, many int, observe state.Observer) *Agent {
	b.Helper()
	return burstAgentOf(b, s.AgentConfig(filepath.Join(dir, "state"))+"[limits]\nrequests_per_second = 500\nparallel_orders = 64\n", dir, api, many, observe)
}

// burstAgentOf is burstAgent in a configuration, whose certificates it replaces.
func burstAgentOf(b *testing.B, text, dir, api string, many int, observe state.Observer) *Agent {
	b.Helper()
	text = strings.Replace(text, "[account.main]", fmt.Sprintf("[account.main]\ncas_api = %q", api), 1)
	text = text[:strings.Index(text, "[[certificate]]")] + limitsOf(text)
	address := serveByName(b, dir)
	for i := range many {
		name := fmt.Sprintf("host%d.example.com", i)
		text += fmt.Sprintf("[[certificate]]\nname = %q\ndomains = [%q]\nkey_type = \"ec256\"\n  [[certificate.deploy]]\n  fullchain = %q\n  key = %q\n"+
			"  reload = [\"sh\", \"-c\", \"echo reload >> %s\"]\n  probe = [%q]\n",
			name, name, filepath.Join(dir, name+".pem"), filepath.Join(dir, name+".key"), filepath.Join(dir, "reloads"), address)
	}
	return agentOf(b, dir, text, observe)
}

// limitsOf is the table of the limits at the end of a configuration, or "".
func limitsOf(text string) string {
	_, limits, found := strings.Cut(text, "[limits]")
	if !found {
		return ""
	}
	return "[limits]" + limits
}

func reportBurst(b *testing.B, s *sandbox.Sandbox, dir string, inPlace map[string]time.Time) {
	b.Helper()
	reloads, err := os.ReadFile(filepath.Join(dir, "reloads"))
	if err != nil {
		b.Fatal(err)
	}
	calls := map[string]int{}
	for _, request := range s.History() {
		calls[request.Action]++
	}
	b.Log(calls)
	var late []time.Duration
	var first sandbox.Order
	for _, o := range s.Orders() {
		late = append(late, inPlace[o.Domains[0]].Sub(o.Seen.Add(issuedAfter)))
		if first.Seen.IsZero() || o.Seen.Before(first.Seen) {
			first = o
		}
	}
	slices.Sort(late)
	b.ReportMetric(float64(len(s.History()))/float64(len(inPlace)), "calls/order")
	b.ReportMetric(float64(strings.Count(string(reloads), "\n")), "reloads")
	b.ReportMetric(inPlace[first.Domains[0]].Sub(first.Seen.Add(issuedAfter)).Seconds(), "s-late-first")
	b.ReportMetric(late[len(late)/2].Seconds(), "s-late-median")
}

// processorTime is what this process and those that it waited for have used.
func processorTime(b *testing.B) (used time.Duration) {
	b.Helper()
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var usage syscall.Rusage
		if err := syscall.Getrusage(who, &usage); err != nil {
			b.Fatal(err)
		}
		used += time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
	}
	return used
}
