package sandbox

import (
	"crypto/rsa"
	"crypto/x509"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/idna"
)

// Instance is a certificate that was bought. Its JSON is a row of DescribeOrderInstanceList.
type Instance struct {
	ID         int64  `json:"Id"` // 0: the next one
	InstanceID string `json:"InstanceId"`
	CertType   string `json:"CertType"` // DV, OV, EV, FREE
	Source     string `json:"Source"`   // BUY, CDN, OSS, EWS, DOMAIN
	Status     string `json:"Status"`   // PAYED, CHECKING, CHECKED_FAIL, Issued, …
	// Submissions counts the calls of CreateDVOrderAudit that were accepted for it.
	Submissions int `json:"Submissions"`
}

// Order is an application for a certificate, as the sandbox sees it.
type Order struct {
	InstanceID string    `json:"InstanceId"`
	Domains    []string  `json:"Domains"` // in A-labels
	Status     string    `json:"Status"`  // OrderStatus: checking, issued, check_fail, …
	CheckType  string    `json:"CheckType"`
	CheckName  string    `json:"CheckName"`
	CheckValue string    `json:"CheckValue"`
	Submitted  time.Time `json:"Submitted"`
	Seen       time.Time `json:"Seen"` // when the CA saw the last record that it wanted; zero before
}

// order is an Order with what its applicant does not see.
type order struct {
	Order
	province, city string
	next           []string                  // names of the challenges after the present one, set by a fault
	until          time.Time                 // the token's end of life
	fate           string                    // a status that the order is bound for, set by a fault; held stays checking
	spoil          []func(*x509.Certificate) // changes to the leaf, set by faults
	foreignKey     bool                      // the answer carries a key that is not the leaf's
	certificate    string
	key            string
	collected      int                             // answers that carried the certificate
	keyPair        func() (*rsa.PrivateKey, error) // the leaf's, made once, from the submission on
}

const (
	checking = "checking"
	issued   = "issued"
	held     = "held"

	tokenLifetime = 24 * time.Hour
)

func newOrder(instanceID string, domains []string, verifyType string) *order {
	o := &order{Order: Order{
		InstanceID: instanceID, Domains: domains, Status: checking, CheckType: verifyType, Submitted: time.Now(),
	}, keyPair: sync.OnceValues(newKey)}
	o.ask(validationName(domains[0]))
	if verifyType == "FILE" {
		o.CheckName = strings.TrimPrefix(domains[0], "*.") + "/.well-known/pki-validation/fileauth.txt"
	}
	return o
}

// validationName is where the TXT record for a domain goes.
func validationName(domain string) string { return "_dnsauth." + strings.TrimPrefix(domain, "*.") }

// ask sets a new pair with a new life.
func (o *order) ask(name string) {
	o.CheckName, o.CheckValue = name, newToken()
	o.Seen, o.until = time.Time{}, time.Now().Add(tokenLifetime)
}

func newToken() string {
	return time.Now().UTC().Format("20060102") + "0000000" + randomText(45, alphanumeric)
}

// instanceStatus is how the instance list spells an order's status.
func instanceStatus(orderStatus string) string {
	switch orderStatus {
	case checking:
		return "CHECKING"
	case issued:
		return "Issued"
	case "check_fail", "checked_fail":
		return "CHECKED_FAIL"
	}
	return strings.ToUpper(orderStatus)
}

// certificateNames are the names of an order's leaf: a wildcard carries its
// parent too, and a single name its counterpart with or without www.
func (o *order) certificateNames(zones []*zone) []string {
	var names []string
	add := func(name string) {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for _, domain := range o.Domains {
		add(domain)
	}
	for _, name := range slices.Clone(names) {
		if parent, ok := strings.CutPrefix(name, "*."); ok {
			add(parent)
		}
	}
	if len(o.Domains) > 1 || strings.HasPrefix(names[0], "*.") {
		return names
	}
	if apex, ok := strings.CutPrefix(names[0], "www."); ok {
		add(apex)
	} else if z := enclosing(zones, names[0]); z != nil && z.punycode == names[0] {
		add("www." + names[0])
	}
	return names
}

var domainName = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?$`)

// splitDomains reads parameter Domain, a list with commas, as A-labels.
func splitDomains(list string) ([]string, error) {
	var domains []string
	for domain := range strings.SplitSeq(list, ",") {
		bare, isWildcard := strings.CutPrefix(strings.TrimSpace(domain), "*.")
		ascii, err := idna.Lookup.ToASCII(strings.ToLower(bare))
		if err != nil || len(ascii) > 253 || !domainName.MatchString(ascii) {
			return nil, invalidParameter("Domain")
		}
		if isWildcard {
			ascii = "*." + ascii
		}
		domains = append(domains, ascii)
	}
	return domains, nil
}
