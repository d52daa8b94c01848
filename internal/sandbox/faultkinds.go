package sandbox

import (
	"crypto/x509"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

var (
	submit       = append([]string{"CreateDVOrderAudit"}, applies...)
	orderResult  = []string{"DescribeDVOrderResult", "GetInstanceDetail", "DescribeCertificateState"}
	collected    = []string{"DescribeDVOrderResult", "DescribeCertificateState"}
	instanceList = []string{"DescribeOrderInstanceList", "ListInstances", "ListUserCertificateOrder"}
	contents     = []string{"DescribeDVOrderResult", "DescribeUserCertificateDetail", "GetUserCertificateDetail", "DescribeCertificateState"}
	recordWrites = []string{"AddDomainRecord", "UpdateDomainRecord", "DeleteDomainRecord", "DeleteSubDomainRecords"}
	paged        = []string{
		"DescribeOrderInstanceList", "DescribeUserCertificateList", "DescribeDomains",
		"DescribeDomainRecords", "DescribeSubDomainRecords",
		"ListInstances", "ListContact", "ListCertificates", "ListUserCertificateOrder",
	}
)

// kinds is the table of all faults.
var kinds = sync.OnceValue(func() []kind {
	return slices.Concat(connectionKinds, refusalKinds, orderKinds, answerKinds, certificateKinds, instanceKinds, proofKinds, fileKinds, codeKinds())
})

var connectionKinds = []kind{
	{name: "refuse", about: "the API's port is closed; takes no action and no count", closesPort: true},
	{name: "drop-request", about: "the connection dies before the request is applied", interrupt: drop},
	{name: "timeout", about: "no answer, and the request is not applied", interrupt: hang},
	{name: "lose-answer", about: "the request is applied, then the connection dies", deliver: loseAnswer},
	{name: "hang", about: "the request is applied, and no answer comes", deliver: hangAnswer},
	{name: "truncate", about: "the answer breaks off half way", deliver: truncate},
	{name: "html", about: "200 with a page of HTML", deliver: sendInstead("text/html", "<!DOCTYPE html><html><body><h1>Bad Gateway</h1></body></html>")},
	{name: "empty", about: "200 with no body", deliver: sendInstead("application/json", "")},
	{name: "null", about: "200 with the body null", deliver: sendInstead("application/json", "null")},
	{name: "empty-object", about: "200 with the body {}", deliver: sendInstead("application/json", "{}")},
	{name: "huge", about: "an answer of more than 10 MiB", deliver: sendHuge},
	{name: "endless", about: "an answer without end", deliver: sendEndless},
	{name: "redirect", about: "a redirect to a port where nobody listens", deliver: redirect},
	{name: "flaky", about: "one request in four meets another fault, as the seed decides", random: []string{
		"error-500", "error-503", "throttle", "drop-request", "lose-answer", "truncate",
	}},
}

var refusalKinds = []kind{
	{name: "throttle", about: "Throttling.User", refuse: code(400, "Throttling.User", "Request was denied due to user flow control.")},
	{name: "error-500", about: "InternalError with status 500, not applied", refuse: code(500, "InternalError", "The request processing has failed due to some unknown error.")},
	{name: "error-500-applied", about: "InternalError with status 500, but the request is applied", late: true, refuse: code(500, "InternalError", "The request processing has failed due to some unknown error.")},
	{name: "error-503", about: "ServiceUnavailable with status 503, not applied", refuse: code(503, "ServiceUnavailable", "The request has failed due to a temporary failure of the server.")},
	{name: "error-200", about: "status 200 with the Code NotFound, not applied", refuse: code(200, "NotFound", "The requested content does not exist.")},
	{name: "numeric-code", about: "a refusal whose Code is the number -1008", refuse: code(400, "-1008", "System error.")},
	{name: "hostile-message", about: "a refusal whose Message has terminal escapes and newlines", refuse: code(400, "InvalidParameter", "\x1b]0;owned\x07\x1b[2Jline one\r\nline two $(reboot) `reboot`")},
	{name: "nonce-used", about: "SignatureNonceUsed, not applied", refuse: func(*call) error { return errNonceUsed }},
	{name: "nonce-used-applied", about: "SignatureNonceUsed, but the request is applied", late: true, refuse: func(*call) error { return errNonceUsed }},
	{name: "clock-off", about: "the server's clock is an hour ahead: InvalidTimeStamp.Expired and such a Date", refuse: clockOff},
	{name: "key-revoked", about: "InvalidAccessKeyId.Inactive", refuse: code(400, "InvalidAccessKeyId.Inactive", "Specified access key is disabled.")},
	{name: "token-expired", about: "InvalidSecurityToken.Expired", refuse: func(*call) error { return errTokenExpired }},
	{name: "forbidden", about: "Forbidden.RAM with status 403", refuse: code(403, "Forbidden.RAM", "User not authorized to operate on the specified resource, or this API doesn't support RAM.")},
	{name: "busy", about: "LastOperationNotFinished at a change of records", actions: recordWrites, refuse: code(400, "LastOperationNotFinished", "The last operation is not finished.")},
	{name: "dns-busy", about: "DnsSystemBusyness at a change of records", actions: recordWrites, refuse: code(400, "DnsSystemBusyness", "The DNS system is busy.")},
	{name: "dns-change", about: "RecordForbidden.DNSChange at a change of records", actions: recordWrites, refuse: code(400, "RecordForbidden.DNSChange", "The DNS servers of the domain name are being changed.")},
	{name: "duplicate", about: "DomainRecordDuplicate although there is no such record", actions: recordWrites[:2], refuse: func(*call) error { return errDuplicate }},
}

// code refuses with a fixed Code.
func code(status int, code, message string) func(*call) error {
	return func(*call) error { return apiError{status, code, message} }
}

func clockOff(c *call) error {
	c.header.Set("Date", c.now.Add(time.Hour).UTC().Format(http.TimeFormat))
	return errClock
}

var orderKinds = []kind{
	{name: "checking-forever", about: "the order stays checking", actions: submit, fate: func(o *order) { o.fate = held }},
	{name: "check-fail", about: "the order ends as check_fail", actions: submit, fate: func(o *order) { o.fate = "check_fail" }},
	{name: "checked-fail", about: "the order ends as checked_fail", actions: submit, fate: func(o *order) { o.fate = "checked_fail" }},
	{name: "second-challenge", about: "once the record is seen, a second one is wanted at another name", actions: submit, fate: secondChallenge},
	{name: "value-changes", about: "once the record is seen, another value is wanted at the same name", actions: submit, fate: func(o *order) {
		o.next = append(o.next, o.newestProof().anew())
	}},
	{name: "names-missing", about: "the leaf lacks the first name", actions: submit, fate: spoil(func(l *x509.Certificate) {
		l.DNSNames = append(l.DNSNames[1:], "other."+home)
		l.Subject.CommonName = l.DNSNames[0]
	})},
	{name: "expired", about: "the leaf expired an hour ago", actions: submit, fate: spoil(func(l *x509.Certificate) {
		l.NotBefore, l.NotAfter = l.NotBefore.AddDate(0, 0, -200), l.NotBefore.Add(-time.Hour)
	})},
	{name: "not-yet-valid", about: "the leaf begins tomorrow", actions: submit, fate: spoil(func(l *x509.Certificate) {
		l.NotBefore, l.NotAfter = l.NotBefore.AddDate(0, 0, 1), l.NotAfter.AddDate(0, 0, 1)
	})},
	{name: "valid-soon", about: "the leaf begins in three seconds, for the CA's clock is ahead", actions: submit, fate: spoil(func(l *x509.Certificate) {
		l.NotBefore = l.NotBefore.Add(3 * time.Second)
	})},
	{name: "ends-early", about: "the leaf lives for an hour", actions: submit, fate: spoil(func(l *x509.Certificate) {
		l.NotAfter = l.NotBefore.Add(time.Hour)
	})},
	{name: "wrong-key", about: "the key is not the leaf's", actions: submit, fate: func(o *order) { o.foreignKey = true }},
}

// spoil has the order's leaf changed before it is signed.
func spoil(change func(*x509.Certificate)) func(*order) {
	return func(o *order) { o.spoil = append(o.spoil, change) }
}

// secondChallenge asks for the last domain's name too, or for one beside it when that is the first again.
func secondChallenge(o *order) {
	domain := o.Domains[len(o.Domains)-1]
	name := validationName(domain)
	if name == o.newestProof().Name {
		name = validationName("www." + strings.TrimPrefix(domain, "*."))
	}
	o.next = append(o.next, newProof(domain, name))
}
