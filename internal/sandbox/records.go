package sandbox

import (
	"math"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// minTTL is the free edition's, which every zone here is of, in seconds.
const minTTL = 600

var (
	errNoSuchZone = refusal(http.StatusBadRequest, "InvalidDomainName.NoExist",
		"The specified domain name does not exist. Refresh the page and try again.")
	errNotYourRecord = refusal(http.StatusBadRequest, "DomainRecordNotBelongToUser",
		"The DNS record does not exist or does not belong to the current user.")
	errDuplicate = refusal(http.StatusBadRequest, "DomainRecordDuplicate", "The DNS record already exists.")
	errShortTTL  = refusal(http.StatusBadRequest, "QuotaExceeded.TTL",
		"The TTL is below the minimum of this edition, %d.", minTTL)
	errConflict = refusal(http.StatusBadRequest, "DomainRecordConflict",
		"The DNS record conflicts with an existing DNS record.")
)

const (
	enabled  = "ENABLE"
	disabled = "DISABLE"
)

var recordTypes = []string{"A", "AAAA", "CAA", "CNAME", "MX", "NS", "SRV", "TXT"}

// relativeName is an RR: "@", or labels of which the first may be a wildcard.
var relativeName = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^(@|(\*|[\p{L}\p{N}_]([\p{L}\p{N}_-]{0,61}[\p{L}\p{N}_])?)(\.[\p{L}\p{N}_]([\p{L}\p{N}_-]{0,61}[\p{L}\p{N}_])?)*)$`)
})

// newRecord reads RR, Type, Value, TTL, Line and Priority, and checks each.
func newRecord(z *zone, p params) (Record, error) {
	if err := p.require("RR", "Type", "Value"); err != nil {
		return Record{}, err
	}
	ttl, err := p.integer("TTL", minTTL, 1, 86400)
	if err != nil {
		return Record{}, err
	}
	if ttl < minTTL {
		return Record{}, errShortTTL
	}
	priority, err := p.integer("Priority", 10, 0, math.MaxUint16)
	if err != nil {
		return Record{}, err
	}
	r := Record{
		Zone: z.name, RecordID: randomText(1, digits[1:]) + randomText(17, digits), RR: strings.ToLower(p["RR"]),
		Type: strings.ToUpper(p["Type"]), Value: p["Value"], TTL: ttl, Priority: priority,
		Line: "default", Status: enabled, owner: z.owner(p["RR"]),
	}
	if line := p["Line"]; line != "" {
		r.Line = line
	}
	return r, r.check()
}

func (r Record) check() error {
	if !relativeName().MatchString(r.RR) || len(r.owner) > 254 {
		return refusal(http.StatusBadRequest, "InvalidRR.Format", "The format of the specified host record is invalid.")
	}
	if !slices.Contains(recordTypes, r.Type) {
		return refusal(http.StatusBadRequest, "InvalidType", "The specified type %q is not supported.", r.Type)
	}
	if r.wire(r.owner) == nil {
		return refusal(http.StatusBadRequest, "InvalidValue", "The specified value is not valid for a record of type %s.", r.Type)
	}
	return nil
}

// admit refuses a record that is there already, or that cannot stand beside the others at its name.
func admit(records []Record, r Record) error {
	for _, other := range records {
		switch {
		case other.RecordID == r.RecordID || other.RR != r.RR || other.Line != r.Line:
		case other.Type == r.Type && other.Value == r.Value:
			return errDuplicate
		case other.Type == "CNAME" || r.Type == "CNAME":
			return errConflict
		}
	}
	return nil
}

func (zs *zones) add(z *zone, r Record) error {
	return zs.change(z, func(records []Record) ([]Record, error) {
		return append(records, r), admit(records, r)
	})
}

func (zs *zones) remove(z *zone, recordID string) error {
	return zs.change(z, func(records []Record) ([]Record, error) {
		kept := slices.DeleteFunc(records, func(r Record) bool { return r.RecordID == recordID })
		return kept, nil
	})
}

// removeAt takes away the records of a name that are of a type, or of any, but
// those that are locked. It tells how many.
func (zs *zones) removeAt(z *zone, owner, recordType string) (removed int, err error) {
	return removed, zs.change(z, func(records []Record) ([]Record, error) {
		kept := slices.DeleteFunc(records, func(r Record) bool { return r.owner == owner && isType(r, recordType) && !r.Locked })
		removed = len(records) - len(kept)
		return kept, nil
	})
}

// update puts what change makes of a record in its place. As in the API, a
// change that changes nothing is a duplicate.
func (zs *zones) update(z *zone, recordID string, change func(Record) Record) error {
	return zs.change(z, func(records []Record) ([]Record, error) {
		i := slices.IndexFunc(records, func(r Record) bool { return r.RecordID == recordID })
		if i < 0 {
			return nil, errNotYourRecord
		}
		old, changed := records[i], change(records[i])
		if old == changed {
			return nil, errDuplicate
		}
		records[i] = changed
		return records, admit(records, changed)
	})
}
