package sandbox

import (
	"crypto/sha1" // the API's fingerprint is SHA-1
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// certificate is a pair in the account's list, issued here or uploaded.
type certificate struct {
	id             int64
	name           string
	leaf           *x509.Certificate
	cert, key      string // PEM
	bought         bool
	instanceID     string // what it was issued on
	orderID        int64  // of an order from a package
	added          time.Time
	revoked        time.Time // zero: it was not
	province, city string
}

// fields are the certificate's own, named as in DescribeUserCertificateDetail.
func (c *certificate) fields() object {
	organization := strings.Join(c.leaf.Subject.Organization, " ")
	issuer := strings.Join(c.leaf.Issuer.Organization, " ")
	if issuer == "" {
		issuer = c.leaf.Issuer.CommonName
	}
	return object{
		"Id": c.id, "Name": c.name, "Common": c.common(), "Sans": strings.Join(c.leaf.DNSNames, ","),
		"Fingerprint": fmt.Sprintf("%X", sha1.Sum(c.leaf.Raw)), "Issuer": issuer, "OrgName": organization,
		"Province": c.province, "City": c.city, "Country": "CN",
		"StartDate": c.leaf.NotBefore.UTC().Format(time.DateOnly), "EndDate": c.leaf.NotAfter.UTC().Format(time.DateOnly),
		"Expired": time.Now().After(c.leaf.NotAfter), "BuyInAliyun": c.bought,
	}
}

func (c *certificate) common() string {
	if c.leaf.Subject.CommonName == "" && len(c.leaf.DNSNames) > 0 {
		return c.leaf.DNSNames[0]
	}
	return c.leaf.Subject.CommonName
}

// newCertificate reads a chain, and its leaf's key unless that is kept elsewhere
// (""); it fails when the two do not match.
func newCertificate(name, cert, key string) (*certificate, error) {
	c := &certificate{name: name, cert: cert, key: key}
	if key != "" {
		pair, err := tls.X509KeyPair([]byte(cert), []byte(key))
		c.leaf = pair.Leaf
		return c, err
	}
	block, _ := pem.Decode([]byte(cert))
	if block == nil {
		return nil, errors.New("there is no PEM block")
	}
	var err error
	c.leaf, err = x509.ParseCertificate(block.Bytes)
	return c, err
}

// describeUserCertificateList spells the fields with a small first letter, unlike the detail.
func (s *cas) describeUserCertificateList(c *call) (object, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	rows := []object{}
	for _, cert := range slices.Backward(s.certificates) {
		row := object{}
		for name, value := range cert.fields() {
			row[strings.ToLower(name[:1])+name[1:]] = value
		}
		rows = append(rows, row)
	}
	return c.currentPage("CertificateList", rows, 50, 1000)
}

func (s *cas) describeUserCertificateDetail(c *call) (object, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, err := s.certificateIndex(c.params, notFound)
	if err != nil {
		return nil, err
	}
	detail := s.certificates[i].fields()
	detail["Cert"], detail["Key"] = s.certificates[i].cert, s.certificates[i].key
	return detail, nil
}

func (s *cas) createUserCertificate(c *call) (object, error) {
	if err := c.params.require("Name", "Cert", "Key"); err != nil {
		return nil, err
	}
	uploaded, err := newCertificate(c.params["Name"], c.params["Cert"], c.params["Key"])
	if err != nil {
		return nil, invalidParameter("Cert")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.addUpload(uploaded, c.params["Lang"]); err != nil {
		return nil, err
	}
	return object{"CertId": uploaded.id}, nil
}

// addUpload gives a certificate its id, unless its name is taken; the caller holds the lock.
func (s *cas) addUpload(uploaded *certificate, language string) error {
	for _, other := range s.certificates {
		if other.name == uploaded.name {
			return nameTaken(language)
		}
	}
	uploaded.instanceID = "cas-upload-" + randomText(12, alphanumeric)
	s.addCertificate(uploaded)
	return nil
}

// addCertificate puts a certificate into the account's list; the caller holds the lock.
func (s *cas) addCertificate(c *certificate) {
	c.id, c.added = s.nextID(), time.Now()
	s.certificates = append(s.certificates, c)
}

func nameTaken(language string) error {
	if language == "en" {
		return refusal(http.StatusBadRequest, "NameRepeat", "The certificate name already exists.")
	}
	return refusal(http.StatusBadRequest, "NameRepeat", "名称重复，请重新输入。")
}

func (s *cas) deleteUserCertificate(c *call) (object, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, err := s.certificateIndex(c.params, notFound)
	if err != nil {
		return nil, err
	}
	s.certificates = slices.Delete(s.certificates, i, i+1)
	return object{}, nil
}

// certificateIndex finds what CertId names, or answers what missing makes; the caller holds the lock.
func (s *cas) certificateIndex(p params, missing func(language string) error) (int, error) {
	if err := p.require("CertId"); err != nil {
		return 0, err
	}
	id, err := strconv.ParseInt(p["CertId"], 10, 64)
	if err != nil {
		return 0, invalidParameter("CertId")
	}
	i := slices.IndexFunc(s.certificates, func(c *certificate) bool { return c.id == id })
	if i < 0 {
		return 0, missing(p["Lang"])
	}
	return i, nil
}
