package proof

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"dvagent/agent/order"
	"dvagent/agent/state"
	"dvagent/dnsvalidate"
	"dvagent/filevalidate"
	"dvagent/internal/hint"
)

// Files proves domains by files in a directory that a web server shows. It asks
// no account. One is made for a pass.
type Files struct {
	host    *state.Host
	dns     *DNS
	visitor filevalidate.Visitor
}

var _ Prover = (*Files)(nil)

// NewFiles has asked nothing yet. The resolvers, and what CAA says, are dns's.
func NewFiles(dns *DNS) *Files {
	host := dns.zones.host
	return &Files{host, dns, filevalidate.Visitor{Addresses: dns.zones.prover.Addresses}}
}

// Sites is one site for all domains: they share the webroot.
func (f *Files) Sites(_ context.Context, _ Subject, domains []string) ([]Site, error) {
	return []Site{{Domains: domains}}, nil
}

// Foresee looks whether the file can be written, whether a web server answers at
// port 80 of each domain, and whether CAA lets a CA of ours issue. That a server
// cannot be reached may be this host's own trouble, and blocks nothing.
func (f *Files) Foresee(ctx context.Context, s Subject, at Site) ([]Finding, error) {
	var findings []Finding
	if err := probeFile(s).Writable(); err != nil {
		findings = append(findings, Finding{Blocks: true, Text: err.Error(), Hint: hint.Of(err)})
	}
	for _, domain := range at.Domains {
		findings = append(findings, f.answers(ctx, domain)...)
	}
	findings = append(findings, f.dns.freshPreflight().CAA(ctx, at.Domains, f.dns.cas())...)
	return findings, ctx.Err()
}

// probeFile is a file of no meaning.
func probeFile(s Subject) filevalidate.File {
	return filevalidate.File{Root: s.Webroot, Path: fmt.Sprintf("%s/dvagent-probe-%08x.txt", filevalidate.Usual, rand.Uint32()),
		Content: fmt.Sprintf("dvagent-check-%016x", rand.Uint64())}
}

// answers says which addresses of a domain do not answer at port 80.
func (f *Files) answers(ctx context.Context, domain string) []Finding {
	url := filevalidate.Place{Host: domain, Path: filevalidate.Usual + "/dvagent"}.URL()
	verdict, err := f.visitor.Look(ctx, url, "")
	var none *dnsvalidate.NoAddressError
	if err != nil {
		return []Finding{{Blocks: errors.As(err, &none), Text: err.Error(), Hint: hint.Of(err)}}
	}
	var findings []Finding
	for _, visit := range verdict.Visits {
		if visit.Answer == filevalidate.Refused || visit.Answer == filevalidate.Silent {
			findings = append(findings, Finding{Text: fmt.Sprintf("no web server answers at port 80 of %s: %s", domain, visit),
				Hint: "start one there, and let port 80 in: the CA asks over plain HTTP"})
		}
	}
	return findings
}

// Put writes the file that a challenge names into the webroot.
func (f *Files) Put(ctx context.Context, s Subject, c order.Challenge, ledger Ledger) (record order.Record, ours bool, err error) {
	place := filevalidate.ParsePlace(c.Name)
	file := filevalidate.File{Root: s.Webroot, Path: place.Path, Content: c.Value}
	record = order.Record{Kind: order.File, Zone: file.Root, RR: file.Path, Name: c.Name, Value: c.Value}
	ours, err = f.write(file, &record, ledger)
	return record, ours, err
}

// write puts a file that is owed first. One that stands there already with the
// same content is somebody else's, unless it is owed.
func (f *Files) write(file filevalidate.File, record *order.Record, ledger Ledger) (ours bool, err error) {
	asked := ledger.Asked(*record)
	made := ledger.Made(*record) // before the look: what goes meanwhile, that misses
	is, err := file.Look()
	written := func(content string) bool {
		before := *record
		before.Value = content
		return ledger.Asked(before)
	}
	switch {
	case err != nil:
		return false, f.taken(err, *record, ledger)
	case is.There && is.Content == file.Content && !asked:
		return false, ledger.Note(order.Kept, *record)
	case is.There && is.Content != file.Content && !written(is.Content):
		return false, f.taken(&filevalidate.ForeignError{Path: file.Name()}, *record, ledger)
	}
	record.Made = max(made, is.Missing)
	if !asked {
		if err := ledger.Note(order.Adding, *record); err != nil {
			return false, err
		}
	}
	if err := file.Write(written); err != nil {
		return false, f.taken(err, *record, ledger)
	}
	record.RecordID = file.Name()
	return true, ledger.Note(order.Added, *record)
}

