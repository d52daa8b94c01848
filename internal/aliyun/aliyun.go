// Package aliyun speaks to Alibaba Cloud: certificates and orders (CAS
// 2018-07-13 and 2020-04-07) and DNS records (AliDNS 2015-01-09) as plain Go
// functions. It is the only importer of Alibaba's SDK, which builds and signs
// the requests; sending, reading and judging the answers happens here. It
// decides nothing: which order to place and which record to touch is the
// caller's business.
//
// A function has its operation's name. One that both versions of CAS have ends
// in 2020 for the newer.
//
// Every error of a call is an *Error. Reads (Describe…, Get…, List…) are tried
// up to four times; writes are sent once.
package aliyun

// Application is what CreateDVOrderAudit wants to know of an order.
type Application struct {
	InstanceID string   // InstanceId: the paid instance to consume
	Domains    []string // Domain: A-labels, wildcards as "*.example.com"
	VerifyType string   // DomainVerifyType: DNS or FILE
	Contact    Contact
}

// Contact is the person the CA may call: Username, Mobile, Email, Province and City.
type Contact struct {
	Username, Mobile, Email, Province, City string
}

// OrderResult is the answer of DescribeDVOrderResult. The Check fields are
// there while the order is checked, Certificate and PrivateKey (PEM) once it
// is issued. The API has no certificate id here.
type OrderResult struct {
	Status      Status
	CheckType   string // DNS or FILE
	CheckName   string // a host name, whole or relative to the zone, or the URL of a file without its scheme; may be empty for minutes
	CheckValue  string
	Certificate string
	PrivateKey  string `json:"-"`
}

// Instance is a row of DescribeOrderInstanceList: one certificate that was bought.
type Instance struct {
	ID         int64  // Id
	InstanceID string // InstanceId, such as cas-cn-68n1mm16
	Source     string // BUY, CDN, OSS, EWS, DOMAIN
	Status     Status // PAYED, CHECKING, …
	CertType   string // DV, OV, EV, FREE
}

// Certificate is a row of DescribeUserCertificateList, or, with Cert and Key
// (PEM), the answer of DescribeUserCertificateDetail.
type Certificate struct {
	ID                                int64
	Name, Common, Fingerprint, Issuer string // Fingerprint: SHA-1, 40 upper-case hex digits
	OrgName, Province, City, Country  string
	StartDate, EndDate                string // YYYY-MM-DD
	Sans                              string // names, separated by commas
	Expired, BuyInAliyun              bool
	Cert                              string
	Key                               string `json:"-"`
}

// Domain is a row of DescribeDomains, or the answer of DescribeDomainInfo: a
// zone that the account hosts.
type Domain struct {
	Name       string   // DomainName, may be Unicode
	PunyCode   string   // PunyCode, the A-label form; may be empty
	DNSServers []string // DnsServers.DnsServer: the name servers that Alibaba assigned; a row may lack them
}

// Record is a row of DescribeDomainRecords and DescribeSubDomainRecords.
type Record struct {
	RecordID, Zone, RR, Type, Value, Line, Status string // Status: ENABLE or DISABLE
	TTL                                           int    // seconds
	Locked                                        bool
}
