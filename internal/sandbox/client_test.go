package sandbox

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/big"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// quick is a sandbox that wastes no time.
var quick = Options{
	Propagation: []time.Duration{time.Millisecond, 20 * time.Millisecond},
	IssueAfter:  time.Millisecond,
}

func start(t *testing.T, o Options) *Sandbox {
	t.Helper()
	s, err := Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// client is a caller that owes nothing to the code under test: it signs by
// net/url's encoding, mended where RFC 3986 differs.
type client struct {
	t               *testing.T
	endpoint        string
	id, secret      string
	method          string // "" is POST
	inQuery         bool   // of a POST
	http            *http.Client
	nonce           int
	timestampSpelt  string // "" is Timestamp
	changeSignature func(string) string
}

func newClient(t *testing.T, s *Sandbox) *client {
	r := s.Ready()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &client{t: t, endpoint: r.API, id: r.AccessKeyID, secret: r.AccessKeySecret,
		http: &http.Client{Transport: transport, Timeout: 10 * time.Second}}
}

// answer is a decoded reply.
type answer struct {
	status int
	header http.Header
	body   []byte
	fields map[string]any
}

func (a answer) text(name string) string {
	s, _ := a.fields[name].(string)
	return s
}

func (c *client) cas(action string, pairs ...string) answer {
	c.t.Helper()
	return c.mustCall("2018-07-13", action, pairs...)
}

func (c *client) alidns(action string, pairs ...string) answer {
	c.t.Helper()
	return c.mustCall("2015-01-09", action, pairs...)
}

func (c *client) mustCall(version, action string, pairs ...string) answer {
	c.t.Helper()
	a, err := c.call(version, action, pairs...)
	if err != nil {
		c.t.Fatalf("%s: %v", action, err)
	}
	return a
}

// call sends one request; pairs are names and values, which replace the common parameters.
func (c *client) call(version, action string, pairs ...string) (answer, error) {
	c.nonce++
	timestamp := c.timestampSpelt
	if timestamp == "" {
		timestamp = "Timestamp"
	}
	p := map[string]string{
		"Action": action, "Version": version, "Format": "JSON", "AccessKeyId": c.id, "SignatureMethod": "HMAC-SHA1",
		"SignatureVersion": "1.0", "SignatureNonce": fmt.Sprintf("%s-%d", c.t.Name(), c.nonce), "SignatureType": "", "RegionId": "cn-hangzhou",
		timestamp: time.Now().UTC().Format("2006-01-02T15:04:05Z"),
	}
	for i := 0; i < len(pairs); i += 2 {
		p[pairs[i]] = pairs[i+1]
	}
	maps.DeleteFunc(p, func(_, v string) bool { return v == "\x00absent" })
	return c.send(c.sign(p))
}

// bodyLimit is where the client stops to read.
const bodyLimit = 16 << 20

const absent = "\x00absent"

func (c *client) sign(p map[string]string) (method string, form url.Values) {
	if method = c.method; method == "" {
		method = http.MethodPost
	}
	form = url.Values{}
	var pairs []string
	for _, name := range slices.Sorted(maps.Keys(p)) {
		form.Set(name, p[name])
		pairs = append(pairs, rfc3986(name)+"="+rfc3986(p[name]))
	}
	mac := hmac.New(sha1.New, []byte(c.secret+"&"))
	fmt.Fprint(mac, method+"&%2F&"+rfc3986(strings.Join(pairs, "&")))
	signature := base64.StdEncoding.EncodeToString(mac.Sum(nil))
	if c.changeSignature != nil {
		signature = c.changeSignature(signature)
	}
	form.Set("Signature", signature)
	return method, form
}

func rfc3986(text string) string {
	return strings.NewReplacer("+", "%20", "*", "%2A", "%7E", "~").Replace(url.QueryEscape(text))
}

func (c *client) send(method string, form url.Values) (answer, error) {
	address, body := c.endpoint+"/", form.Encode()
	if method == http.MethodGet || c.inQuery {
		address, body = address+"?"+body, ""
	}
	r, err := http.NewRequest(method, address, strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return c.do(r)
}

func (c *client) do(r *http.Request) (answer, error) {
	response, err := c.http.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = response.Body.Close() }()
	a := answer{status: response.StatusCode, header: response.Header}
	if a.body, err = io.ReadAll(io.LimitReader(response.Body, bodyLimit)); err != nil {
		return a, err
	}
	_ = json.Unmarshal(a.body, &a.fields)
	return a, nil
}

// contact is what CreateDVOrderAudit wants beside instance and domain.
var contact = []string{
	"DomainVerifyType", "DNS", "Username", "Zhang San", "Email", "ops@example.com",
	"Mobile", "13300000000", "Province", "zhejiang", "City", "hangzhou",
}

// submit orders domains on an instance, and expects to be accepted.
func (c *client) submit(instanceID, domains string) {
	c.t.Helper()
	a := c.cas("CreateDVOrderAudit", append([]string{"InstanceId", instanceID, "Domain", domains}, contact...)...)
	if a.status != http.StatusOK {
		c.t.Fatalf("CreateDVOrderAudit: %s", a.body)
	}
}

// result reads an order.
func (c *client) result(instanceID string) answer {
	c.t.Helper()
	return c.cas("DescribeDVOrderResult", "InstanceId", instanceID)
}

// publish adds the record that an order wants, and tells its id.
func (c *client) publish(result answer) string {
	c.t.Helper()
	name := strings.TrimSuffix(result.text("CheckName"), ".example.com")
	a := c.alidns("AddDomainRecord", "DomainName", "example.com", "RR", name, "Type", "TXT", "Value", result.text("CheckValue"))
	if a.status != http.StatusOK {
		c.t.Fatalf("AddDomainRecord: %s", a.body)
	}
	return a.text("RecordId")
}

// until reads an order until done says that it is there.
func (c *client) until(instanceID string, done func(answer) bool) answer {
	c.t.Helper()
	return c.await(instanceID, c.result, done)
}

// await reads again until done says that what is read is there.
func (c *client) await(id string, read func(id string) answer, done func(answer) bool) answer {
	c.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if a := read(id); done(a) {
			return a
		}
	}
	c.t.Fatalf("%s did not get there in time: %s", id, read(id).body)
	return answer{}
}

func hasStatus(status string) func(answer) bool {
	return func(a answer) bool { return a.text("OrderStatus") == status }
}

// selfSigned makes a pair in PEM that ends at a time.
func selfSigned(t *testing.T, name string, end time.Time) (cert, key string) {
	t.Helper()
	signer, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: end.Add(-100 * time.Hour), NotAfter: end,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, signer.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	return certificatePEM(der), keyPEM(signer)
}