// taken tells the file of another certificate, which goes with its order, from
// one that somebody has to remove.
func (f *Files) taken(err error, r order.Record, ledger Ledger) error {
	var foreign *filevalidate.ForeignError
	if errors.As(err, &foreign) && ledger.Others(r) {
		return &sharedError{foreign.Path}
	}
	return err
}

// sharedError says that another certificate's order has the place for now.
type sharedError struct{ path string }

func (e *sharedError) Error() string {
	return e.path + " is another certificate's for now, whose order is not through"
}

// OperatorHint is for package hint.
func (e *sharedError) OperatorHint() string {
	return "nothing: this order goes on then; certificates whose webroots differ do not wait for each other"
}

// Transient is for state.Transient.
func (e *sharedError) Transient() bool { return true }

// Look asks each address of the host for the file.
func (f *Files) Look(ctx context.Context, r order.Record) (Sight, error) {
	verdict, err := f.visitor.Look(ctx, r.Name, r.Value)
	return Sight{Shown: verdict.Visible(), Enough: verdict.Visible(), Said: verdict.String()}, err
}

// Restore looks into the webroot.
func (f *Files) Restore(_ context.Context, r order.Record, ledger Ledger) (restored bool, err error) {
	file := filevalidate.File{Root: r.Zone, Path: r.RR, Content: r.Value}
	if is, unknown := file.Look(); unknown != nil || is.There {
		return false, nil
	}
	_, err = f.write(file, &r, ledger)
	return err == nil, err
}

// Trace is Look with every request.
func (f *Files) Trace(ctx context.Context, url, content string) (filevalidate.Verdict, error) {
	return f.visitor.Look(ctx, url, content)
}

// Interval grows as that of DNS.
func (f *Files) Interval(looks int) time.Duration { return f.dns.Interval(looks) }

// Remove takes the file away, and the directories that were made for it. What
// somebody has put in its place stays.
func (f *Files) Remove(_ context.Context, r order.Record, ledger Ledger) error {
	file := filevalidate.File{Root: r.Zone, Path: r.RR, Content: r.Value}
	is, _ := file.Look() // Remove tells what is wrong
	left, err := file.Remove(r.Made)
	if err != nil {
		return err
	}
	if left {
		after := r
		after.Value = is.Content
		if !ledger.Asked(after) {
			f.host.Log.Warn("somebody has changed a validation file, which is left as it is", "file", file.Name())
		}
	}
	return ledger.Note(order.Removed, r)
}

// Try writes a file of no meaning, looks for it at each domain as a CA would, and
// removes it. It is owed from before it is written until it is gone.
func (f *Files) Try(ctx context.Context, s Subject, domains []string, ledger Ledger) (verdicts []filevalidate.Verdict, err error) {
	file := probeFile(s)
	record := order.Record{Kind: order.File, Zone: file.Root, RR: file.Path, Value: file.Content,
		Name: filevalidate.Place{Host: domains[0], Path: file.Path}.URL()}
	_, err = f.write(file, &record, ledger)
	for _, domain := range domains {
		if err != nil {
			break
		}
		var verdict filevalidate.Verdict
		url := filevalidate.Place{Host: domain, Path: file.Path}.URL()
		if verdict, err = f.visitor.Look(ctx, url, file.Content); err == nil {
			verdicts = append(verdicts, verdict)
		}
	}
	if !ledger.Asked(record) {
		return verdicts, err
	}
	ctx, cancel := state.Outliving(ctx)
	defer cancel()
	if left := f.Remove(ctx, record, ledger); left != nil {
		err = state.Also(err, fmt.Errorf("%w; the file is still owed, and the next renew or run removes it", left))
	}
	return verdicts, err
}
