package aliyun

import (
	"context"
	"errors"
	"strconv"
	"time"
)

// ListedCertificate is a row of ListCertificates: what the account stores.
type ListedCertificate struct {
	CertificateID   int64
	CertIdentifier  string // CertificateID and site
	CertificateName string
	InstanceID      string   // of what it was issued under; an upload has one, too
	Source          string   // CertificateSource: BUY, TEST or UPLOAD
	Status          Status   // CertificateStatus: issued, revoked, willExpire, expired
	Fingerprint     string   // FingerPrint: SHA-1, 40 hex digits; may be absent
	CommonName      string   // may be absent
	Domains         []string // Domain
	NotBefore       time.Time
	NotAfter        time.Time
	HasPrivateKey   bool // ExistPrivateKey: CAS knows the key, so that products can use it
}

// CertificateFilter narrows ListCertificates down; empty fields do not.
type CertificateFilter struct {
	InstanceID string
	Source     string // BUY, TEST or UPLOAD
	Status     Status // issued, revoked, willExpire or expired
	Keyword    string // in a name or a domain; fuzzy
}

// CertificateDetail is the answer of GetUserCertificateDetail.
type CertificateDetail struct {
	ID             int64
	CertIdentifier string
	InstanceID     string // of a certificate that was issued here
	OrderID        int64  // of a package
	Name           string
	Common         string   // the common name
	Sans           []string // may lack the common name
	Fingerprint    string   // SHA-1, 40 hex digits
	SerialNo       string   // hex, perhaps with leading zeros
	Issuer         string
	OrgName        string
	NotBefore      time.Time
	NotAfter       time.Time
	BuyInAliyun    bool
	Expired        bool
	Cert           string // PEM, leaf and chain
	Key            string `json:"-"` // PEM; absent when CAS does not know it, as after a CSR of our own
}

// ListCertificates reads every page of the account's certificates.
func (c *Client) ListCertificates(ctx context.Context, filter CertificateFilter) ([]ListedCertificate, error) {
	return readAll(ctx, c, listing[ListedCertificate, int64]{
		action: "ListCertificates",
		filter: map[string]string{
			"InstanceId":        filter.InstanceID,
			"CertificateSource": filter.Source,
			"CertificateStatus": string(filter.Status),
			"Keyword":           filter.Keyword,
		},
		rows:     "CertificateList",
		from:     listedCertificateFrom,
		identity: func(c ListedCertificate) int64 { return c.CertificateID },
	})
}

func listedCertificateFrom(row object) ListedCertificate {
	return ListedCertificate{
		CertificateID:   row.number("CertificateId"),
		CertIdentifier:  row.text("CertIdentifier"),
		CertificateName: row.text("CertificateName"),
		InstanceID:      row.text("InstanceId"),
		Source:          row.text("CertificateSource"),
		Status:          Status(row.text("CertificateStatus")),
		Fingerprint:     row.text("FingerPrint"),
		CommonName:      row.text("CommonName"),
		Domains:         row.texts("Domain"),
		NotBefore:       row.time("NotBefore"),
		NotAfter:        row.time("NotAfter"),
		HasPrivateKey:   row.yes("ExistPrivateKey"),
	}
}

// GetUserCertificateDetail reads one certificate, uploaded or issued under an
// instance or a package. One without Cert is Malformed.
func (c *Client) GetUserCertificateDetail(ctx context.Context, id int64) (CertificateDetail, error) {
	const action = "GetUserCertificateDetail"
	answer, err := c.read(ctx, &c.cas, cas2020(action, map[string]string{
		"CertId": strconv.FormatInt(id, 10),
	}))
	if err != nil {
		return CertificateDetail{}, err
	}
	found := certificateDetailFrom(answer)
	if found.Cert == "" {
		return CertificateDetail{}, &Error{Operation: action, Kind: Malformed, RequestID: answer.text("RequestId"),
			Err: errors.New("the answer has no Cert")}
	}
	return found, nil
}

func certificateDetailFrom(answer object) CertificateDetail {
	return CertificateDetail{
		ID:             answer.number("Id"),
		CertIdentifier: answer.text("CertIdentifier"),
		InstanceID:     answer.text("InstanceId"),
		OrderID:        answer.number("OrderId"),
		Name:           answer.text("Name"),
		Common:         answer.text("Common"),
		Sans:           answer.texts("Sans"),
		Fingerprint:    answer.text("Fingerprint"),
		SerialNo:       answer.text("SerialNo"),
		Issuer:         answer.text("Issuer"),
		OrgName:        answer.text("OrgName"),
		NotBefore:      answer.time("NotBefore"),
		NotAfter:       answer.time("NotAfter"),
		BuyInAliyun:    answer.yes("BuyInAliyun"),
		Expired:        answer.yes("Expired"),
		Cert:           answer.text("Cert"),
		Key:            answer.text("Key"),
	}
}

// UploadUserCertificate uploads a pair (PEM) under a name that is unique in the
// account, 63 letters, digits and underscores at most; a name that exists is
// Duplicate.
func (c *Client) UploadUserCertificate(ctx context.Context, name, certPEM, keyPEM string) (id int64, err error) {
	return c.create(ctx, "UploadUserCertificate", map[string]string{
		"Name": name,
		"Cert": certPEM,
		"Key":  keyPEM,
	}, "CertId")
}

// DeleteUserCertificate2020 removes a certificate that was uploaded, has
// expired or was revoked; one that is not there is NotFound.
func (c *Client) DeleteUserCertificate2020(ctx context.Context, id int64) error {
	_, err := c.change(ctx, "DeleteUserCertificate", map[string]string{"CertId": strconv.FormatInt(id, 10)})
	return err
}
