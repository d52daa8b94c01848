// Package config reads agent.toml: it decodes, checks and normalises what the
// operator wrote, and says in one line with file, line and key what is wrong.
// It contacts nothing and changes nothing.
package config

import (
	"slices"
	"time"

	"dvagent/deploy"
	"dvagent/dnsvalidate"
	"dvagent/hooks"
	"dvagent/internal/message"
	"dvagent/internal/secret"
	"dvagent/notify"
)

// Config is a sound configuration: every reference resolves, every path is
// absolute, every domain is in lower-case A-label form.
type Config struct {
	Path         string
	Digest       string // of the files that it was read from
	StateDir     string
	Accounts     map[string]Account
	DNS          DNS
	Certificates []Certificate
	Hooks        []hooks.Hook
	Notify       []notify.Channel
	Limits       Limits
	Service      Service
	Fleet        Fleet
	Language     message.Language // of what people read; "": as the environment asks

	places map[string]int // of the certificates, by name, as they were loaded
}

// Account is one [account.NAME]. What is empty has the default of Alibaba's
// client.
type Account struct {
	AccessKeyID, AccessKeySecret, SecurityToken secret.Secret
	RAMRole, RoleARN                            string
	Region                                      string
	CASAPI                                      string // a version of CAS's API, or auto
	CASEndpoint, DNSEndpoint, STSEndpoint       string
	CAFile                                      string // absolute
	RequestsPerSecond                           int    // of one API; [limits] has it for all accounts
}

// Certificate is one [[certificate]].
type Certificate struct {
	Name        string
	Domains     []string
	Account     string // whose instances are consumed
	DNSAccount  string // whose zone the validation record goes into; "" where Webroot is set
	Webroot     string // the directory that a file proves the domains in, as a web server shows it; "": a DNS record proves them
	Contact     Contact
	Instances   []string // the only ones it may consume; empty: any
	RenewBefore Window
	Deploy      []deploy.Target

	TestInstances bool   // it may consume those for tests, too
	Package       string // the ProductCode of certificates bought in stock, to order from in place of an instance
	KeyType       string // one of bundle.KeyTypes, of keys that are made here
	Follow        bool   // it orders nothing: it installs what the account holds for its names
	FromFleet     bool   // what it follows is the fleet, and no account
	CloudKey      bool   // CAS makes the key, even where it could be made here
	Upload        bool   // each new pair is put into CAS, too
}

// Apart says that the certificate is of no instance: it follows, or is ordered
// from a package.
func (c Certificate) Apart() bool { return c.Follow || c.Package != "" }

// DNS is [dns].
type DNS struct {
	Settings           dnsvalidate.Settings
	CAAIssuers         []string      // further names in CAA that let a CA of Alibaba's issue
	TTL                int           // of a validation record, in seconds
	PropagationTimeout time.Duration // of one run, until every name server shows the record
}

// Contact is one [contact.NAME]: the person whom the CA may call.
type Contact struct {
	ID                                      int64 // the ContactId of 2020-04-07; 0: to be found by mobile, then by name and e-mail
	Username, Mobile, Email, Province, City string
}

// Limits is [limits].
type Limits struct {
	SubmissionsPerDay int // of one certificate
	ParallelOrders    int
	ShortestPoll      time.Duration // between two looks at an order
	OrderDeadline     time.Duration
	Forecast          time.Duration // renewals within it are compared with the spare instances
}

// Service is [service].
type Service struct {
	Interval time.Duration
	Listen   string // host:port, or empty
	TLSCert  string // PEM, leaf and chain; empty: plain HTTP, on loopback alone
	TLSKey   string
	Token    secret.Secret // who asks has to know it; unset: nobody has to, on loopback alone
}

// Certificate returns the certificate of that name.
func (c *Config) Certificate(name string) (Certificate, bool) {
	i, known := c.places[name]
	if known = known && i < len(c.Certificates) && c.Certificates[i].Name == name; !known && len(c.places) != len(c.Certificates) {
		i = slices.IndexFunc(c.Certificates, func(one Certificate) bool { return one.Name == name })
		known = i >= 0
	}
	if !known {
		return Certificate{}, false
	}
	return c.Certificates[i], true
}
