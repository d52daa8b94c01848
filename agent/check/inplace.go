package check

import (
	"errors"
	"fmt"

	"dvagent/agent/state"
	"dvagent/internal/hint"
)

// checkInPlace warns where a certificate has no version yet and the pair that its
// targets hold will not become one; and else where a target keeps a newer pair of
// somebody else's, or this host does not trust who issued the version.
func (l *targetsLook) checkInPlace(s state.Snapshot) []Finding {
	if s.Newest != "" {
		return append(l.checkLeft(s), l.checkTrust(s.Config.Name, s.Store.Path(s.Current))...)
	}
	if _, warning := l.host.Foresee(s, l.now); warning != "" {
		return []Finding{{Subject: s.Config.Name, Warning: true, Err: hint.Add(errors.New(warning),
			"where its CA is to be trusted, add its root to those of this host; where the files are to stay, take the target out")}}
	}
	return nil
}

func (l *targetsLook) checkLeft(s state.Snapshot) []Finding {
	var findings []Finding
	for _, target := range s.Config.Deploy {
		if pair := l.host.Keeps(s, target, l.now); pair != nil {
			findings = append(findings, Finding{Subject: s.Config.Name, Warning: true, Err: hint.Add(
				fmt.Errorf("%s holds a newer pair that somebody else put there, %s", target.String(), state.Describe(pair)),
				"where it is not to stay: dvagent deploy "+s.Config.Name)})
		}
	}
	return findings
}

// checkTrust looks at a stored version.
func (l *targetsLook) checkTrust(certificate, version string) []Finding {
	leaf, untrusted, err := l.trust.Stored(version, l.now)
	if err != nil || untrusted == nil || !l.now.Before(leaf.NotAfter) {
		return nil
	}
	return []Finding{{Subject: certificate, Warning: true, Err: hint.Add(
		fmt.Errorf("the current version is %s: %w", state.DescribeLeaf(leaf), untrusted),
		"where clients do not trust it either: dvagent renew --force "+certificate)}}
}
