package aliyun

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"dvagent/internal/secret"
)

const (
	canaryID     = "LTAIcanaryKeyId01"
	canarySecret = "canary/Secret+0123456789"
	canaryToken  = "canaryToken/+=0123456789"
)

// proxy is what every test finds in its environment. Nothing may come to it. It
// would answer questions for a key, too.
var proxy = &cloud{reply: replyMetadata}

func TestMain(m *testing.M) {
	server := httptest.NewServer(proxy)
	for _, name := range []string{"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"} {
		os.Setenv(name, server.URL)
	}
	os.Setenv("NO_PROXY", "(") // not a regular expression, which the SDK expects
	os.Setenv("no_proxy", "(")
	os.Exit(m.Run())
}

// request is what a cloud got.
type request struct {
	Method, Path string
	Query, Body  url.Values
	Header       http.Header
}

func (r request) get(name string) string {
	if value := r.Body.Get(name); value != "" {
		return value
	}
	return r.Query.Get(name)
}

// cloud is a server on loopback that answers as its reply says.
type cloud struct {
	url   string
	reply func(n int, r request) (status int, body string) // n counts from 1

	mu       sync.Mutex
	requests []request
}

func (c *cloud) ServeHTTP(w http.ResponseWriter, incoming *http.Request) {
	incoming.ParseForm()
	r := request{incoming.Method, incoming.URL.Path, incoming.URL.Query(), incoming.PostForm, incoming.Header}
	c.mu.Lock()
	c.requests = append(c.requests, r)
	n := len(c.requests)
	c.mu.Unlock()
	status, body := c.reply(n, r)
	w.WriteHeader(status)
	w.Write([]byte(body))
}

func (c *cloud) seen() []request {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]request(nil), c.requests...)
}

func newCloud(t testing.TB, reply func(n int, r request) (int, string)) *cloud {
	t.Helper()
	c := &cloud{reply: reply}
	server := httptest.NewServer(c)
	t.Cleanup(server.Close)
	c.url = server.URL
	return c
}

// always answers every request alike.
func always(status int, body string) func(int, request) (int, string) {
	return func(int, request) (int, string) { return status, body }
}

// newTestClient has the canary key, every endpoint at address and short pauses.
func newTestClient(t testing.TB, address string, changes ...func(*Config)) *Client {
	t.Helper()
	config := Config{
		Credentials: Credentials{
			AccessKeyID:     secret.Secret{Literal: canaryID},
			AccessKeySecret: secret.Secret{Literal: canarySecret},
			SecurityToken:   secret.Secret{Literal: canaryToken},
		},
		CASEndpoint: address, DNSEndpoint: address, STSEndpoint: address,
		RequestsPerSecond: 10_000,
	}
	for _, change := range changes {
		change(&config)
	}
	client, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	client.pause = time.Millisecond
	t.Cleanup(client.transport.CloseIdleConnections)
	return client
}

// asOurs fails the test unless err is an *Error of one line without a secret.
func asOurs(t testing.TB, err error) *Error {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("error is %T (%v), want *Error", err, err)
	}
	if line := e.Error() + e.Hint; strings.ContainsAny(line, "\n\r\x1b") {
		t.Errorf("error is not one line: %q", line)
	}
	shown := e.Error() + e.Hint + e.Message + e.Code + e.RequestID
	for _, secret := range []string{canaryID, canarySecret, canaryToken, url.QueryEscape(canarySecret),
		url.QueryEscape(canaryToken), "http://", "https://", "PRIVATE KEY", canaryLine, canaryCSRLine} {
		if strings.Contains(shown, secret) {
			t.Errorf("error shows %q: %q", secret, shown)
		}
	}
	return e
}

const (
	canaryLine = "MIIcanaryCanaryCanaryCanaryCanaryCanary"
	canaryKey  = "-----BEGIN PRIVATE KEY-----\n" + canaryLine + "\n-----END PRIVATE KEY-----\n"

	canaryCSRLine = "MIICcanaryRequestCanaryRequestCanary"
	canaryCSR     = "-----BEGIN CERTIFICATE REQUEST-----\n" + canaryCSRLine + "\n-----END CERTIFICATE REQUEST-----\n"
)

