// Package order keeps one order's facts: what was done, in which order, with
// what answer. The state of an order is derived from its facts and never
// stored. Beside the orders stand the account-wide ledgers of instances and of
// owed records. The package touches the disk only: it asks no server and decides
// nothing.
package order

import (
	"cmp"
	"slices"
	"time"
)

// Kind names what a fact says.
type Kind string

// The kinds, in the order in which an order that goes well meets them.
const (
	Opened     Kind = "opened"     // Domains, Reason, Forced, Account, DNSAccount, Webroot, API, Number, Host
	Claimed    Kind = "claimed"    // Instance, Adopted, API, Package, Bare, Before
	Keyed      Kind = "keyed"      // Key: the private key for it is on the disk
	Submitting Kind = "submitting" // Stock: right before the request
	Submitted  Kind = "submitted"  // RequestID, Order: accepted, or found to have been applied
	Unapplied  Kind = "unapplied"  // the server says that the submission never arrived
	Refused    Kind = "refused"    // Instance, Code, Error: the instance is given back
	Revoked    Kind = "revoked"    // Before: what the submission brought was revoked before it was collected
	Seen       Kind = "seen"       // Status: the server's, when it changed
	Challenged Kind = "challenged" // Challenge, Further: all that there are now
	Adding     Kind = "adding"     // Record without an id: right before AddDomainRecord
	Added      Kind = "added"      // Record
	Kept       Kind = "kept"       // Record: someone else's identical one is there
	Visible    Kind = "visible"    // Record: the name servers show it
	Collected  Kind = "collected"  // Version: the bundle is stored; Instance, API: of one that yielded it by itself
	Removing   Kind = "removing"   // Record, with the id found for an unanswered add
	Removed    Kind = "removed"    // Record
	Waiting    Kind = "waiting"    // Reason: what the step waits for, when it changed
	Failed     Kind = "failed"     // Error, Hint, Cause, Until, Stopped, Transient: as in Failure
	Ended      Kind = "ended"      // Outcome, Error
)

// Outcome says how an order ended.
type Outcome string

const (
	Issued    Outcome = "issued"    // its bundle is stored
	Abandoned Outcome = "abandoned" // given up by an operator
	LetGo     Outcome = "let go"    // adopted, and not ours after all, or too slow
	KeyLost   Outcome = "key lost"  // issued for a key that is not there any more
	Withdrawn Outcome = "withdrawn" // nothing was claimed yet
	HandedOn  Outcome = "handed on" // another host of the fleet went on with it
)

// Known says that there is such an end.
func (o Outcome) Known() bool {
	return slices.Contains([]Outcome{Issued, Abandoned, LetGo, KeyLost, Withdrawn, HandedOn}, o)
}

// Fact is one line of an order's journal.
type Fact struct {
	At         time.Time   `json:"at"`
	Kind       Kind        `json:"fact"`
	Domains    []string    `json:"domains,omitempty"`
	Account    string      `json:"account,omitempty"`
	DNSAccount string      `json:"dns_account,omitempty"`
	Webroot    string      `json:"webroot,omitempty"`
	Reason     string      `json:"reason,omitempty"`
	Forced     bool        `json:"forced,omitempty"`
	Number     int         `json:"number,omitempty"`
	Host       string      `json:"host,omitempty"`
	API        string      `json:"api,omitempty"`
	Instance   string      `json:"instance,omitempty"`
	Adopted    bool        `json:"adopted,omitempty"`
	Package    string      `json:"package,omitempty"`
	Bare       bool        `json:"bare,omitempty"`
	Before     string      `json:"before,omitempty"`
	Stock      *Stock      `json:"stock,omitempty"`
	Key        string      `json:"key,omitempty"`
	RequestID  string      `json:"request_id,omitempty"`
	Order      string      `json:"order,omitempty"`
	Status     string      `json:"status,omitempty"`
	Challenge  *Challenge  `json:"challenge,omitempty"`
	Further    []Challenge `json:"further,omitempty"`
	Record     *Record     `json:"record,omitempty"`
	Version    string      `json:"version,omitempty"`
	Code       string      `json:"code,omitempty"`
	Error      string      `json:"error,omitempty"`
	Hint       string      `json:"hint,omitempty"`
	Cause      string      `json:"cause,omitempty"`
	Until      time.Time   `json:"until,omitzero"`
	Stopped    bool        `json:"stopped,omitempty"`
	Transient  bool        `json:"transient,omitempty"`
	Outcome    Outcome     `json:"outcome,omitempty"`
}

// Stock is what a package showed right before an order was placed on it, to tell
// afterwards whether the order arrived.
type Stock struct {
	Total  int      `json:"total,omitempty"`  // certificates that were bought; 0: not known
	Used   int      `json:"used"`             // orders that it has taken
	Orders []string `json:"orders,omitempty"` // those for the same names, by the server's ids
}

// Challenges are those that a Challenged fact gives.
func (f Fact) Challenges() []Challenge {
	if f.Challenge == nil {
		return f.Further
	}
	return append([]Challenge{*f.Challenge}, f.Further...)
}

// The kinds of proof that a CA asks for: a DNS record, or a file.
const (
	TXT   = "TXT"
	CNAME = "CNAME"
	File  = "FILE"
)

// Challenge is what the CA wants to see. Name is the checked host name that
// the CA gave, or the URL of a file without its scheme; Value is what it is to
// hold.
type Challenge struct {
	Kind   string `json:"type"`             // TXT, CNAME or FILE
	Domain string `json:"domain,omitempty"` // that it is for, where the CA says so
	Name   string `json:"name"`
	Value  string `json:"value"`
}

// Record is a validation record in a zone, or a file in a webroot.
type Record struct {
	Account  string `json:"account"`        // whose zone it is
	Kind     string `json:"kind,omitempty"` // TXT, also when empty, CNAME or FILE
	Zone     string `json:"zone"`           // of a file, the webroot
	RR       string `json:"rr"`             // of a file, its path below that
	Name     string `json:"name"`           // of a file, its URL without the scheme
	Value    string `json:"value"`
	For      string `json:"for,omitempty"`       // the challenge's name, where its CNAMEs lead to Name
	RecordID string `json:"record_id,omitempty"` // of a file, its path; "" until it is there
	Made     int    `json:"made,omitempty"`      // so many directories above a file were made for it
}

// Type is the record's kind, TXT, CNAME or FILE.
func (r Record) Type() string { return cmp.Or(r.Kind, TXT) }

// Serves says that the record is made for the challenge.
func (r Record) Serves(c Challenge) bool {
	return r.Type() == c.Kind && cmp.Or(r.For, r.Name) == c.Name && r.Value == c.Value
}

// same says that two records are one, whether or not the id is known yet.
func (r Record) same(other Record) bool { return r.plain() == other.plain() }

// plain is the record by what it is known again.
func (r Record) plain() Record {
	r.Kind, r.RecordID, r.Made = r.Type(), "", 0
	return r
}

// coincides says that one record is the other in its zone or webroot: several hosts
// may show one file.
func (r Record) coincides(other Record) bool {
	r.Name, other.Name = "", ""
	return r.same(other)
}
