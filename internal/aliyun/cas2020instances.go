package aliyun

import (
	"cmp"
	"context"
	"strings"
	"time"
)

// Instance2020 is a row of ListInstances: a subscription that was bought, or a
// test, under which certificates are issued one after the other. What concerns
// a certificate is of the latest one, also while the next is being applied for,
// and absent before the first. Times are zero where they are absent.
type Instance2020 struct {
	InstanceID          string
	InstanceType        string         // BUY or TEST
	CertificateType     string         // DV, OV or EV
	Brand, Spec         string         // Spec is brand.type.mode, such as ws.dv.f
	Status              InstanceStatus // a normal one may be without a certificate
	PendingResult       string         // pending, issued, none, or the CA's own words
	AutoReissue         bool           // CAS applies for the next certificate by itself
	Domains             []string       // Domain: names of the application; absent before it
	FullDomainCount     int            // how many plain names it takes
	WildcardDomainCount int            // how many wildcards it takes
	KeyAlgorithm        string         // such as RSA_2048 or ECC_256
	InstanceStart       time.Time      // InstanceStartTime; absent before the first certificate
	InstanceEnd         time.Time      // InstanceEndTime; likewise
	OrderStart          time.Time      // OrderStartTime: the subscription's, as bought
	OrderEnd            time.Time      // OrderEndTime
	CertificateID       int64          // each certificate has one of its own
	CertIdentifier      string         // CertificateID and site, such as 123-cn-hangzhou
	CertificateName     string
	CertificateStatus   Status    // issued, revoked, willExpire, expired; empty before the first
	NotBefore           time.Time // CertificateNotBefore
	NotAfter            time.Time // CertificateNotAfter
}

// InstanceDetail is the answer of GetInstanceDetail. It has no certificate and
// no key: GetUserCertificateDetail has.
type InstanceDetail struct {
	Instance2020
	CSR               string       // Csr, PEM; may be absent
	GenerateCSRMethod string       // GenerateCsrMethod: online or upload
	ValidationMethod  string       // DNS or HTTP
	ContactIDs        []int64      // ContactIdList
	Validations       []Validation // only while pending, and not in its first seconds
}

// Validation is an element of GetInstanceDetail's DomainValidationList: what
// the CA wants to see of one domain.
type Validation struct {
	Domain     string // the name to prove, such as *.example.com
	RootDomain string // its registered domain; not always a hosted zone
	Type       string // ValidationType: TXT, CNAME, HTTP or FILE
	Key        string // ValidationKey: relative to RootDomain, "@" for itself; or a full name
	Value      string // ValidationValue
}

// InstanceFilter narrows ListInstances down; empty fields do not.
type InstanceFilter struct {
	Status          InstanceStatus
	CertificateType string // DV, OV or EV
	InstanceType    string // BUY or TEST
	Keyword         string // in a domain, a name or an id; fuzzy
}

// InstanceSettings are what UpdateInstance changes. Empty fields stay as they are.
type InstanceSettings struct {
	Domains          []string // Domain: the CSR's common name first; wanted for several names
	CSR              string   // Csr, PEM; with it GenerateCsrMethod is upload
	CloudKey         bool     // without a CSR, GenerateCsrMethod is online: CAS makes the key
	KeyAlgorithm     string   // the CSR's own: RSA_2048, RSA_3072, RSA_4096 or ECC_256
	ValidationMethod string   // DNS or HTTP
	ContactIDs       []int64  // ContactIdList; an application wants one
	AutoReissue      string   // enable or disable
	CertificateName  string   // of the instance and its certificates
}

// Task is the answer of GetTaskAttribute.
type Task struct {
	Status  TaskStatus
	Message string // TaskMessage: why it failed
}

// ListedContact is a row of ListContact: a person whom an application can name.
type ListedContact struct {
	ContactID           int64
	Name, Email, Mobile string
}

// ListInstances reads every page of the account's subscriptions and tests. It
// shows no package and no order of one: ListUserCertificateOrder does.
func (c *Client) ListInstances(ctx context.Context, filter InstanceFilter) ([]Instance2020, error) {
	return readAll(ctx, c, listing[Instance2020, string]{
		action: "ListInstances",
		filter: map[string]string{
			"Status":          string(filter.Status),
			"CertificateType": filter.CertificateType,
			"InstanceType":    filter.InstanceType,
			"Keyword":         filter.Keyword,
		},
		rows:     "InstanceList",
		size:     100,
		from:     instance2020From,
		identity: func(i Instance2020) string { return i.InstanceID },
	})
}

// GetInstanceDetail reads one instance, and so how its application stands: a
// certificate was issued when CertificateID is another than before.
func (c *Client) GetInstanceDetail(ctx context.Context, instanceID string) (InstanceDetail, error) {
	answer, err := c.read(ctx, &c.cas, cas2020("GetInstanceDetail", map[string]string{
		"InstanceId": instanceID,
	}), "Status")
	if err != nil {
		return InstanceDetail{}, err
	}
	detail := InstanceDetail{
		Instance2020:      instance2020From(answer),
		CSR:               answer.text("Csr"),
		GenerateCSRMethod: answer.text("GenerateCsrMethod"),
		ValidationMethod:  answer.text("ValidationMethod"),
		ContactIDs:        answer.numbers("ContactIdList"),
		Validations:       each(answer.rows("DomainValidationList"), validationFrom),
	}
	detail.InstanceID = cmp.Or(detail.InstanceID, instanceID)
	return detail, nil
}

