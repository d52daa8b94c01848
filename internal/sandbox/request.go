package sandbox

import (
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// call is one request on its way through the gateway.
type call struct {
	service *service // nil when the Version is none of ours
	action  string
	method  string
	path    string
	params  params
	sent    params // as they came; a fault may change params
	now     time.Time
	header  http.Header // of the answer

	signed signed
	faults *faults
	rules  []*rule // the faults that may bite this request

	largestPage int // when not 0, a fault's limit on rows a page
	collected   int // how often the order's certificate has been answered, this time included
}

// signed is a request's proof of its sender, in one of the two schemes.
type signed interface {
	required() []string // parameters that the scheme needs
	verify(secret string) error
}

// largestBody is more than a certificate with its key, percent-encoded, takes.
const largestBody = 1 << 20

// newCall reads the parameters, from the query and from a form in the body.
func newCall(w http.ResponseWriter, r *http.Request) (*call, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, largestBody))
	if err != nil {
		return nil, err
	}
	c := &call{method: r.Method, path: r.URL.Path, params: params{}, now: time.Now(), header: w.Header()}
	if err := c.params.parse(r.URL.RawQuery); err != nil {
		return nil, err
	}
	query := c.params.clone()
	if isForm(r) {
		if err := c.params.parse(string(body)); err != nil {
			return nil, err
		}
	}
	if strings.HasPrefix(r.Header.Get("Authorization"), schemeV3) {
		c.signed = newSignedV3(r, query, c.params, body)
	} else {
		c.signed = signedV1{method: r.Method, params: c.params}
	}
	c.action, c.sent = c.params["Action"], c.params.clone()
	return c, nil
}

// isForm takes a body without a type for a form, as some old clients send it.
func isForm(r *http.Request) bool {
	mediaType, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return mediaType == "" || mediaType == "application/x-www-form-urlencoded"
}

// parse adds the parameters of a query or form; the first of equal names holds.
func (p params) parse(encoded string) error {
	values, err := url.ParseQuery(encoded)
	if err != nil {
		return err
	}
	for name := range values {
		if _, ok := p[name]; !ok {
			p[name] = values.Get(name)
		}
	}
	return nil
}

// pageSize reads how many rows are asked for.
func (c *call) pageSize(name string, fallback, largest int) (int, error) {
	size, err := c.params.integer(name, fallback, 1, largest)
	if c.largestPage > 0 {
		size = min(size, c.largestPage)
	}
	return size, err
}

// wantsXML tells the format of the answer. Format may be left out; of the
// API's two statements on what that means the one in the chapter on answers
// is followed here, XML, which is what the older clients that leave it out expect.
func (c *call) wantsXML() bool { return !strings.EqualFold(c.params["Format"], "JSON") }
