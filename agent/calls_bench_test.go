package agent

import (
	"flag"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dvagent/agent/issue/cas2020"
	"dvagent/agent/order"
	"dvagent/agent/state"
	"dvagent/internal/aliyun"
	"dvagent/internal/sandbox"
)

// What benchmarks wait for; docs/performance.md has longer times.
var (
	issueTakes  = flag.Duration("takes", time.Second, "how long the CA takes in BenchmarkCalls")
	answersTake = flag.Duration("answers", 100*time.Millisecond, "how long each answer of the API takes in BenchmarkSlowAPI")
)

// BenchmarkCalls reports what orders ask of the API: the first one of an account, the
// next ones, and a hundred at once, the first ones of their account and the next ones. The CA
// takes the time of a flag.
func BenchmarkCalls(b *testing.B) {
	for _, api := range []string{order.API2018, cas2020.API} {
		b.Run(api+"/alone", func(b *testing.B) {
			s := callsSandbox(b, 1)
			a := burstAgent(b, s, b.TempDir(), api, 1, nil)
			for b.Loop() {
				for i, name := range []string{"first", "second", "third"} {
					renewAll(b, a, i > 0)
					calls, late := callsAndLate(s)
					b.ReportMetric(float64(calls), "calls/"+name)
					b.ReportMetric(late.Seconds()/issueTakes.Seconds()*100, "%late/"+name)
				}
			}
		})
		b.Run(api+"/hundred", func(b *testing.B) {
			for b.Loop() {
				s := callsSandbox(b, 100)
				a := burstAgent(b, s, b.TempDir(), api, 100, nil)
				for i, name := range []string{"first", "second"} {
					renewAll(b, a, i > 0)
					calls, _ := callsAndLate(s)
					b.ReportMetric(float64(calls)/100, "calls/"+name)
				}
			}
		})
	}
}

func callsSandbox(b *testing.B, many int) *sandbox.Sandbox {
	b.Helper()
	s, err := sandbox.Start(sandbox.Options{Instances: 3 * many, KeyType: "ECC_256", IssueAfter: *issueTakes, Propagation: []time.Duration{time.Millisecond}})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close() })
	return s
}

func renewAll(b *testing.B, a *Agent, force bool) {
	b.Helper()
	outcomes, err := a.Renew(b.Context(), Renewal{Force: force, Timeout: 30 * time.Minute, Caller: tester})
	if err != nil || state.Worst(outcomes) != state.Served {
		b.Fatal(err, outcomes)
	}
}

// callsAndLate counts the calls, and tells how long after the issue the certificate was
// asked for; of the last order.
func callsAndLate(s *sandbox.Sandbox) (calls int, late time.Duration) {
	history := s.History()
	s.ClearHistory()
	for _, request := range history {
		if request.Action == "DeleteDomainRecord" {
			late = request.Time.Sub(lastSeen(s).Add(*issueTakes))
		}
	}
	return len(history), late
}

func lastSeen(s *sandbox.Sandbox) (seen time.Time) {
	for _, o := range s.Orders() {
		if o.Seen.After(seen) {
			seen = o.Seen
		}
	}
	return seen
}

// BenchmarkSlowAPI reports how long a hundred orders take where each answer takes the
// time of a flag, in all and as a share of what the requests would take at the limit, and
// when the first certificate was collected. The requests to CAS and to AliDNS are limited
// apart.
func BenchmarkSlowAPI(b *testing.B) {
	for b.Loop() {
		s, err := sandbox.Start(sandbox.Options{Instances: 100, KeyType: "ECC_256", IssueAfter: time.Millisecond, Propagation: []time.Duration{time.Millisecond}})
		if err != nil {
			b.Fatal(err)
		}
		dir := b.TempDir()
		text := strings.ReplaceAll(s.AgentConfig(filepath.Join(dir, "state")), s.Ready().API, slowed(b, s.Ready().API, *answersTake))
		begun := time.Now()
		renewAll(b, burstAgentOf(b, text, dir, order.API2018, 100, nil), false)
		took, requests, collected := time.Since(begun), map[string]int{}, time.Duration(0)
		for _, request := range s.History() {
			if request.Action == "DeleteDomainRecord" && collected == 0 {
				collected = request.Time.Sub(begun)
			}
			requests[request.API]++
		}
		allowed := float64(max(requests["cas"], requests["alidns"])) / aliyun.DefaultRequestsPerSecond
		b.ReportMetric(took.Seconds(), "s-in-all")
		b.ReportMetric(collected.Seconds(), "s-to-first")
		b.ReportMetric(took.Seconds()/allowed*100, "%of-allowed")
		b.ReportMetric(float64(requests["cas"]), "CAS-calls")
		b.ReportMetric(float64(requests["alidns"]), "AliDNS-calls")
		s.Close()
	}
}
