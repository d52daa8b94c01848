package main

import (
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"dvagent/dnsvalidate/dnstest"
	"dvagent/internal/sandbox"
)

const fedZone = "example.com"

// feed copies the TXT records of AliDNS into a BIND zone until the test ends,
// and calls changed after each change.
func (c *trial) feed(primary *dnstest.Server, changed func()) {
	stop, done := make(chan struct{}), make(chan struct{})
	c.Cleanup(func() { close(stop); <-done })
	go func() {
		defer close(done)
		shown := map[string]bool{}
		for {
			wanted := c.zoneFile()
			if !maps.Equal(wanted, shown) {
				primary.Update(fedZone, slices.Collect(maps.Keys(shown)), slices.Collect(maps.Keys(wanted)))
				shown = wanted
				changed()
			}
			select {
			case <-stop:
				return
			case <-time.After(10 * time.Millisecond):
			}
		}
	}()
}

// zoneFile is a zone file with the TXT records that AliDNS has now.
func (c *trial) zoneFile() map[string]bool {
	records := map[string]bool{}
	for _, record := range c.sandbox.Records(fedZone) {
		if record.Type == "TXT" {
			records[fmt.Sprintf("%s.%s 600 TXT %q", record.RR, fedZone, record.Value)] = true
		}
	}
	return records
}

// asks makes the agent ask these servers instead of the sandbox's, with further
// lines under [dns].
func (c *trial) asks(servers []*dnstest.Server, lines ...string) {
	c.Helper()
	text, err := os.ReadFile(c.path("agent.toml"))
	if err != nil {
		c.Fatal(err)
	}
	var addresses []string
	for _, server := range servers {
		addresses = append(addresses, fmt.Sprintf("%q", server.Address))
	}
	lines = append(lines, "nameservers = ["+strings.Join(addresses, ", ")+"]")
	old := regexp.MustCompile(`(?m)^nameservers = .*$`)
	if !old.Match(text) {
		c.Fatalf("agent.toml names no name servers:\n%s", text)
	}
	text = old.ReplaceAllLiteral(text, []byte(strings.Join(lines, "\n")))
	if err := os.WriteFile(c.path("agent.toml"), text, 0o600); err != nil {
		c.Fatal(err)
	}
}

// issues ends the order that is open.
func (c *trial) issues() {
	c.Helper()
	orders := c.sandbox.Orders()
	if len(orders) != 1 {
		c.Fatalf("%d orders", len(orders))
	}
	if err := c.sandbox.ForceOrder(orders[0].InstanceID, "issued"); err != nil {
		c.Fatal(err)
	}
}

// newBINDs starts two name servers, of which the second copies the first.
func newBINDs(t *testing.T) (primary, secondary *dnstest.Server) {
	t.Helper()
	primary = dnstest.BIND(t, dnstest.Zone{Name: fedZone})
	secondary = dnstest.BIND(t, dnstest.Zone{Name: fedZone, Primary: primary})
	secondary.Serial(fedZone, 1)
	return primary, secondary
}

func TestARenewalWaitsForBINDAndItsSecondary(t *testing.T) {
	t.Parallel()
	primary, secondary := newBINDs(t)
	c := newTrialAgainst(t, sandbox.Options{Propagation: []time.Duration{time.Millisecond}, IssueAfter: time.Hour})
	c.feed(primary, func() { secondary.Notify(fedZone) })
	c.asks([]*dnstest.Server{primary, secondary})
	p := c.start("dvagent", "renew", "--timeout", "40s")
	if !eventually(func() bool { return strings.Contains(p.output.String(), "2 of 2 visible") }) {
		t.Error("the record did not become visible")
	}
	c.issues()
	c.await(p)
	if code := p.cmd.ProcessState.ExitCode(); code != exitOK {
		t.Errorf("exit code %d:\n%s", code, p.output.String())
	}
	c.converges(1)
}

// fault 32
func TestASecondaryThatNeverCatchesUpEndsTheWaitAndNotTheOrder(t *testing.T) {
	t.Parallel()
	primary, secondary := newBINDs(t)
	c := newTrialAgainst(t, sandbox.Options{Propagation: []time.Duration{time.Millisecond}, IssueAfter: time.Hour})
	c.feed(primary, func() {})
	c.asks([]*dnstest.Server{primary, secondary}, `propagation_timeout = "3s"`)
	p := c.start("dvagent", "renew", "--timeout", "40s")
	c.await(p)
	stale := regexp.MustCompile(regexp.QuoteMeta(secondary.Address) + ` stale \(serial 1, others have \d+\); 1 of 2 visible`)
	if code := p.cmd.ProcessState.ExitCode(); code != exitPending || !stale.MatchString(p.output.String()) {
		t.Errorf("exit code %d:\n%s", code, p.output.String())
	}
	if values := c.published(); len(values) != 2 || c.sandbox.Submitted() != 1 {
		t.Errorf("%d submitted, records %q", c.sandbox.Submitted(), values)
	}
	secondary.Notify(fedZone)
	c.issues()
	c.converges(1)
}
