package view

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"dvagent/internal/words"
)

// standstill is how long nothing may move: no call, no file, no command within
// its time limit.
const standstill = 15 * time.Minute

// StandsStill says how long the scheduler has done nothing, or 0 while that is
// no longer than a pass may take.
func (g *Glance) StandsStill(now time.Time) time.Duration {
	if still := now.Sub(g.Alive); still > standstill {
		return still.Round(time.Second)
	}
	return 0
}

// mostNamed bounds a line that names certificates.
const mostNamed = 10

// Healthy says what is wrong: a scheduler that stands still, passes that fail
// as a whole, certificates that are close to their end.
func (g *Glance) Healthy(now time.Time) error {
	var wrong []string
	if still := g.StandsStill(now); still > 0 {
		wrong = append(wrong, fmt.Sprintf("the scheduler stands still since %s", still))
	}
	if g.PassError != nil {
		wrong = append(wrong, "the last pass failed: "+g.PassError.Error)
	}
	if g.Unread != nil {
		wrong = append(wrong, strings.ReplaceAll(g.Unread.Error(), "\n", "; "))
	}
	emergencies := 0
	for _, seen := range g.Certificates {
		if !seen.Emergency {
			continue
		}
		if emergencies++; emergencies <= mostNamed {
			wrong = append(wrong, fmt.Sprintf("certificate %s ends on %s", seen.Name, words.Minute(seen.NotAfter)))
		}
	}
	if emergencies > mostNamed {
		wrong = append(wrong, fmt.Sprintf("and so do %d more", emergencies-mostNamed))
	}
	if wrong == nil {
		return nil
	}
	return errors.New(strings.Join(wrong, "; "))
}
