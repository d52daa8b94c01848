package aliyun

import (
	"cmp"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"dvagent/internal/https"
)

// codes maps the server's Code to what it means. A name that ends with a dot
// stands for every Code that begins with it, one that begins with a dot for
// every Code that ends with it; the first match counts. A Code that is not here
// is Refused, or Unavailable with a 5xx status: so are all that only say what
// is wrong with the request.
var codes = []struct {
	kind  Kind
	names []string
}{
	{Throttled, []string{"Throttling", "Throttling.", "Rejected.Throttling"}},
	{Busy, []string{"LastOperationNotFinished", "RecordForbidden.DNSChange", "DnsSystemBusyness"}},
	{Unavailable, []string{"ServiceUnavailable", "InternalError", "UnKnownError", "500", "502", "503", "504",
		"OperationDenied.SystemUpgrading", "DeductQuotaFailed", "FlowControlError"}}, // these may come after the effect
	{Replayed, []string{"SignatureNonceUsed"}},
	{ClockOff, []string{"InvalidTimeStamp.Expired"}},
	{Credential, []string{"InvalidAccessKeyId", "InvalidAccessKeyId.", "Forbidden.AccessKeyDisabled", "InvalidSecurityToken",
		"InvalidSecurityToken.", "MissingSecurityToken", "SignatureDoesNotMatch", "IncompleteSignature"}},
	{WrongZone, []string{"InvalidDomainName.", "DomainNotExist", "IncorrectDomainUser", "DomainAddedByOthers",
		"OperationDomain.NoPermission"}},
	{Forbidden, []string{"Forbidden", "Forbidden.RAM", "NoPermission", "NoPermission.", "AccessDenied.NoAuth", "PermissionDenied"}},
	{VersionUnknown, []string{"InvalidVersion", "InvalidVersion.", "InvalidAction", "InvalidAction."}},
	{WrongState, []string{"InvalidStatus.", "OperationDenied.StatusNotSupport", "OrderStateError"}},
	{Exhausted, []string{"InsufficientQuota"}},
	{NotFound, []string{"NotFound", ".NotFound", "DomainRecordNotBelongToUser"}},
	{Duplicate, []string{"DomainRecordDuplicate", "NameRepeat", "NameAlreadyExist", "AlreadyExists."}},
}

// hints are for Codes that only a person can settle, wherever they come from or
// at one operation alone.
var hints = map[string]string{
	"DomainRecordConflict":              "remove the CNAME record at the same name, or let it lead into a zone listed in dns.delegate",
	"QuotaExceeded.TTL":                 "raise dns.ttl: the zone's edition does not allow one so low",
	"QuotaExceeded.Record":              "the zone is full: remove records, or take a larger edition",
	"Forbidden.DomainExpired":           "renew the domain",
	"Forbidden.DomainLocked":            "unlock the domain in the DNS console",
	"Forbidden.RecordLocked":            "unlock the record in the DNS console",
	"DomainForbidden":                   "the domain is barred: see the DNS console",
	"InvalidAccessKeyId.Inactive":       "the access key is disabled: enable it, or configure another",
	"FlowControlError":                  adviseRate,
	"InsufficientQuota":                 "no package has quota left, and packages are no longer sold: order on an instance",
	"DomainAndProductNotMatch":          "the instance is not for these names: compare their number and their wildcards with what was bought; test instances refuse some domains",
	"InvalidParameter.MobileIllegal":    "correct the contact's mobile number",
	"ApplyCertificate MissingParameter": "the instance most likely lacks a contact: create one in the certificate console",
	"CreateOrderFailed":                 "see the order in the certificate console",
	"OrderExpired":                      "the order is too old: abandon it and place another",
	"CertificateChainNotMatch":          "the chain does not belong to the certificate: compare the files",
	"CertificateExpired":                "the certificate has expired: upload a newer one",
	"KeyNotMatchCert":                   "the key does not belong to the certificate: compare the files",
}

const adviseRate = "lower limits.requests_per_second if other programs share the account"

