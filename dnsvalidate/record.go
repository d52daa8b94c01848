package dnsvalidate

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"dvagent/internal/aliyun"
	"dvagent/internal/hint"
)

// Provider is the part of AliDNS that is used; *aliyun.Client has it.
type Provider interface {
	// DescribeSubDomainRecords lists the records at fqdn; an empty recordType means every type.
	DescribeSubDomainRecords(ctx context.Context, zone, fqdn, recordType string) ([]aliyun.Record, error)
	AddDomainRecord(ctx context.Context, r aliyun.Record) (recordID string, err error)
	// DeleteDomainRecord succeeds when the record is already gone.
	DeleteDomainRecord(ctx context.Context, recordID string) error
}

// Record is a validation record that was made here, or is to be.
type Record struct {
	Zone     string // A-labels
	RR       string // relative to Zone, "@" at the apex
	Name     string // the whole name, without a trailing dot
	Type     string // "TXT" or "CNAME"; empty is TXT
	Value    string // CheckValue, without quotes; a CNAME's is the host name that it leads to
	RecordID string // AliDNS's RecordId, empty while it is not known
}

// Publication is a validation record that is to be published.
type Publication struct {
	Record    Record
	TTL       int          // seconds
	Attempted bool         // an earlier add may have been applied without an answer: the record found is then ours
	BeforeAdd func() error // called right before an add is sent; its error stops it
}

// Presence says which record shows the value. Ours is false when somebody
// else's identical record stood there first: it serves, and must be kept.
// Refused stands beside an error alone: the first add of the record was sent,
// and certainly not applied, so that nothing stands there because of us.
type Presence struct {
	RecordID string
	Ours     bool
	Refused  bool
}

// CNAMEError says that a CNAME stands at a validation name, so that no TXT
// record can. Where Settings.DelegateZone knows the target, the record belongs there.
type CNAMEError struct{ Name, Target string }

func (e *CNAMEError) Error() string {
	return fmt.Sprintf("a CNAME to %q stands at %s", e.Target, e.Name)
}

// OperatorHint is for package hint.
func (e *CNAMEError) OperatorHint() string {
	return "remove the CNAME, or list the zone that it leads into under delegate in [dns]"
}

// ConflictError says that another record stands at the name of a CNAME that is
// to be published. A CNAME stands alone.
type ConflictError struct{ Name, Type, Value string }

func (e *ConflictError) Error() string {
	return fmt.Sprintf("no CNAME can be added at %s beside the %s record %.260q", e.Name, e.Type, e.Value)
}

// OperatorHint is for package hint.
func (e *ConflictError) OperatorHint() string {
	return "remove that record, if nothing needs it any more: dvagent deletes no record that it did not make"
}

// Present makes sure that the record exists: DescribeSubDomainRecords, then
// AddDomainRecord where it is missing. Errors: *aliyun.Error, *CNAMEError,
// *ConflictError, or BeforeAdd's own, wrapped.
func Present(ctx context.Context, p Provider, pub Publication) (Presence, error) {
	presence, err := present(ctx, p, pub)
	if err != nil {
		return presence, fmt.Errorf("publish the validation record %s: %w", pub.Record.Name, err)
	}
	return presence, nil
}

func present(ctx context.Context, p Provider, pub Publication) (Presence, error) {
	pub.Record = pub.Record.normal()
	r := pub.Record
	if r.Value == "" {
		return Presence{}, errors.New("the challenge has no value")
	}
	if err := checkProof(r.Type, r.Value); err != nil {
		return Presence{}, err
	}
	id, err := standing(ctx, p, r)
	if err != nil {
		return Presence{}, err
	}
	if id != "" {
		return Presence{RecordID: id, Ours: pub.Attempted}, nil
	}
	if err := pub.BeforeAdd(); err != nil {
		return Presence{}, err
	}
	return add(ctx, p, pub)
}

func add(ctx context.Context, p Provider, pub Publication) (Presence, error) {
	r := pub.Record
	id, err := p.AddDomainRecord(ctx, aliyun.Record{Zone: r.Zone, RR: r.RR, Type: r.Type, Value: r.Value, TTL: pub.TTL})
	failure, _ := errors.AsType[*aliyun.Error](err)
	switch {
	case err == nil:
		return Presence{RecordID: id, Ours: true}, nil
	case failure == nil:
		return Presence{}, err
	case failure.Kind == aliyun.Duplicate:
		return readBack(ctx, p, pub, err)
	}
	return Presence{Refused: !pub.Attempted && !failure.MayHaveBeenApplied()}, err
}

// readBack trusts DomainRecordDuplicate only when the record shows our value.
func readBack(ctx context.Context, p Provider, pub Publication, duplicate error) (Presence, error) {
	id, err := standing(ctx, p, pub.Record)
	if err != nil {
		return Presence{}, err
	}
	if id == "" {
		return Presence{Refused: !pub.Attempted}, fmt.Errorf("it does not read back: %w", duplicate)
	}
	return Presence{RecordID: id, Ours: pub.Attempted}, nil
}

