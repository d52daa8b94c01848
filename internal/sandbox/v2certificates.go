package sandbox

import (
	"crypto/sha1" // the API's fingerprint is SHA-1
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// Certificate is one of the account's, issued here or uploaded.
type Certificate struct {
	ID         int64     `json:"CertificateId"`
	Name       string    `json:"CertificateName"`
	InstanceID string    `json:"InstanceId"` // of an upload one that nobody bought, cas-upload-…
	Names      []string  `json:"Names"`
	KeyHash    string    `json:"KeyHash"` // SHA-256 of the public key as the certificate holds it (SubjectPublicKeyInfo), in hex
	NotBefore  time.Time `json:"NotBefore"`
	NotAfter   time.Time `json:"NotAfter"`
	HasKey     bool      `json:"HasKey"`     // the private one is here too
	RevokeTime time.Time `json:"RevokeTime"` // zero: it was not revoked
}

func (c *certificate) shown() Certificate {
	return Certificate{
		ID: c.id, Name: c.name, InstanceID: c.instanceID, Names: c.leaf.DNSNames,
		KeyHash: keyHash(c.leaf.RawSubjectPublicKeyInfo), NotBefore: c.leaf.NotBefore, NotAfter: c.leaf.NotAfter, HasKey: c.key != "",
		RevokeTime: c.revoked,
	}
}

// identifier is how Alibaba's other services call the certificate on the site of China.
func (c *certificate) identifier() string { return fmt.Sprintf("%d-cn-hangzhou", c.id) }

// status is the certificate's in 2020-04-07's words.
func (c *certificate) status(now time.Time) string {
	switch {
	case !c.revoked.IsZero():
		return "revoked"
	case now.After(c.leaf.NotAfter):
		return "expired"
	case nearlyOver(c.leaf.NotBefore, c.leaf.NotAfter, now):
		return "willExpire"
	}
	return "issued"
}

// serial is in hex, in whole bytes, so that it may begin with a zero.
func (c *certificate) serial() string { return fmt.Sprintf("%x", c.leaf.SerialNumber.Bytes()) }

func (c *certificate) sha2() string { return fmt.Sprintf("%X", sha256.Sum256(c.leaf.Raw)) }

func (c *certificate) getDetail() object {
	detail := c.fields()
	for name, value := range (object{
		"InstanceId": c.instanceID, "OrderId": c.orderID, "CertIdentifier": c.identifier(),
		"SerialNo": c.serial(), "Sha2": c.sha2(), "CertSha2": c.sha2(), "Algorithm": c.leaf.PublicKeyAlgorithm.String(),
		"NotBefore": millis(c.leaf.NotBefore), "NotAfter": millis(c.leaf.NotAfter),
		"Cert": c.cert, "Key": c.key, "CertChain": c.chain(), "ResourceGroupId": "", "Tags": []object{},
	}) {
		detail[name] = value
	}
	return detail
}

// chain tells of each certificate in the text, without its PEM.
func (c *certificate) chain() []object {
	var rows []object
	for block, rest := pem.Decode([]byte(c.cert)); block != nil; block, rest = pem.Decode(rest) {
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			continue
		}
		rows = append(rows, object{
			"CommonName": cert.Subject.CommonName, "IssuerCommonName": cert.Issuer.CommonName,
			"NotBefore": millis(cert.NotBefore), "NotAfter": millis(cert.NotAfter),
			"RemainDay": int(time.Until(cert.NotAfter) / day),
		})
	}
	return rows
}

// getUserCertificateDetail leaves out all PEM when CertFilter asks for that.
func (s *cas) getUserCertificateDetail(c *call) (object, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, err := s.certificateIndex(c.params, notFound2020)
	if err != nil {
		return nil, err
	}
	detail := s.certificates[i].getDetail()
	if c.params["CertFilter"] == "true" {
		detail["Cert"], detail["Key"] = "", ""
	}
	c.settle(detail)
	return detail, nil
}

// certificateFilters are the parameters of ListCertificates that a row must equal.
var certificateFilters = []string{"InstanceId", "CertificateSource", "CertificateStatus"}