// operations calls each operation once, by the name of its function.
var operations = map[string]func(context.Context, *Client) error{
	"CreateDVOrderAudit": func(ctx context.Context, c *Client) error {
		_, err := c.CreateDVOrderAudit(ctx, Application{InstanceID: "cas-1", Domains: []string{"example.com"}, VerifyType: "DNS"})
		return err
	},
	"DescribeDVOrderResult": func(ctx context.Context, c *Client) error {
		_, err := c.DescribeDVOrderResult(ctx, "cas-1")
		return err
	},
	"DescribeOrderInstanceList": func(ctx context.Context, c *Client) error {
		_, err := c.DescribeOrderInstanceList(ctx)
		return err
	},
	"DescribeUserCertificateList": func(ctx context.Context, c *Client) error {
		_, err := c.DescribeUserCertificateList(ctx)
		return err
	},
	"DescribeUserCertificateDetail": func(ctx context.Context, c *Client) error {
		_, err := c.DescribeUserCertificateDetail(ctx, 7)
		return err
	},
	"CreateUserCertificate": func(ctx context.Context, c *Client) error {
		_, err := c.CreateUserCertificate(ctx, "www", "cert", canaryKey)
		return err
	},
	"DeleteUserCertificate": func(ctx context.Context, c *Client) error {
		return c.DeleteUserCertificate(ctx, 7)
	},
	"ListInstances": func(ctx context.Context, c *Client) error {
		_, err := c.ListInstances(ctx, InstanceFilter{"inactive", "DV", "BUY", "example"})
		return err
	},
	"GetInstanceDetail": func(ctx context.Context, c *Client) error {
		_, err := c.GetInstanceDetail(ctx, "cas-1")
		return err
	},
	"UpdateInstance": func(ctx context.Context, c *Client) error {
		_, err := c.UpdateInstance(ctx, "cas-1", InstanceSettings{
			Domains: []string{"example.com", "www.example.com"}, CSR: canaryCSR, KeyAlgorithm: "ECC_256",
			ValidationMethod: "DNS", ContactIDs: []int64{21, 22}, AutoReissue: "disable", CertificateName: "www",
		})
		return err
	},
	"ApplyCertificate": func(ctx context.Context, c *Client) error {
		_, err := c.ApplyCertificate(ctx, "cas-1")
		return err
	},
	"GetTaskAttribute": func(ctx context.Context, c *Client) error {
		_, err := c.GetTaskAttribute(ctx, "cas-1")
		return err
	},
	"CancelPendingCertificate": func(ctx context.Context, c *Client) error {
		return c.CancelPendingCertificate(ctx, "cas-1")
	},
	"ListContact": func(ctx context.Context, c *Client) error {
		_, err := c.ListContact(ctx)
		return err
	},
	"ListCertificates": func(ctx context.Context, c *Client) error {
		_, err := c.ListCertificates(ctx, CertificateFilter{"cas-1", "UPLOAD", "issued", "example"})
		return err
	},
	"GetUserCertificateDetail": func(ctx context.Context, c *Client) error {
		_, err := c.GetUserCertificateDetail(ctx, 7)
		return err
	},
	"UploadUserCertificate": func(ctx context.Context, c *Client) error {
		_, err := c.UploadUserCertificate(ctx, "www", "cert", canaryKey)
		return err
	},
	"DeleteUserCertificate2020": func(ctx context.Context, c *Client) error {
		return c.DeleteUserCertificate2020(ctx, 7)
	},
	"ListUserCertificateOrder": func(ctx context.Context, c *Client) error {
		_, err := c.ListUserCertificateOrder(ctx, OrderFilter{"CPACK", "CHECKING", "example"})
		return err
	},
	"DescribePackageState": func(ctx context.Context, c *Client) error {
		_, err := c.DescribePackageState(ctx, "digicert-free-1-free")
		return err
	},
	"CreateCertificateForPackageRequest": func(ctx context.Context, c *Client) error {
		_, err := c.CreateCertificateForPackageRequest(ctx, packageApplication)
		return err
	},
	"CreateCertificateRequest": func(ctx context.Context, c *Client) error {
		_, err := c.CreateCertificateRequest(ctx, packageApplication)
		return err
	},
	"DescribeCertificateState": func(ctx context.Context, c *Client) error {
		_, err := c.DescribeCertificateState(ctx, 9)
		return err
	},
	"CancelOrderRequest": func(ctx context.Context, c *Client) error {
		return c.CancelOrderRequest(ctx, 9)
	},
	"DeleteCertificateRequest": func(ctx context.Context, c *Client) error {
		return c.DeleteCertificateRequest(ctx, 9)
	},
	"DescribeDomains": func(ctx context.Context, c *Client) error {
		_, err := c.DescribeDomains(ctx)
		return err
	},
	"DescribeDomainInfo": func(ctx context.Context, c *Client) error {
		_, err := c.DescribeDomainInfo(ctx, "example.com")
		return err
	},
	"DescribeSubDomainRecords": func(ctx context.Context, c *Client) error {
		_, err := c.DescribeSubDomainRecords(ctx, "example.com", "_dnsauth.example.com", "TXT")
		return err
	},
	"DescribeDomainRecords": func(ctx context.Context, c *Client) error {
		_, err := c.DescribeDomainRecords(ctx, "example.com", "_dnsauth", "TXT")
		return err
	},
	"AddDomainRecord": func(ctx context.Context, c *Client) error {
		_, err := c.AddDomainRecord(ctx, Record{Zone: "example.com", RR: "_dnsauth", Type: "TXT", Value: "token"})
		return err
	},
	"DeleteDomainRecord": func(ctx context.Context, c *Client) error {
		return c.DeleteDomainRecord(ctx, "42")
	},
}

var packageApplication = PackageApplication{
	ProductCode: "geotrust-dv-1-starter", Domains: []string{"example.com", "www.example.com"}, CSR: canaryCSR, ValidateType: "DNS",
	Contact: Contact{Username: "张三", Mobile: "13300000000", Email: "ops@example.com"},
	Tags:    map[string]string{"order": "42", "by": "dvagent"},
}

func isRead(operation string) bool {
	return strings.HasPrefix(operation, "Describe") || strings.HasPrefix(operation, "Get") || strings.HasPrefix(operation, "List")
}

// actionOf is the API's name of an operation.
func actionOf(operation string) string { return strings.TrimSuffix(operation, "2020") }
