package simulate

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"dvagent/agent"
	"dvagent/internal/network"
)

// How often a host asks in an hour, at most. An order that waits is looked at each half
// minute. What fails is tried anew every five minutes, while a certificate is about to end
// that was issued for an hour every 36 seconds, and each time the same request is sent up
// to four times.
const (
	mostCalls = 450  // of one operation
	mostDials = 450  // of one address
	mostDNS   = 1500 // questions to one name server
	mostSent  = 2000 // requests to the cloud
)

// tally counts the connections that a host makes, or tries to, by network and address.
type tally struct {
	mu     sync.Mutex
	counts map[string]int
}

func (t *tally) add(what string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.counts == nil {
		t.counts = map[string]int{}
	}
	t.counts[what]++
}

// count is how often something was done since it was taken last.
func (t *tally) count(what string) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.counts[what]
}

// asked notes that the host sends something to the cloud. Who does that without a pause
// holds up the time, and the next hour does not come: it is told at once.
func (h *host) asked() {
	hour := fmt.Sprint(time.Now().Unix() / 3600)
	h.sent.add(hour)
	if h.sent.count(hour) == mostSent+1 {
		h.world.violated("%s sent %d requests within an hour", h.name, mostSent)
	}
}

// take is what was counted since it was taken last.
func (t *tally) take() map[string]int {
	t.mu.Lock()
	defer t.mu.Unlock()
	taken := t.counts
	t.counts = nil
	return taken
}

// checkCalls wants nobody to ask the cloud, or anybody else, again and again.
func (w *world) checkCalls() {
	calls := map[string]int{}
	for _, r := range w.cloud.History() {
		calls[r.Action]++
	}
	w.cloud.ClearHistory()
	for operation, n := range calls {
		if n > mostCalls*len(w.hosts) {
			w.violated("%s was called %d times in an hour", operation, n)
		}
	}
	for _, h := range w.hosts {
		h.sent.take()
		for what, n := range h.dialled.take() {
			most := mostDials
			if strings.HasPrefix(what, "udp") {
				most = mostDNS
			}
			if n > most {
				w.violated("%s connected to %s %d times in an hour", h.name, what, n)
			}
		}
	}
}

func TestAHostThatAsksEachSecondIsNoticed(t *testing.T) {
	notUnderRace(t)
	for _, tt := range []struct {
		name     string
		keeps    bool // its connection
		every    time.Duration
		violated string
	}{
		{"calls each second", true, time.Second, "DescribeDomains was called 3600 times in an hour"},
		{"connects each second", false, time.Second, "host1 connected to tcp"},
		{"calls each second minute", true, 2 * time.Minute, ""},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := create(t, 1)
			defer w.close()
			w.hosts[0].once(func(ctx context.Context, _ *agent.Agent) error {
				transport := &http.Transport{DialContext: network.Of(ctx, nil).DialContext, DisableKeepAlives: !tt.keeps}
				defer transport.CloseIdleConnections()
				question, err := http.NewRequestWithContext(ctx, http.MethodGet, w.cloud.Ready().API+"/?Action=DescribeDomains", nil)
				if err != nil {
					return err
				}
				for end := time.Now().Add(time.Hour); time.Now().Before(end); time.Sleep(tt.every) {
					answer, err := transport.RoundTrip(question)
					if err != nil {
						return err
					}
					_, _ = io.Copy(io.Discard, answer.Body)
					answer.Body.Close()
				}
				return nil
			})
			w.checkCalls()
			told := strings.Join(w.violations(), "\n")
			if !strings.Contains(told, tt.violated) || tt.violated == "" && told != "" {
				t.Errorf("a host that %s: %q", tt.name, told)
			}
		})
	}
}
