package dashboard

import (
	"time"

	"dvagent/agent"
)

// horizon is how far coming renewals are looked for.
const horizon = 30 * 24 * time.Hour

// comingRenewals counts, for each account that has certificates, those that
// want an instance within the horizon.
func comingRenewals(g *agent.Glance) map[string]int {
	coming := map[string]int{}
	for i := range g.Certificates {
		c := &g.Certificates[i]
		due := c.Reason != "" || !c.RenewsAt.IsZero() && c.RenewsAt.Before(g.At.Add(horizon))
		claimed := c.Order.Open() && c.Order.Instance != ""
		coming[c.Account] += int(number(due && !claimed))
	}
	return coming
}
