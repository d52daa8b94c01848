package sandbox

import (
	"crypto"
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
	Domains    []string  `json:"Domains"`   // in A-labels
	Status     string    `json:"Status"`    // OrderStatus: checking, issued, check_fail, …
	CheckType  string    `json:"CheckType"` // DNS or FILE
	CheckName  string    `json:"CheckName"` // of the newest proof, as CheckValue
	CheckValue string    `json:"CheckValue"`
	Proofs     []Proof   `json:"Proofs"`
	Submitted  time.Time `json:"Submitted"`
	Seen       time.Time `json:"Seen"` // when the CA had seen all that it wanted; zero before
}

// order is an Order with what its applicant does not see.
type order struct {
	Order
	province, city string
	csr            *x509.CertificateRequest // the applicant's; nil when the service makes the key
	name           string                   // of the certificate; "" is one made from its id
	orderID        int64                    // of an order from a package
	longest        time.Duration            // of the leaf; 0 is the CA's own limit
	latest         time.Time                // the leaf's end at the latest; zero is no limit

	next        []Proof                       // wanted one by one, each once all before it were seen
	until       time.Time                     // the tokens' end of life
	looks       int                           // of the applicant at the instance
	withdrawAt  time.Time                     // when it is withdrawn; zero is never
	released    bool                          // a refusal leaves the instance as if it had not been used, set by a fault
	fate        string                        // a status that the order is bound for, set by a fault; held stays checking
	spoil       []func(*x509.Certificate)     // changes to the leaf, set by faults
	foreignKey  bool                          // the leaf is not for the applicant's key
	certificate *certificate                  // once issued
	collected   int                           // answers that carried the certificate
	keyPair     func() (crypto.Signer, error) // the leaf's, made once, from the submission on
}

const (
	payed     = "payed"
	checking  = "checking"
	issued    = "issued"
	withdrawn = "withdrawn"
	held      = "held"

	tokenLifetime = 24 * time.Hour
)

// newOrder applies for domains; the key is one that the service makes.
func newOrder(instanceID string, domains []string, verifyType string, proofs ...Proof) *order {
	now := time.Now()
	return &order{
		Order: Order{
			InstanceID: instanceID, Domains: domains, Status: checking, CheckType: verifyType, Submitted: now, Proofs: proofs,
		},
		until:   now.Add(tokenLifetime),
		keyPair: sync.OnceValues(func() (crypto.Signer, error) { return newKey("RSA_2048") }),
	}
}

// shown is the order for those who look at the sandbox.
func (o *order) shown() Order {
	copied := o.Order
	copied.CheckName, copied.CheckValue = o.newestProof().Name, o.newestProof().Value
	return copied
}

// newestProof is the one that an API shows which knows no other.
func (o *order) newestProof() Proof { return o.Proofs[len(o.Proofs)-1] }

func (o *order) failed() bool { return o.Status == "check_fail" || o.Status == "checked_fail" }

// presented tells whether 2020-04-07 shows the proofs yet: from the second look on.
func (o *order) presented() bool { return o.looks > 1 }

// proven tells whether each proof that was asked for has been seen.
func (o *order) proven() bool {
	return !slices.ContainsFunc(o.Proofs, func(p Proof) bool { return p.Seen.IsZero() })
}

// renewTokens gives the proofs that nobody has seen other values and a new life.
func (o *order) renewTokens() {
	o.Proofs = slices.Clone(o.Proofs)
	files := newToken()
	for i, p := range o.Proofs {
		switch {
		case !p.Seen.IsZero():
		case p.Type == "FILE":
			o.Proofs[i].Value = files
		default:
			o.Proofs[i].Value = newToken()
		}
	}
	o.until = time.Now().Add(tokenLifetime)
}

// instanceStatus is how the instance list of 2018-07-13 spells an order's status.
func (o *order) instanceStatus() string {
	switch o.Status {
	case checking:
		return "CHECKING"
	case issued:
		return "Issued"
	case "check_fail", "checked_fail", withdrawn:
		if o.released {
			return "PAYED"
		}
		return "CHECKED_FAIL"
	}
	return strings.ToUpper(o.Status)
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

func hasWildcard(domains []string) bool {
	return slices.ContainsFunc(domains, func(domain string) bool { return strings.HasPrefix(domain, "*.") })
}

var domainName = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?$`)
})

// splitDomains reads parameter Domain, a list with commas, as A-labels.
func splitDomains(list string) ([]string, error) {
	var domains []string
	for domain := range strings.SplitSeq(list, ",") {
		bare, isWildcard := strings.CutPrefix(strings.TrimSpace(domain), "*.")
		ascii, err := idna.Lookup.ToASCII(strings.ToLower(bare))
		if err != nil || len(ascii) > 253 || !domainName().MatchString(ascii) {
			return nil, invalidParameter("Domain")
		}
		if isWildcard {
			ascii = "*." + ascii
		}
		domains = append(domains, ascii)
	}
	return domains, nil
}
