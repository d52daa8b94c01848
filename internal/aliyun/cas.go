package aliyun

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/requests"
)

// casRequest declares an operation of CAS on the SDK's core, whose newest
// version has none of those that we call. All goes by POST with the parameters
// in the body: net/http repeats a GET whose connection died unanswered, and keys
// and contacts do not belong in a URL.
func casRequest(version, action string, parameters map[string]string) build {
	return func() requests.AcsRequest {
		request := &requests.RpcRequest{}
		request.InitWithApiInfo("cas", version, action, "cas", "openAPI")
		request.FormParams = parameters
		return request
	}
}

func cas2018(action string, parameters map[string]string) build {
	return casRequest("2018-07-13", action, parameters)
}

// CreateDVOrderAudit submits an order, and so consumes a.InstanceID. It is not idempotent: after an error that MayHaveBeenApplied,
// ask DescribeDVOrderResult. The result is the RequestId.
func (c *Client) CreateDVOrderAudit(ctx context.Context, a Application) (requestID string, err error) {
	answer, err := c.write(ctx, &c.cas, cas2018("CreateDVOrderAudit", map[string]string{
		"InstanceId":       a.InstanceID,
		"Domain":           strings.Join(a.Domains, ","),
		"DomainVerifyType": a.VerifyType,
		"Username":         a.Contact.Username,
		"Mobile":           a.Contact.Mobile,
		"Email":            a.Contact.Email,
		"Province":         a.Contact.Province,
		"City":             a.Contact.City,
	}), "RequestId")
	return answer.text("RequestId"), err
}

// DescribeDVOrderResult reads how an order stands. Every field but Status may
// be empty, even Certificate and PrivateKey of an order that is issued: poll on.
func (c *Client) DescribeDVOrderResult(ctx context.Context, instanceID string) (OrderResult, error) {
	answer, err := c.read(ctx, &c.cas, cas2018("DescribeDVOrderResult", map[string]string{
		"InstanceId": instanceID,
	}), "OrderStatus")
	if err != nil {
		return OrderResult{}, err
	}
	return OrderResult{
		Status:      Status(answer.text("OrderStatus")),
		CheckType:   answer.text("CheckType"),
		CheckName:   answer.text("CheckName"),
		CheckValue:  answer.text("CheckValue"),
		Certificate: answer.text("Certificate"),
		PrivateKey:  answer.text("PrivateKey"),
	}, nil
}

// DescribeOrderInstanceList reads every page of the account's order instances.
// The API knows StartIndex alone and no size of a page.
func (c *Client) DescribeOrderInstanceList(ctx context.Context) ([]Instance, error) {
	const action = "DescribeOrderInstanceList"
	const usualSize = 10 // pages hold a multiple of it
	type identity struct {
		instance string
		id       int64
	}
	identify := func(i Instance) identity { return identity{i.InstanceID, i.ID} }
	return pages(action, usualSize, identify, func(_, start int) (object, []Instance, error) {
		answer, err := c.read(ctx, &c.cas, cas2018(action, map[string]string{
			"StartIndex": strconv.Itoa(start),
		}), "OrderList", "TotalCount")
		return answer, each(answer.rows("OrderList"), instanceFrom), err
	})
}

func instanceFrom(row object) Instance {
	return Instance{
		ID:         row.number("Id"),
		InstanceID: row.text("InstanceId"),
		Source:     row.text("Source"),
		Status:     Status(row.text("Status")),
		CertType:   row.text("CertType"),
	}
}

// DescribeUserCertificateList reads every page of the account's certificates,
// without Cert and Key.
func (c *Client) DescribeUserCertificateList(ctx context.Context) ([]Certificate, error) {
	const action, size = "DescribeUserCertificateList", 50
	identify := func(c Certificate) int64 { return c.ID }
	return pages(action, size, identify, func(page, _ int) (object, []Certificate, error) {
		answer, err := c.read(ctx, &c.cas, cas2018(action, map[string]string{
			"CurrentPage": strconv.Itoa(page),
			"ShowSize":    strconv.Itoa(size),
		}), "CertificateList", "TotalCount")
		return answer, each(answer.rows("CertificateList"), certificateFrom), err
	})
}

// DescribeUserCertificateDetail reads one certificate with Cert and Key; one
// without either is Malformed.
func (c *Client) DescribeUserCertificateDetail(ctx context.Context, id int64) (Certificate, error) {
	const action = "DescribeUserCertificateDetail"
	answer, err := c.read(ctx, &c.cas, cas2018(action, map[string]string{
		"CertId": strconv.FormatInt(id, 10),
	}))
	if err != nil {
		return Certificate{}, err
	}
	found := certificateFrom(answer)
	if found.Cert == "" || found.Key == "" {
		return Certificate{}, &Error{Operation: action, Kind: Malformed, RequestID: answer.text("RequestId"),
			Err: errors.New("the answer has no Cert or no Key")}
	}
	return found, nil
}

// certificateFrom takes a row of the list, in lowerCamel, and the detail, in
// PascalCase, alike.
func certificateFrom(row object) Certificate {
	return Certificate{
		ID:          row.number("Id"),
		Name:        row.text("Name"),
		Common:      row.text("Common"),
		Fingerprint: row.text("Fingerprint"),
		Issuer:      row.text("Issuer"),
		OrgName:     row.text("OrgName"),
		Province:    row.text("Province"),
		City:        row.text("City"),
		Country:     row.text("Country"),
		StartDate:   row.text("StartDate"),
		EndDate:     row.text("EndDate"),
		Sans:        row.text("Sans"),
		Expired:     row.yes("Expired"),
		BuyInAliyun: row.yes("BuyInAliyun"),
		Cert:        row.text("Cert"),
		Key:         row.text("Key"),
	}
}

// CreateUserCertificate uploads a pair (PEM) under a name that is unique in
// the account; a name that exists is Duplicate. An answer without CertId is
// completed from DescribeUserCertificateList.
func (c *Client) CreateUserCertificate(ctx context.Context, name, certPEM, keyPEM string) (id int64, err error) {
	const action = "CreateUserCertificate"
	answer, err := c.write(ctx, &c.cas, cas2018(action, map[string]string{
		"Name": name,
		"Cert": certPEM,
		"Key":  keyPEM,
	}), "CertId", "RequestId")
	if err != nil {
		return 0, err
	}
	if id = answer.number("CertId"); id != 0 {
		return id, nil
	}
	all, err := c.DescribeUserCertificateList(ctx)
	for _, certificate := range all {
		if certificate.Name == name {
			return certificate.ID, nil
		}
	}
	if err == nil {
		err = errors.New("the server took the certificate, and does not list it yet")
	}
	return 0, &Error{Operation: action, Kind: Unanswered, RequestID: answer.text("RequestId"), Err: err}
}

// DeleteUserCertificate removes a certificate and its key from the account;
// one that is not there is NotFound.
func (c *Client) DeleteUserCertificate(ctx context.Context, id int64) error {
	_, err := c.write(ctx, &c.cas, cas2018("DeleteUserCertificate", map[string]string{
		"CertId": strconv.FormatInt(id, 10),
	}), "RequestId")
	return err
}

func each[T any](rows []object, from func(object) T) []T {
	all := make([]T, len(rows))
	for i, row := range rows {
		all[i] = from(row)
	}
	return all
}
