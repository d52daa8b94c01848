package dnsvalidate

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// judge reads an authoritative server's answer.
func judge(answer *dns.Msg, q Question) ServerVerdict {
	verdict := ServerVerdict{soa: soaIn(answer), recursive: answer.RecursionAvailable}
	switch {
	case answer.Rcode == dns.RcodeRefused:
		verdict.State = stateRefused
	case !existenceKnown(answer):
		verdict.State, verdict.Detail = stateFailed, code(answer)
	case !answer.Authoritative:
		verdict.State = stateLame
		verdict.referred, verdict.Detail = referral(answer)
	default:
		verdict.State, verdict.Detail = content(answer, q)
	}
	return verdict
}

// judgeResolver reads a public resolver's answer. The name servers already
// agree, so an answer without the value is an old one from its cache.
func judgeResolver(answer *dns.Msg, q Question) ServerVerdict {
	switch {
	case answer.Rcode == dns.RcodeRefused:
		return ServerVerdict{State: stateRefused}
	case !existenceKnown(answer):
		return ServerVerdict{State: stateFailed, Detail: code(answer)}
	}
	state, detail := content(answer, q)
	if state == stateNotYet {
		return ServerVerdict{State: stateCached, Detail: expiry(answer)}
	}
	return ServerVerdict{State: state, Detail: detail}
}

func existenceKnown(answer *dns.Msg) bool {
	return answer.Rcode == dns.RcodeSuccess || answer.Rcode == dns.RcodeNameError
}

// code names an answer's error.
func code(answer *dns.Msg) string {
	if answer.Rcode == dns.RcodeBadVers {
		return "BADVERS" // the number is BADSIG's too, in signed messages
	}
	return cmp.Or(dns.RcodeToString[answer.Rcode], fmt.Sprintf("code %d", answer.Rcode))
}

// content finds the value among the answer's records at the name. A record in
// an answer that denies the name does not count: resolvers believe the denial.
func content(answer *dns.Msg, q Question) (state State, detail string) {
	if q.Type == typeCNAME {
		return target(answer, q)
	}
	others := 0
	for _, rr := range answer.Answer {
		if canonical(rr.Header().Name) != q.Name {
			continue
		}
		switch rr := rr.(type) {
		case *dns.CNAME:
			return stateAlias, canonical(rr.Target)
		case *dns.TXT:
			if answer.Rcode == dns.RcodeNameError {
				continue
			}
			if strings.Join(rr.Txt, "") == escaped(q.Value) {
				return stateVisible, ""
			}
			others++
		}
	}
	switch others {
	case 0:
		return stateNotYet, ""
	case 1:
		return stateNotYet, "1 other value"
	}
	return stateNotYet, fmt.Sprintf("%d other values", others)
}

// target is content for a CNAME.
func target(answer *dns.Msg, q Question) (state State, detail string) {
	for _, rr := range answer.Answer {
		alias, ok := rr.(*dns.CNAME)
		if !ok || canonical(alias.Hdr.Name) != q.Name || answer.Rcode == dns.RcodeNameError {
			continue
		}
		if other := canonical(alias.Target); other != q.Value {
			return stateNotYet, "CNAME to " + other
		}
		return stateVisible, ""
	}
	return stateNotYet, ""
}

// escaped spells value as the dns package spells the strings of a TXT record.
func escaped(value string) string {
	var spelled strings.Builder
	for _, b := range []byte(value) {
		switch {
		case b == '"' || b == '\\':
			spelled.WriteByte('\\')
			spelled.WriteByte(b)
		case b < ' ' || b > '~':
			fmt.Fprintf(&spelled, `\%03d`, b)
		default:
			spelled.WriteByte(b)
		}
	}
	return spelled.String()
}

// soaIn returns the SOA that an answer carries: that of the name's zone, in the
// answer itself or in the authority section of a negative one.
func soaIn(answer *dns.Msg) soa {
	for _, rr := range slices.Concat(answer.Answer, answer.Ns) {
		if rr, ok := rr.(*dns.SOA); ok {
			return soa{canonical(rr.Hdr.Name), rr.Serial}
		}
	}
	return soa{}
}

// referral is the zone to whose servers a non-authoritative answer sends us, and
// names one of them.
func referral(answer *dns.Msg) (zone, detail string) {
	for _, rr := range answer.Ns {
		if ns, ok := rr.(*dns.NS); ok {
			zone = canonical(ns.Header().Name)
			return zone, fmt.Sprintf("refers %s to %s", zone, canonical(ns.Ns))
		}
	}
	return "", ""
}

// expiry says how long a negative answer stays cached (RFC 2308: the SOA's TTL).
func expiry(answer *dns.Msg) string {
	for _, rr := range answer.Ns {
		if soa, ok := rr.(*dns.SOA); ok {
			return fmt.Sprintf("for %d s", min(soa.Hdr.Ttl, soa.Minttl))
		}
	}
	return ""
}
