package agent

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/user"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"dvagent/agent/config"
	"dvagent/agent/order"
	"dvagent/deploy"
	"dvagent/internal/aliyun"
	"dvagent/internal/command"
	"dvagent/internal/hint"
)

// Finding is one thing that was checked.
type Finding struct {
	Subject string // such as a certificate, a path or an account
	OK      string // what was found to be right; empty when Err is set
	Err     error
	Warning bool // Err does not keep the agent from working
}

// CheckHost looks at paths, permissions, commands and the clock of this host,
// and at the TLS servers of its nginx. It changes nothing, and contacts nothing
// but what nginx -t does.
func (a *Agent) CheckHost(ctx context.Context, now time.Time) []Finding {
	findings := []Finding{checkStateDir(a.config.StateDir), checkClock(now)}
	for _, certificate := range a.config.Certificates {
		for _, target := range certificate.Deploy {
			for _, finding := range checkTarget(certificate.Name, target) {
				if !slices.Contains(findings, finding) {
					findings = append(findings, finding)
				}
			}
		}
	}
	for _, hook := range a.config.Hooks {
		findings = append(findings, checkCommand("hook", hook.Command))
	}
	return append(findings, a.checkVhosts(ctx, now)...)
}

func checkStateDir(dir string) Finding {
	existing := dir
	for {
		if _, err := os.Stat(existing); err == nil || existing == "/" {
			break
		}
		existing = filepath.Dir(existing)
	}
	if err := unix.Access(existing, unix.W_OK|unix.X_OK); err != nil {
		return Finding{Subject: "state_dir", Err: hint.Add(fmt.Errorf("%s cannot be written: %w", existing, err), "install -d -m 0700 "+dir)}
	}
	return Finding{Subject: "state_dir", OK: dir + " can be written"}
}

// checkClock knows no better clock than the time when this was built.
func checkClock(now time.Time) Finding {
	if now.Year() < 2026 {
		return Finding{Subject: "clock", Err: fmt.Errorf("it shows %s, which has passed", now.Format(time.DateOnly))}
	}
	return Finding{Subject: "clock", OK: "shows " + now.Format(time.RFC3339)}
}

func checkTarget(name string, target deploy.Target) []Finding {
	var findings []Finding
	for _, path := range target.Paths() {
		finding := Finding{Subject: name, OK: path + " can be written"}
		if err := unix.Access(filepath.Dir(path), unix.W_OK|unix.X_OK); err != nil {
			finding = Finding{Subject: name, Err: fmt.Errorf("%s cannot be written: its directory: %w", path, err)}
		}
		findings = append(findings, finding)
	}
	if err := checkOwner(target); err != nil {
		findings = append(findings, Finding{Subject: name, Err: err})
	}
	for _, argv := range [][]string{target.Check, target.Reload} {
		if len(argv) > 0 {
			findings = append(findings, checkCommand(name, argv))
		}
	}
	if len(target.Probe) == 0 {
		findings = append(findings, Finding{Subject: name, Warning: true, Err: hint.Add(
			fmt.Errorf("%s has no probe: whether the certificate is served will not be seen", target.String()),
			`add probe = ["127.0.0.1:443"]`)})
	}
	return findings
}

func checkOwner(target deploy.Target) error {
	if _, err := strconv.Atoi(target.Owner); target.Owner != "" && err != nil {
		if _, err := user.Lookup(target.Owner); err != nil {
			return fmt.Errorf("owner %q: %w", target.Owner, err)
		}
	}
	if _, err := strconv.Atoi(target.Group); target.Group != "" && err != nil {
		if _, err := user.LookupGroup(target.Group); err != nil {
			return fmt.Errorf("group %q: %w", target.Group, err)
		}
	}
	return nil
}

func checkCommand(subject string, argv []string) Finding {
	path, err := command.LookPath(argv)
	if err != nil {
		return Finding{Subject: subject, Err: err}
	}
	return Finding{Subject: subject, OK: path + " can be run"}
}

// CheckOnline asks each account for what the agent will need of it. It changes
// nothing.
func (a *Agent) CheckOnline(ctx context.Context) []Finding {
	var findings []Finding
	for _, name := range slices.Sorted(maps.Keys(a.config.Accounts)) {
		findings = append(findings, a.checkAccount(ctx, name)...)
	}
	before := a.newPreflight()
	read := map[string]bool{} // whose records were looked through
	for _, certificate := range a.config.Certificates {
		findings = append(findings, a.checkProofs(ctx, before, certificate, read)...)
	}
	return findings
}