// Standing returns the records at r's zone and name (DescribeSubDomainRecords).
// One beside which r cannot stand is an error, beside the records: *CNAMEError
// when r is a TXT record, *ConflictError when it is a CNAME. Of a CNAME whose
// value is not known yet, any CNAME may be the one.
func Standing(ctx context.Context, p Provider, r Record) ([]aliyun.Record, error) {
	r = r.normal()
	records, err := p.DescribeSubDomainRecords(ctx, r.Zone, r.Name, "")
	if err != nil {
		return nil, err
	}
	for _, found := range records {
		if !r.at(found) || !enabled(found) {
			continue
		}
		if err := r.obstructedBy(found); err != nil {
			return records, err
		}
	}
	return records, nil
}

// obstructedBy says why r cannot stand beside another record at its name.
func (r Record) obstructedBy(found aliyun.Record) error {
	alias := found.Type == typeCNAME
	switch {
	case r.Type == typeTXT && alias:
		return &CNAMEError{Name: r.Name, Target: canonical(found.Value)}
	case r.Type == typeTXT, alias && r.Value == "", r.equals(found):
		return nil
	}
	return &ConflictError{Name: r.Name, Type: found.Type, Value: found.Value}
}

// Stands says that a record serves r (DescribeSubDomainRecords). What is in the way of
// an add is an error.
func Stands(ctx context.Context, p Provider, r Record) (bool, error) {
	id, err := standing(ctx, p, r.normal())
	return id != "", err
}

// standing returns the RecordId of the record that serves r, which is normal,
// or "" when r may be added. What is in the way of an add is an error.
func standing(ctx context.Context, p Provider, r Record) (string, error) {
	records, err := Standing(ctx, p, r)
	if err != nil {
		return "", err
	}
	disabled := ""
	for _, found := range records {
		switch {
		case r.is(found) && enabled(found):
			return found.RecordID, nil
		case r.is(found):
			disabled = found.RecordID
		}
	}
	if disabled != "" {
		err := fmt.Errorf("record %q has the value, but is disabled", disabled)
		return "", hint.Add(err, "enable or delete that record in the AliDNS console")
	}
	return "", nil
}

// Find returns the RecordId of exactly this zone, name, type and value, or ""
// when there is none (DescribeSubDomainRecords).
func Find(ctx context.Context, p Provider, r Record) (recordID string, err error) {
	r = r.normal()
	records, err := p.DescribeSubDomainRecords(ctx, r.Zone, r.Name, r.Type)
	if err != nil {
		return "", fmt.Errorf("look up the validation record %s: %w", r.Name, err)
	}
	for _, found := range records {
		if r.is(found) {
			return found.RecordID, nil
		}
	}
	return "", nil
}

// Remove deletes the record by its RecordID (DeleteDomainRecord); one that is
// already gone is success.
func Remove(ctx context.Context, p Provider, r Record) error {
	if r.RecordID == "" {
		return fmt.Errorf("remove the validation record %s: its RecordId is not known", r.Name)
	}
	if err := p.DeleteDomainRecord(ctx, r.RecordID); err != nil {
		return fmt.Errorf("remove the validation record %s (RecordId %q): %w", r.Name, r.RecordID, err)
	}
	return nil
}

// normal is the record in the spelling in which records are compared.
func (r Record) normal() Record {
	r.Type, r.Value = normal(r.Type, r.Value)
	return r
}

// is says that found has exactly this name, type and value. A record on
// another line than the default is somebody's own routing, never ours.
func (r Record) is(found aliyun.Record) bool {
	return r.at(found) && r.equals(found) && (found.Line == "" || found.Line == "default")
}

// equals compares type and value.
func (r Record) equals(found aliyun.Record) bool {
	_, value := normal(found.Type, unquote(found.Value))
	return found.Type == r.Type && value == r.Value
}

// at compares the place again, because AliDNS matches names loosely.
func (r Record) at(found aliyun.Record) bool {
	return canonical(found.RR) == r.RR && (found.Zone == "" || canonical(found.Zone) == r.Zone)
}

// ByRR sorts the records of a zone by their names, each spelled as in Record.RR.
func ByRR(records []aliyun.Record) map[string][]aliyun.Record {
	by := map[string][]aliyun.Record{}
	for _, r := range records {
		by[canonical(r.RR)] = append(by[canonical(r.RR)], r)
	}
	return by
}

func enabled(found aliyun.Record) bool { return !strings.EqualFold(found.Status, "DISABLE") }

func unquote(value string) string {
	if len(value) >= 2 && value[0] == '"' && value[len(value)-1] == '"' {
		return value[1 : len(value)-1]
	}
	return value
}