func (s *cas) listCertificates(c *call) (object, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	rows := []object{}
	for _, cert := range slices.Backward(s.certificates) {
		row := cert.row(s.instance(cert.instanceID), c.now)
		if row.matches(c.params, certificateFilters, "Domain", "CertificateName", "CertificateId") {
			rows = append(rows, row)
		}
	}
	c.settle(rows...)
	return c.currentPage("CertificateList", rows, 10, 100)
}

// row spells the id as a string, and lacks serial and alternative names, as the service does.
func (c *certificate) row(i *instance, now time.Time) object {
	source := "UPLOAD"
	if c.bought {
		source = "BUY"
	}
	if i != nil && i.subscription.InstanceType == "TEST" {
		source = "TEST"
	}
	return object{
		"CertificateId": fmt.Sprint(c.id), "CertificateName": c.name, "CertificateSource": source, "CertificateStatus": c.status(now),
		"CertIdentifier": c.identifier(), "InstanceId": c.instanceID, "Domain": strings.Join(c.leaf.DNSNames, ","),
		"CommonName": c.common(), "Issuer": c.leaf.Issuer.CommonName, "FingerPrint": fmt.Sprintf("%X", sha1.Sum(c.leaf.Raw)),
		"Algorithm": c.leaf.PublicKeyAlgorithm.String(), "KeySize": keySize(c.leaf.PublicKey), "ExistPrivateKey": c.key != "",
		"NotBefore": millis(c.leaf.NotBefore), "NotAfter": millis(c.leaf.NotAfter), "UsingProductList": []string{},
	}
}

var uploadName = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9_]{1,63}$`) })

func (s *cas) uploadUserCertificate(c *call) (object, error) {
	if err := c.params.require("Name", "Cert", "Key"); err != nil {
		return nil, err
	}
	if !uploadName().MatchString(c.params["Name"]) {
		return nil, invalidParameter("Name")
	}
	uploaded, err := readUpload(c)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.addUpload(uploaded, c.params["Lang"]); err != nil {
		return nil, err
	}
	return object{"CertId": uploaded.id, "ResourceId": uploaded.instanceID}, nil
}

// readUpload refuses a pair with the code that says what is wrong with it.
func readUpload(c *call) (*certificate, error) {
	cert, key := c.params["Cert"], c.params["Key"]
	uploaded, err := newCertificate(c.params["Name"], cert, "")
	if err != nil {
		return nil, refusal(http.StatusBadRequest, "CertificateFormatException", "The format of the certificate is invalid.")
	}
	if c.now.After(uploaded.leaf.NotAfter) {
		return nil, refusal(http.StatusBadRequest, "CertificateExpired", "The certificate has expired.")
	}
	if _, err := tls.X509KeyPair([]byte(cert), []byte(key)); err != nil {
		return nil, refusal(http.StatusBadRequest, "KeyNotMatchCert", "The private key does not match the certificate.")
	}
	uploaded.key = key
	return uploaded, nil
}

// revokeCertificate has the CA declare a certificate void. The instance stays as it is, and
// yields another one when it is applied for.
func (s *cas) revokeCertificate(c *call) (object, error) {
	if err := c.params.require("InstanceId", "CertificateId"); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	i, err := s.certificateIndex(params{"CertId": c.params["CertificateId"]}, notFound2020)
	if err != nil {
		return nil, err
	}
	doomed := s.certificates[i]
	if doomed.instanceID != c.params["InstanceId"] {
		return nil, notFound2020(c.params["Lang"])
	}
	if status := doomed.status(c.now); !doomed.bought || status == "revoked" || status == "expired" {
		return nil, errStatusNotSupport
	}
	doomed.revoked = c.now
	return object{}, nil
}

// removeUserCertificate deletes what was uploaded, has expired or was revoked, and nothing
// that is in use.
func (s *cas) removeUserCertificate(c *call) (object, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, err := s.certificateIndex(c.params, notFound2020)
	if err != nil {
		return nil, err
	}
	if doomed := s.certificates[i]; doomed.bought && doomed.revoked.IsZero() && doomed.status(c.now) != "expired" {
		return nil, refusal(http.StatusBadRequest, "InvalidStatus.DeleteProtection", "The current status does not allow the deletion.")
	}
	s.certificates = slices.Delete(s.certificates, i, i+1)
	return object{}, nil
}
