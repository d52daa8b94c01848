package dnsvalidate

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// State is what one server said, in the word that is shown to a person.
type State string

// The states of a server. Only stateVisible counts towards the quorum. A server
// in stateNoRoute is left out of it, since that says more about this host than
// about the server.
const (
	stateVisible     State = "visible"
	stateNotYet      State = "not yet"             // authoritative, without the value
	stateStale       State = "stale"               // as stateNotYet, with an older serial than another server
	stateFlapping    State = "flapping"            // visible, and gone at the second look
	stateSilent      State = "silent"              // no answer within three seconds, or the port is closed
	stateRefused     State = "refused"             // REFUSED
	stateFailed      State = "failed"              // another error code, which Detail names
	stateLame        State = "lame"                // answers without authority
	stateIntercepted State = "port 53 intercepted" // every server that answers does so as a resolver would
	stateTruncated   State = "truncated"           // and TCP does not work
	stateMalformed   State = "malformed"           // wrong id, wrong question, unreadable
	stateAlias       State = "CNAME"               // the name is a CNAME, to Detail
	stateNoRoute     State = "no route"            // such as an IPv6 address on a host without IPv6
	stateCached      State = "negative cache"      // a public resolver remembers the absence; it holds up nothing
	stateDelegated   State = "delegated"           // the name is in a zone below
	stateBogus       State = "DNSSEC bogus"        // a public resolver answers only with checking disabled
)

// ServerVerdict is what one address of one server said.
type ServerVerdict struct {
	Name     string // the name server's, or "" when only its address is configured
	Address  string // host:port; "" when the name has no address
	State    State
	Detail   string
	Duration time.Duration // until it answered, or was given up

	soa       soa    // that came with the answer
	referred  string // the zone to whose name servers it refers, or ""
	subzone   string // that holds the name, of a server in stateDelegated
	recursive bool   // offers recursion
}

// cut is the zone below zone that the server says the name lies in, or "". A
// resolver's word does not count, nor that of a server without authority, which
// may refer to where nobody delegates.
func (v ServerVerdict) cut(zone string) string {
	switch {
	case v.State == stateLame && !v.recursive && below(v.referred, zone):
		return v.referred
	case v.State == stateNotYet && below(v.soa.zone, zone):
		return v.soa.zone
	}
	return ""
}

// soa is what a server says of the zone it answers from; zero while unknown.
type soa struct {
	zone   string
	serial uint32
}

// String is such as "ns2 (127.0.0.2:53) not yet (serial 2026112301)".
func (v ServerVerdict) String() string {
	server := v.Address
	if v.Name != "" {
		server = join(v.Name, v.Address)
	}
	if v.State == stateAlias {
		return server + " CNAME to " + v.Detail
	}
	detail := v.Detail
	if detail == "" && v.soa.serial != 0 {
		detail = fmt.Sprintf("serial %d", v.soa.serial)
	}
	return server + " " + join(string(v.State), detail)
}

func join(word, detail string) string {
	if detail == "" {
		return word
	}
	return word + " (" + detail + ")"
}

// Verdict is the outcome of one look at a validation record.
type Verdict struct {
	Visible   bool            // every name server shows the value, twice, and the public resolvers do not object
	Enough    bool            // the quorum does; true wherever Visible is
	Name      string          // where the record was looked for: the name asked for, or where its CNAMEs lead
	Servers   []ServerVerdict // every address of every name server
	Resolvers []ServerVerdict // the public resolvers, once the name servers agree
	Note      string          // what is odd about the zone's delegation, or ""
}

// String is one line for a person: who does not show the record and why, then
// how many do.
func (v Verdict) String() string {
	var parts []string
	for _, server := range slices.Concat(v.Servers, v.Resolvers) {
		if server.State != stateVisible {
			parts = append(parts, server.String())
		}
	}
	if v.Note != "" {
		parts = append(parts, v.Note)
	}
	visible, total := v.count()
	return strings.Join(append(parts, fmt.Sprintf("%d of %d visible", visible, total)), "; ")
}

// LeftOut lists the name servers that do not show the record although enough
// others do; none when Enough is false.
func (v Verdict) LeftOut() []ServerVerdict {
	if !v.Enough {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(v.Servers), func(server ServerVerdict) bool {
		return server.State == stateVisible || server.State == stateNoRoute
	})
}

func (v Verdict) unanimous() bool { return Quorum{}.reached(v.count()) }

// count leaves out the addresses that this host has no route to.
func (v Verdict) count() (visible, total int) {
	for _, server := range v.Servers {
		if server.State == stateVisible {
			visible++
		}
		if server.State != stateNoRoute {
			total++
		}
	}
	return visible, total
}

// alias returns the target of the CNAME that every server with an opinion shows,
// or "" where they do not agree on one.
func (v Verdict) alias() string {
	target := ""
	for _, server := range v.Servers {
		switch server.State {
		case stateVisible, stateNotYet, stateFlapping, stateStale:
			return ""
		case stateAlias:
			if target != "" && target != server.Detail {
				return ""
			}
			target = server.Detail
		}
	}
	return target
}
