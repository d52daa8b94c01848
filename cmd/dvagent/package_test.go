package main

import (
	"fmt"
	"os"
	"strings"
	"time"

	"dvagent/agent/state"
	"dvagent/internal/journal"
)

const product = "digicert-free-1-free"

// ordersFromPackage changes the trial's configuration.
func (c *trial) ordersFromPackage() {
	c.Helper()
	config := c.path("agent.toml")
	text, err := os.ReadFile(config)
	if err != nil {
		c.Fatal(err)
	}
	const both = `domains = ["example.com", "*.example.com"]`
	if !strings.Contains(string(text), both) {
		c.Fatalf("the configuration has other domains:\n%s", text)
	}
	changed := strings.Replace(string(text), both, "domains = [\"www.example.com\"]\npackage = \""+product+"\"", 1)
	if err := os.WriteFile(config, []byte(changed), 0o600); err != nil {
		c.Fatal(err)
	}
}

func (c *trial) takesOfPackage() bool { return len(c.sandbox.Packages()) > 0 }

// waitsForLostAnswers dates back what was written, by more than an order is
// looked for whose answer was lost.
func (c *trial) waitsForLostAnswers() {
	c.Helper()
	if c.takesOfPackage() {
		dir := state.Dir(c.path("state"))
		c.dateBack(dir.OrderJournal("example.com"))
		c.dateBack(dir.Instances())
	}
}

func (c *trial) dateBack(path string) {
	c.Helper()
	log, facts, err := journal.Open[map[string]any](path)
	if err != nil {
		c.Fatal(err)
	}
	if len(facts) == 0 {
		return
	}
	for _, fact := range facts {
		at, err := time.Parse(time.RFC3339Nano, fmt.Sprint(fact["at"]))
		if err != nil {
			c.Fatal(err)
		}
		fact["at"] = at.Add(-10 * time.Minute)
	}
	if err := log.Rewrite(facts); err != nil {
		c.Fatal(err)
	}
}
