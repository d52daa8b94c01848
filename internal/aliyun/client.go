package aliyun

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/requests"

	"dvagent/internal/address"
	"dvagent/internal/chance"
	"dvagent/internal/https"
)

// Config says which account to use and how. Only Credentials has no usable
// zero value of its own: see there.
type Config struct {
	Credentials       Credentials
	Region            string     // RegionId; default DefaultRegion
	CASEndpoint       string     // default DefaultCASEndpoint
	DNSEndpoint       string     // default DefaultDNSEndpoint
	STSEndpoint       string     // default DefaultSTSEndpoint; used with Credentials.RoleARN alone
	CAFile            string     // PEM: trusted beside the system's roots
	RequestsPerSecond int        // for each API; default DefaultRequestsPerSecond
	Observe           func(Call) // told of every HTTP round trip, from any goroutine; may be nil

	Away   func(context.Context) (back func()) // called while a request waits for its answer; may be nil
	Urgent func(context.Context) bool          // says whose requests pass before others'; may be nil
}

// What a Config has that says nothing else.
const (
	DefaultRegion            = "cn-hangzhou"
	DefaultCASEndpoint       = "https://cas.aliyuncs.com"
	DefaultDNSEndpoint       = "https://alidns.aliyuncs.com"
	DefaultSTSEndpoint       = "https://sts.aliyuncs.com"
	DefaultRequestsPerSecond = 10
)

// Call is one HTTP round trip, a retry being a Call of its own.
type Call struct {
	API       string // CAS, AliDNS or STS
	Operation string // such as AddDomainRecord
	Duration  time.Duration
	Err       error // an *Error, or nil
}

const (
	maxTries   = 4
	firstPause = 200 * time.Millisecond // before the second try of a read; doubles
	tryTimeout = 30 * time.Second
)

// Client is one account at Alibaba Cloud. It is safe for concurrent use.
type Client struct {
	cas, dns, sts service
	region        string
	credentials   Credentials
	found         *session // of the key that the sources give
	assumed       *session // of the role that Credentials.RoleARN names
	transport     *https.Transport
	urgent        func(context.Context) bool
	away          func(context.Context) (back func())
	observe       func(Call)
	pause         time.Duration

	metadataService string
}

// service is one of Alibaba's APIs: where it answers and how fast it may be asked.
type service struct {
	name     string // as in Call.API
	ram      string // the prefix of its RAM actions
	endpoint string
	limit    *limiter
}

// New returns a client and contacts nothing. It fails on a configuration that
// cannot work and while DEBUG=sdk is set.
func New(config Config) (*Client, error) {
	if err := refuseDebug(); err != nil {
		return nil, err
	}
	if err := config.Credentials.check(); err != nil {
		return nil, err
	}
	if config.RequestsPerSecond < 0 {
		return nil, errors.New("requests per second must not be negative")
	}
	transport, err := newTransport(config.CAFile)
	if err != nil {
		return nil, err
	}
	c := &Client{
		region:          cmp.Or(config.Region, DefaultRegion),
		credentials:     config.Credentials,
		found:           newSession(),
		assumed:         newSession(),
		transport:       transport,
		observe:         config.Observe,
		away:            config.Away,
		urgent:          config.Urgent,
		pause:           firstPause,
		metadataService: metadataService,
	}
	if c.away == nil {
		c.away = func(context.Context) func() { return func() {} }
	}
	if c.urgent == nil {
		c.urgent = func(context.Context) bool { return false }
	}
	perSecond := cmp.Or(config.RequestsPerSecond, DefaultRequestsPerSecond)
	c.cas, err = newService("CAS", "yundun-cert", cmp.Or(config.CASEndpoint, DefaultCASEndpoint), perSecond)
	if err != nil {
		return nil, err
	}
	c.dns, err = newService("AliDNS", "alidns", cmp.Or(config.DNSEndpoint, DefaultDNSEndpoint), perSecond)
	if err != nil {
		return nil, err
	}
	c.sts, err = newService("STS", "sts", cmp.Or(config.STSEndpoint, DefaultSTSEndpoint), perSecond)
	return c, err
}

func newService(name, ram, endpoint string, perSecond int) (service, error) {
	if err := address.CheckEndpoint(endpoint); err != nil {
		return service{}, err
	}
	return service{name, ram, endpoint, newLimiter(perSecond)}, nil
}

// build makes the request anew for each try: the SDK leaves the parameters of
// the last signature in a request that it has sent.
type build func() requests.AcsRequest

// read asks until an answer says something, maxTries times at most, and wants
// at least one of the named fields in it. Waiting ends with ctx.
func (c *Client) read(ctx context.Context, to *service, request build, anyOf ...string) (object, error) {
	pause := c.pause
	for try := 1; ; try++ {
		answer, again, err := c.ask(ctx, to, request(), anyOf)
		if err == nil {
			return answer, nil
		}
		again = again || err.worthAnotherTry()
		if try == maxTries || !again || !sleep(ctx, jitter(pause)) {
			return nil, err
		}
		pause *= 2
	}
}

// write asks once: what became of a write without an intelligible answer is
// for the caller to find out.
func (c *Client) write(ctx context.Context, to *service, request build, anyOf ...string) (object, error) {
	answer, _, err := c.ask(ctx, to, request(), anyOf)
	if err == nil {
		return answer, nil
	}
	if err.Kind == Malformed {
		err.Kind = Unanswered
	}
	return nil, err
}

// ask sends the request once with the account's key. again says that the key
// was of a session which is now dropped: the next try gets a new one.
func (c *Client) ask(ctx context.Context, to *service, request requests.AcsRequest, anyOf []string) (answer object, again bool, err *Error) {
	key, err := c.key(ctx)
	if err != nil {
		err.Operation = cmp.Or(err.Operation, request.GetActionName())
		return nil, false, err
	}
	answer, err = c.send(ctx, to, request, key, anyOf)
	if err != nil && err.Kind == Credential {
		again = c.assumed.forget(key) || c.found.forget(key)
	}
	return answer, again, err
}

// send is a round trip that the key signs.
func (c *Client) send(ctx context.Context, to *service, request requests.AcsRequest, key key, anyOf []string) (object, *Error) {
	secrets := func() []string { return secretsOf(request, key) } // the signature is one of them
	return c.roundTrip(ctx, to, request.GetActionName(), secrets, anyOf, func(x *exchange) error {
		return sign(x, c.region, to.endpoint, request, key)
	})
}

// roundTrip is rate limit, exchange and judgement. do sends the request through
// the exchange; no error shows the secrets.
func (c *Client) roundTrip(ctx context.Context, to *service, operation string, secrets func() []string, anyOf []string,
	do func(*exchange) error) (object, *Error) {
	if !to.limit.wait(ctx, c.urgent(ctx)) {
		return nil, local(operation, ctx.Err())
	}
	x := &exchange{ctx: ctx, transport: c.transport}
	start, back := time.Now(), c.away(ctx)
	err := do(x)
	back()
	if !x.started {
		return nil, local(operation, cmp.Or(err, errUnsigned))
	}
	answer, fault := judge(x, anyOf)
	if fault != nil {
		fault.Operation = operation
		fault.redact(secrets())
		fault.advise(to.ram, x.skew)
	}
	if c.observe != nil {
		c.observe(Call{to.name, operation, time.Since(start), asError(fault)})
	}
	return answer, fault
}

// sleep returns false when ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// jitter spreads d over [d/2, 3d/2).
func jitter(d time.Duration) time.Duration { return d/2 + chance.Below(d) }
