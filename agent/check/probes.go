package check

import (
	"context"
	"crypto/x509"
	"fmt"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"dvagent/agent/config"
	"dvagent/deploy"
	"dvagent/internal/bundle"
	"dvagent/internal/hint"
)

// look is one probe, and the leaf that it is to show; nil before there is one.
type look struct {
	certificate, probe, serverName string
	leaf                           *x509.Certificate
}

// atOnce bounds the probes that are tried side by side: one that nobody answers
// takes seconds.
const atOnce = 128

// probes shakes hands once with each probe. What it finds is no more than a
// warning: before the first deployment there may be neither server nor
// certificate.
func (c *Check) probes(ctx context.Context) []Finding {
	var looks []look
	known := map[look]bool{}
	for _, certificate := range c.host.Config.Certificates {
		leaf := sync.OnceValue(func() *x509.Certificate { return c.current(certificate) })
		for _, target := range certificate.Deploy {
			for _, probe := range target.Probe {
				if l := (look{certificate.Name, probe, target.ServerName, leaf()}); !known[l] {
					known[l], looks = true, append(looks, l)
				}
			}
		}
	}
	findings := make([]Finding, len(looks))
	var group errgroup.Group
	group.SetLimit(atOnce)
	for i, l := range looks {
		group.Go(func() error {
			findings[i] = l.try(ctx)
			return nil
		})
	}
	_ = group.Wait() // what fails is a finding
	return findings
}

// current is the leaf that the certificate's targets are to serve, or nil.
func (c *Check) current(certificate config.Certificate) *x509.Certificate {
	store := c.host.Dir.Store(certificate.Name)
	version, err := store.Current()
	if err != nil || version == "" {
		return nil
	}
	leaf, err := bundle.LoadLeaf(store.Path(version))
	if err != nil { // status says so
		return nil
	}
	return leaf
}

func (l look) try(ctx context.Context) Finding {
	h := deploy.Probe(ctx, l.probe, l.serverName, l.leaf)
	switch {
	case h.Err != nil:
		return l.warn(h.Err, l.advice(ctx, h))
	case l.leaf != nil && h.Fingerprint != bundle.Fingerprint(l.leaf):
		return l.warn(fmt.Errorf("%s, which is not dvagent's", h), "dvagent renew installs it, and says what hinders it")
	}
	return Finding{Subject: l.certificate, OK: h.String()}
}

func (l look) warn(err error, advice string) Finding {
	return Finding{Subject: l.certificate, Warning: true, Err: hint.Add(err, advice)}
}

func (l look) advice(ctx context.Context, h deploy.Handshake) string {
	if !h.Connected {
		return "start the server that listens there, or correct the probe: no deployment counts before it is seen"
	}
	through := "proxy://" + l.probe
	if strings.Contains(l.probe, "://") {
		through = "proxy+" + l.probe
	}
	if deploy.Probe(ctx, through, l.serverName, l.leaf).Err == nil {
		return fmt.Sprintf("the listener wants the PROXY protocol: write probe = [%q]", through)
	}
	return "see what listens there: no deployment counts before it is seen"
}