func (a *Agent) checkAccount(ctx context.Context, name string) []Finding {
	subject := "account " + name
	client, err := a.Client(name)
	if err != nil {
		return []Finding{{Subject: subject, Err: err}}
	}
	instances, err := client.DescribeOrderInstanceList(ctx)
	if err != nil {
		return []Finding{{Subject: subject, Err: err}}
	}
	findings := []Finding{{Subject: subject, OK: "the credentials are accepted"}, a.checkSpare(name, instances)}
	if _, err := client.DescribeUserCertificateList(ctx); err != nil {
		findings = append(findings, Finding{Subject: subject, Err: err})
	}
	return findings
}

// checkSpare compares the spare instances with the certificates of the account.
func (a *Agent) checkSpare(account string, instances []aliyun.Instance) Finding {
	spare, needed := 0, 0
	for _, i := range instances {
		if i.DV() && i.Status.Spare() {
			spare++
		}
	}
	for _, certificate := range a.config.Certificates {
		if certificate.Account == account {
			needed++
		}
	}
	text := fmt.Sprintf("%d spare DV instances for the next renewal of %d certificates", spare, needed)
	if spare < needed {
		return Finding{Subject: "account " + account, Warning: true, Err: hint.Add(errors.New(text), "buy more DV instances in time")}
	}
	return Finding{Subject: "account " + account, OK: text}
}

// issuers are the CAA names of the CAs whose DV certificates CAS sells.
var issuers = []string{
	"digicert.com", "digicert.cn", "geotrust.com", "rapidssl.com", "thawte.com", "symantec.com",
	"globalsign.com", "cfca.com.cn", "vtrus.cn", "sectigo.com", "trust-provider.com",
}

// checkProofs looks at each zone that the certificate's record may go into.
func (a *Agent) checkProofs(ctx context.Context, before preflight, certificate config.Certificate, read map[string]bool) []Finding {
	proofs, err := a.proofs(ctx, certificate.Name, certificate.DNSAccount, certificate.Domains)
	var findings []Finding
	if err != nil {
		findings = append(findings, Finding{Subject: certificate.Name, Err: err})
	}
	for _, proof := range proofs {
		findings = append(findings, a.checkProof(ctx, before, certificate.Name, proof, read)...)
	}
	return findings
}

func (a *Agent) checkProof(ctx context.Context, before preflight, certificate string, proof proof, read map[string]bool) []Finding {
	client, err := a.Client(proof.account)
	if err != nil {
		return []Finding{{Subject: certificate, Err: err}}
	}
	seen, err := before.of(ctx, certificate, proof)
	if err != nil {
		return []Finding{{Subject: certificate, Err: err}}
	}
	zone := proof.zone.Name
	findings := []Finding{{Subject: certificate, OK: "zone " + zone + " is hosted here and can be read"}}
	if key := proof.account + " " + zone; !read[key] {
		read[key] = true
		findings = append(findings, a.checkSuspects(ctx, client, certificate, zone)...)
	}
	for _, f := range seen {
		findings = append(findings, Finding{Subject: certificate, Err: hint.Add(errors.New(f.Text), f.Hint), Warning: !f.Blocks})
	}
	if len(seen) == 0 {
		findings = append(findings, Finding{Subject: certificate, OK: "the name servers of " + zone + ", DNSSEC and CAA allow an order"})
	}
	return findings
}

// checkValue is the form of the values that CAS wants to see: a date, and then
// what nobody would write by hand.
var checkValue = regexp.MustCompile(`^20[0-9]{6}[0-9a-z]{20,}$`)

// checkSuspects lists the TXT records that look like ours and that no journal
// knows: only when journal and ledger were both lost can one have stayed. They
// are for a person to judge; nothing here deletes by a pattern.
func (a *Agent) checkSuspects(ctx context.Context, client *aliyun.Client, certificate, zone string) []Finding {
	records, err := client.DescribeDomainRecords(ctx, zone, "_", "TXT")
	if err != nil {
		return []Finding{{Subject: certificate, Err: err}}
	}
	known, err := order.LoadOwed(a.config.StateDir)
	if err != nil {
		return []Finding{{Subject: certificate, Err: err}}
	}
	ours := map[string]bool{}
	for _, entry := range known.All() {
		ours[entry.Record.Value] = true
	}
	var findings []Finding
	for _, r := range records {
		value := strings.Trim(r.Value, `"`)
		if !strings.HasPrefix(r.RR, "_") || !checkValue.MatchString(value) || ours[value] {
			continue
		}
		findings = append(findings, Finding{Subject: certificate, Warning: true, Err: hint.Add(
			fmt.Errorf("the TXT record %q in zone %s may be left from an order that no journal here knows", r.RR, zone),
			"if no other host has an order open, delete record "+r.RecordID+" in the DNS console")})
	}
	return findings
}