func instance2020From(row object) Instance2020 {
	return Instance2020{
		InstanceID:          row.text("InstanceId"),
		InstanceType:        row.text("InstanceType"),
		CertificateType:     row.text("CertificateType"),
		Brand:               row.text("Brand"),
		Spec:                row.text("Spec"),
		Status:              InstanceStatus(row.text("Status")),
		PendingResult:       row.text("PendingResult"),
		AutoReissue:         strings.EqualFold(row.text("AutoReissue"), "enable"),
		Domains:             row.texts("Domain"),
		FullDomainCount:     int(row.number("FullDomainCount")),
		WildcardDomainCount: int(row.number("WildcardDomainCount")),
		KeyAlgorithm:        row.text("KeyAlgorithm"),
		InstanceStart:       row.time("InstanceStartTime"),
		InstanceEnd:         row.time("InstanceEndTime"),
		OrderStart:          row.time("OrderStartTime"),
		OrderEnd:            row.time("OrderEndTime"),
		CertificateID:       row.number("CertificateId"),
		CertIdentifier:      row.text("CertIdentifier"),
		CertificateName:     row.text("CertificateName"),
		CertificateStatus:   Status(row.text("CertificateStatus")),
		NotBefore:           row.time("CertificateNotBefore"),
		NotAfter:            row.time("CertificateNotAfter"),
	}
}

func validationFrom(row object) Validation {
	return Validation{
		Domain:     row.text("Domain"),
		RootDomain: row.text("RootDomain"),
		Type:       row.text("ValidationType"),
		Key:        row.text("ValidationKey"),
		Value:      row.text("ValidationValue"),
	}
}

// UpdateInstance writes what the next application is to say. It may be
// repeated, and is WrongState while an application is pending and for some
// seconds after the purchase. It may submit the application by itself: read the
// instance before ApplyCertificate. The result is the RequestId.
func (c *Client) UpdateInstance(ctx context.Context, instanceID string, s InstanceSettings) (requestID string, err error) {
	parameters := map[string]string{
		"InstanceId":       instanceID,
		"Domain":           strings.Join(s.Domains, ","),
		"Csr":              s.CSR,
		"KeyAlgorithm":     s.KeyAlgorithm,
		"ValidationMethod": s.ValidationMethod,
		"AutoReissue":      s.AutoReissue,
		"CertificateName":  s.CertificateName,
	}
	switch {
	case s.CSR != "":
		parameters["GenerateCsrMethod"] = "upload"
	case s.CloudKey:
		parameters["GenerateCsrMethod"] = "online"
	}
	flatten(parameters, "ContactIdList", s.ContactIDs)
	return c.change(ctx, "UpdateInstance", parameters)
}

// ApplyCertificate submits what the instance holds; what becomes of it, only
// GetInstanceDetail says. It is WrongState when an application is pending
// already, or none is possible. The result is the RequestId.
func (c *Client) ApplyCertificate(ctx context.Context, instanceID string) (requestID string, err error) {
	return c.change(ctx, "ApplyCertificate", map[string]string{"InstanceId": instanceID})
}

// GetTaskAttribute reads whether the last ApplyCertificate of the instance was
// carried out. It adds why one failed; how the application stands, only
// GetInstanceDetail says.
func (c *Client) GetTaskAttribute(ctx context.Context, instanceID string) (Task, error) {
	answer, err := c.read(ctx, &c.cas, cas2020("GetTaskAttribute", map[string]string{
		"TaskId":   instanceID,
		"TaskType": "ApplyCertificate",
	}), "TaskStatus")
	return Task{TaskStatus(answer.text("TaskStatus")), answer.text("TaskMessage")}, err
}

// CancelPendingCertificate asks for the application to be withdrawn, which
// takes minutes. It is WrongState in the first seconds of an application, and
// when the certificate is issued.
func (c *Client) CancelPendingCertificate(ctx context.Context, instanceID string) error {
	_, err := c.change(ctx, "CancelPendingCertificate", map[string]string{"InstanceId": instanceID})
	return err
}

// ListContact reads every page of the account's contacts.
func (c *Client) ListContact(ctx context.Context) ([]ListedContact, error) {
	return readAll(ctx, c, listing[ListedContact, int64]{
		action:   "ListContact",
		rows:     "ContactList",
		from:     contactFrom,
		identity: func(c ListedContact) int64 { return c.ContactID },
	})
}

func contactFrom(row object) ListedContact {
	return ListedContact{
		ContactID: row.number("ContactId"),
		Name:      row.text("Name"),
		Email:     row.text("Email"),
		Mobile:    row.text("Mobile"),
	}
}
