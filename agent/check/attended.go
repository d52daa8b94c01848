package check

import (
	"errors"
	"time"

	"dvagent/internal/hint"
)

// Attended says whether anything renews here by itself. A service is one that
// answers.
func (c *Check) Attended(service bool, now time.Time) Finding {
	const subject = "service"
	if service {
		return Finding{Subject: subject, OK: "it runs"}
	}
	u := c.host.Dir.Unattended(now)
	if u.Alarm {
		return Finding{Subject: subject, Warning: true, Err: hint.Add(errors.New(u.Text), u.Hint())}
	}
	return Finding{Subject: subject, OK: u.Text}
}
