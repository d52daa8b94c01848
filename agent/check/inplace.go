package check

import (
	"errors"
	"time"

	"dvagent/agent/config"
	"dvagent/internal/hint"
)

// checkInPlace warns where a certificate has no version yet and the pair that its
// targets hold will not become one.
func (c *Check) checkInPlace(certificate config.Certificate, now time.Time) []Finding {
	s, err := c.host.Dir.Read(certificate)
	if err != nil || s.Newest != "" {
		return nil // status says what is wrong with the state
	}
	if _, warning := c.host.Foresee(s, now); warning != "" {
		return []Finding{{Subject: certificate.Name, Warning: true, Err: hint.Add(errors.New(warning),
			"where its CA is to be trusted, add its root to those of this host; where the files are to stay, take the target out")}}
	}
	return nil
}
