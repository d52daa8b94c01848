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

// metadata stands for the proxy that every test finds in its environment. No
// call of the client may come to it; the SDK's look-up of an ECS role does.
var metadata *cloud

func TestMain(m *testing.M) {
	metadata = &cloud{reply: replyMetadata}
	proxy := httptest.NewServer(metadata)
	for _, name := range []string{"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"} {
		os.Setenv(name, proxy.URL)
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
	t.Cleanup(client.transport.(*http.Transport).CloseIdleConnections)
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
		url.QueryEscape(canaryToken), "http://", "https://", "PRIVATE KEY", canaryLine} {
		if strings.Contains(shown, secret) {
			t.Errorf("error shows %q: %q", secret, shown)
		}
	}
	return e
}

const (
	canaryLine = "MIIcanaryCanaryCanaryCanaryCanaryCanary"
	canaryKey  = "-----BEGIN PRIVATE KEY-----\n" + canaryLine + "\n-----END PRIVATE KEY-----\n"
)

// operations calls each operation once, by name.
var operations = map[string]func(context.Context, *Client) error{
	"CreateDVOrderAudit": func(ctx context.Context, c *Client) error {
		_, err := c.CreateDVOrderAudit(ctx, Application{InstanceID: "cas-1", Domains: []string{"example.com"}})
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

func isRead(operation string) bool { return strings.HasPrefix(operation, "Describe") }