// judge reads what came back. The answer is good when it is an object with a
// status and a Code that say success and at least one of the named fields.
func judge(x *exchange, anyOf []string) (object, *Error) {
	if x.err != nil {
		return nil, x.failure()
	}
	answer, err := decode(x.body)
	e := &Error{Status: x.status, Code: answer.text("Code"), Message: answer.text("Message"), RequestID: answer.text("RequestId")}
	arrived := x.status/100 == 2
	switch {
	case x.status/100 == 3:
		e.Kind = Malformed // for a write this means unanswered: it may have been passed on
		e.Err = errors.New("the server redirects elsewhere, which is not followed")
		e.Hint = "check the endpoint"
	case !isSuccess(e.Code):
		e.Kind = kindOf(e)
	case !arrived:
		e.Kind = kindOfStatus(x.status)
		e.Err = errors.New("an error without a Code")
	case err != nil:
		e.Kind, e.Err = Malformed, err
	case !answer.hasAny(anyOf):
		e.Kind, e.Err = Malformed, fmt.Errorf("the answer has no %s", strings.Join(anyOf, " or "))
	default:
		if err := answer.bounded(); err != nil {
			e.Kind, e.Err = Malformed, err
			break
		}
		return answer, nil
	}
	return nil, e
}

func isSuccess(code string) bool {
	return code == "" || code == "200" || strings.EqualFold(code, "OK") || strings.EqualFold(code, "Success")
}

func kindOf(e *Error) Kind {
	for _, row := range codes {
		if slices.ContainsFunc(row.names, func(name string) bool {
			return e.Code == name || strings.HasSuffix(name, ".") && strings.HasPrefix(e.Code, name) ||
				strings.HasPrefix(name, ".") && strings.HasSuffix(e.Code, name)
		}) {
			return row.kind
		}
	}
	switch {
	case strings.Contains(e.Message, "name already exists"), strings.Contains(e.Message, "名称重复"):
		return Duplicate // CreateUserCertificate has no fixed Code for it
	case e.Status >= 500 || e.Status == http.StatusTooManyRequests:
		return kindOfStatus(e.Status)
	}
	return Refused
}

func kindOfStatus(status int) Kind {
	switch {
	case status == http.StatusTooManyRequests:
		return Throttled
	case status >= 500:
		return Unavailable
	}
	return Malformed
}

// failure is for an exchange without a whole answer.
func (x *exchange) failure() *Error {
	e := &Error{Status: x.status, Err: x.err, Kind: Unanswered}
	switch {
	case errors.Is(x.err, errTooLong):
		e.Kind = Malformed
	case x.written.Load():
	case x.ctx.Err() != nil:
		e.Kind = Local
	default:
		e.Kind = Unreachable
	}
	return e
}

// advise adds the hint for an operator; ram is the prefix of the RAM action.
func (e *Error) advise(ram string, skew time.Duration) {
	if hint := cmp.Or(hints[e.Operation+" "+e.Code], hints[e.Code]); hint != "" {
		e.Hint = hint
	}
	if e.Hint != "" {
		return
	}
	switch e.Kind {
	case Forbidden:
		e.Hint = fmt.Sprintf("grant the RAM action %s:%s to the account's user or role", ram, e.Operation)
	case ClockOff:
		e.Hint = adviseClock(skew)
	case Credential:
		e.Hint = "check the access key's id, secret and token; those in files are read again at each call"
	case WrongZone:
		e.Hint = "the account does not host this zone: name the one that does in dns_account"
	case Throttled:
		e.Hint = adviseRate
	case VersionUnknown:
		e.Hint = "check the endpoint: another API answers there, or this version is closed, as CAS 2018-07-13 is"
	case Unreachable:
		e.Hint = adviseTLS(e.Err)
	}
}

func adviseClock(skew time.Duration) string {
	skew = skew.Round(time.Second)
	switch {
	case skew > time.Minute:
		return fmt.Sprintf("the local clock is %s ahead of the server's: set it", skew)
	case skew < -time.Minute:
		return fmt.Sprintf("the local clock is %s behind the server's: set it", -skew)
	}
	return "the server finds the local clock off, and shows no other time itself: check it"
}

func adviseTLS(err error) string {
	var unknown x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	var name x509.HostnameError
	switch {
	case errors.As(err, &unknown):
		return "the endpoint's certificate is not trusted: for a private endpoint name its CA in ca_file"
	case errors.As(err, &invalid):
		return "the endpoint's certificate is not valid now: check the local clock, then the endpoint"
	case errors.As(err, &name):
		return "the endpoint's certificate is for another name: check the endpoint"
	case errors.Is(err, https.ErrHandshake):
		return "no TLS handshake succeeds, with a short hello neither: check the endpoint, and the firewall, proxy and MTU on the way"
	}
	return ""
}
