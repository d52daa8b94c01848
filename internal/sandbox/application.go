package sandbox

import (
	"cmp"
	"crypto/x509"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// application is what an instance of 2020-04-07 holds for the next certificate.
// UpdateInstance fills it in, in any number of steps, and ApplyCertificate submits it.
type application struct {
	domains     []string
	method      string // online: the service makes the key; or upload
	csr         string // PEM, of method upload
	request     *x509.CertificateRequest
	names       []string // of the CSR, its common name first
	algorithm   string
	validation  string // DNS or HTTP
	contacts    []int64
	companyID   int64
	autoReissue bool
	tags        []object

	name, city, province, country, group string
}

func newApplication() application {
	return application{
		method: "online", algorithm: "RSA_2048", validation: "DNS",
		city: "Beijing", province: "Beijing", country: "CN",
	}
}

// updateInstance changes what is sent, and keeps the rest.
func (s *cas) updateInstance(c *call) (object, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, err := s.instance2020(c.params)
	if err != nil {
		return nil, err
	}
	if status := i.status(c.now); status == "pending" || i.over(c.now) {
		return nil, errUpdateProtection
	}
	a := i.application
	if err := a.read(c.params); err != nil {
		return nil, err
	}
	if !i.subscription.covers(a.allNames()) {
		return nil, errNamesDoNotFit
	}
	for _, id := range a.contacts {
		if !s.hasContact(id) {
			return nil, invalidParameter("ContactIdList")
		}
	}
	i.application = a
	if a.missing(i) == "" && c.chooses("auto-submit") {
		return object{}, s.apply(i, c)
	}
	return object{}, nil
}

var (
	errUpdateProtection = refusal(http.StatusBadRequest, "InvalidStatus.UpdateProtection",
		"The current status does not allow an update.")
	errNamesDoNotFit = refusal(http.StatusBadRequest, "DomainAndProductNotMatch",
		"The domain names do not match the product.")
)

// read takes over what the parameters say.
func (a *application) read(p params) error {
	a.name, a.group = cmp.Or(p["CertificateName"], a.name), cmp.Or(p["ResourceGroupId"], a.group)
	a.city, a.province, a.country = cmp.Or(p["City"], a.city), cmp.Or(p["Province"], a.province), cmp.Or(p["CountryCode"], a.country)
	for _, choice := range []struct {
		name    string
		value   *string
		allowed []string
	}{
		{"GenerateCsrMethod", &a.method, []string{"online", "upload"}},
		{"ValidationMethod", &a.validation, []string{"DNS", "HTTP"}},
		{"KeyAlgorithm", &a.algorithm, keyAlgorithms},
	} {
		if value := p[choice.name]; value != "" && !slices.Contains(choice.allowed, value) {
			return invalidParameter(choice.name)
		}
		*choice.value = cmp.Or(p[choice.name], *choice.value)
	}
	for _, read := range []func(params) error{a.readIDs, a.readAutoReissue, a.readTags, a.readNames} {
		if err := read(p); err != nil {
			return err
		}
	}
	return nil
}

// keyAlgorithms are those that this CA certifies; SM2 is not among them.
var keyAlgorithms = []string{"RSA_2048", "RSA_3072", "RSA_4096", "ECC_256"}

func (a *application) readIDs(p params) error {
	if p["CompanyId"] != "" {
		id, err := strconv.ParseInt(p["CompanyId"], 10, 64)
		if err != nil {
			return invalidParameter("CompanyId")
		}
		a.companyID = id
	}
	ids := p.list("ContactIdList")
	if len(ids) == 0 {
		return nil
	}
	a.contacts = nil
	for _, text := range ids {
		id, err := strconv.ParseInt(text, 10, 64)
		if err != nil || len(ids) > 50 {
			return invalidParameter("ContactIdList")
		}
		a.contacts = append(a.contacts, id)
	}
	return nil
}

func (a *application) readAutoReissue(p params) error {
	switch p["AutoReissue"] {
	case "":
	case "enable", "disable":
		a.autoReissue = p["AutoReissue"] == "enable"
	default:
		return invalidParameter("AutoReissue")
	}
	return nil
}

func (a *application) readTags(p params) error {
	var tags []object
	for n := 1; p["Tags."+strconv.Itoa(n)+".TagKey"] != ""; n++ {
		prefix := "Tags." + strconv.Itoa(n)
		key, value := p[prefix+".TagKey"], p[prefix+".TagValue"]
		if n > 20 || len(key) > 64 || len(value) > 128 || strings.HasPrefix(key, "aliyun") || strings.HasPrefix(key, "acs:") {
			return invalidParameter("Tags")
		}
		tags = append(tags, object{"TagKey": key, "TagValue": value})
	}
	if tags != nil {
		a.tags = tags
	}
	return nil
}

// readNames takes the names from Domain and, with an uploaded CSR, from that:
// its common name replaces an older Domain, and must be the first of a new one.
func (a *application) readNames(p params) (err error) {
	if p["Domain"] != "" {
		if a.domains, err = splitDomains(p["Domain"]); err != nil {
			return err
		}
	}
	if a.method != "upload" {
		a.csr, a.request, a.names = "", nil, nil
		return nil
	}
	if p["Csr"] != "" {
		if a.request, a.names, err = readCSR(p["Csr"]); err != nil {
			return err
		}
		a.csr, a.algorithm = p["Csr"], keyAlgorithm(a.request.PublicKey)
		if p["Domain"] == "" {
			a.domains = a.names[:1]
		}
	}
	if a.request != nil && a.domains[0] != a.names[0] {
		return invalidParameter("Domain")
	}
	return nil
}

// allNames are those that the certificate is to have.
func (a *application) allNames() []string { return union(a.domains, a.names) }

// missing is the parameter without which nothing can be submitted, "" when all are there.
func (a *application) missing(i *instance) string {
	switch {
	case a.method == "upload" && a.request == nil:
		return "Csr"
	case len(a.domains) == 0:
		return "Domain"
	case a.validation == "HTTP" && hasWildcard(a.allNames()):
		return "ValidationMethod"
	case len(a.contacts) == 0:
		return "ContactIdList"
	case i.subscription.CertificateType != "DV" && a.companyID == 0:
		return "CompanyId"
	}
	return ""
}

// covers tells whether some names are of the number and kind that were bought.
func (s Subscription) covers(names []string) bool {
	wildcards := 0
	for _, name := range names {
		if strings.HasPrefix(name, "*.") {
			wildcards++
		}
	}
	return wildcards <= s.WildcardDomainCount && len(names)-wildcards <= s.FullDomainCount
}
