package dnsvalidate

import (
	"cmp"
	"fmt"
)

// The types of validation records, as AliDNS and zone files spell them.
const (
	typeTXT   = "TXT"
	typeCNAME = "CNAME"
)

// normal spells a record's type and value as they are compared: no type is TXT,
// and the value of a CNAME is a host name.
func normal(recordType, value string) (string, string) {
	if recordType == typeCNAME {
		value = canonical(value)
	}
	return cmp.Or(recordType, typeTXT), value
}

// checkProof refuses a type and a value, both normal, that no validation record
// can have.
func checkProof(recordType, value string) error {
	switch {
	case recordType != typeTXT && recordType != typeCNAME:
		return fmt.Errorf("it is neither TXT nor CNAME, but %.20q", recordType)
	case recordType == typeTXT, value == "":
		return nil
	}
	if err := checkSyntax(value); err != nil {
		return fmt.Errorf("a CNAME cannot lead to %.260q: %w", value, err)
	}
	return nil
}
