package check

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"dvagent/agent/config"
	"dvagent/agent/order"
	"dvagent/agent/proof"
	"dvagent/agent/state"
	"dvagent/filevalidate"
	"dvagent/internal/hint"
)

// Files tries the way of each certificate that files prove: a file of no meaning is
// written into the webroot, looked for as the CA will, and removed. It takes the
// lock as the working commands do. A file that could not be removed is owed, and the
// next pass removes it.
func (c *Check) Files(ctx context.Context, caller state.Caller) ([]Finding, error) {
	byFile := slices.DeleteFunc(slices.Clone(c.host.Config.Certificates), func(one config.Certificate) bool { return one.Webroot == "" })
	if len(byFile) == 0 {
		return nil, nil
	}
	records, unlock, err := c.owedRecords(ctx, caller)
	if err != nil {
		return nil, err
	}
	defer unlock()
	files := proof.NewFiles(proof.NewDNS(c.zones))
	var findings []Finding
	for _, certificate := range byFile {
		if ctx.Err() == nil {
			findings = append(findings, c.file(ctx, files, certificate, records)...)
		}
	}
	return findings, ctx.Err()
}

// owedRecords reads the ledger under the lock.
func (c *Check) owedRecords(ctx context.Context, caller state.Caller) (records *order.Owed, unlock func(), err error) {
	lock, err := c.host.Dir.Lock(ctx, caller)
	if err != nil {
		return nil, nil, err
	}
	err = c.host.Readable(func() (err error) {
		records, err = order.LoadOwed(c.host.Dir.Records())
		return err
	})
	if err != nil {
		_ = lock.Unlock() // the first error is the one to tell
		return nil, nil, err
	}
	return records, func() { _ = lock.Unlock() }, nil
}

func (c *Check) file(ctx context.Context, files *proof.Files, certificate config.Certificate, records *order.Owed) []Finding {
	subject := proof.Subject{Certificate: certificate.Name, Webroot: certificate.Webroot}
	seen, err := files.Foresee(ctx, subject, proof.Site{Domains: certificate.Domains})
	if err != nil {
		return []Finding{{Subject: certificate.Name, Err: err}}
	}
	findings, hinders := []Finding{}, false
	for _, f := range seen {
		hinders = hinders || f.Blocks
		findings = append(findings, Finding{Subject: certificate.Name, Err: hint.Add(errors.New(f.Text), f.Hint), Warning: !f.Blocks})
	}
	if hinders {
		return findings
	}
	verdicts, err := files.Try(ctx, subject, certificate.Domains, proof.Owed{Records: records, Certificate: certificate.Name})
	for _, verdict := range verdicts {
		findings = append(findings, seenAt(certificate, verdict)...)
	}
	if err != nil {
		findings = append(findings, Finding{Subject: certificate.Name, Err: fmt.Errorf("try a file: %w", err)})
	}
	return findings
}

// seenAt is what the addresses of a domain have answered. That one cannot be
// reached may be this host's own trouble.
func seenAt(certificate config.Certificate, verdict filevalidate.Verdict) []Finding {
	if verdict.Visible() {
		return []Finding{{Subject: certificate.Name, OK: verdict.String()}}
	}
	var findings []Finding
	for _, visit := range verdict.Visits {
		unreached := slices.Contains([]filevalidate.Answer{filevalidate.Refused, filevalidate.Silent, filevalidate.Unreachable}, visit.Answer)
		if visit.Answer != filevalidate.Shown {
			findings = append(findings, Finding{Subject: certificate.Name, Warning: unreached, Err: hint.Add(
				fmt.Errorf("http://%s: %s", verdict.URL, visit), adviceOn(visit.Answer, certificate.Webroot))})
		}
	}
	return findings
}

func adviceOn(answer filevalidate.Answer, webroot string) string {
	switch answer {
	case filevalidate.Refused, filevalidate.Silent:
		return "start a web server there, and let port 80 in: the CA asks over plain HTTP"
	case filevalidate.Unreachable:
		return "see from elsewhere whether the CA can reach it"
	case filevalidate.Elsewhere:
		return "let the server answer for /.well-known/pki-validation/ before it redirects"
	}
	return "let the server show " + webroot + "/.well-known/pki-validation/ at /.well-known/pki-validation/, for everybody"
}

// checkWebroot says whether a file can be written that is to prove the domains.
func checkWebroot(certificate config.Certificate, sandbox sandbox) []Finding {
	if certificate.Webroot == "" {
		return nil
	}
	finding := Finding{Subject: certificate.Name, OK: "webroot " + certificate.Webroot + " can be written"}
	if err := (filevalidate.File{Root: certificate.Webroot, Path: filevalidate.Usual + "/fileauth.txt"}).Writable(); err != nil {
		finding = Finding{Subject: certificate.Name, Err: err}
	}
	return append([]Finding{finding}, sandbox.check(certificate.Name, []string{filepath.Join(certificate.Webroot, ".well-known")})...)
}
