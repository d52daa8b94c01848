package sandbox

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"
)

// gateway stands before all APIs, as Alibaba's does: it knows the caller by
// the signature and the API by Version and Action.
type gateway struct {
	services []service
	keys     *keyring
	faults   *faults
	history  *history
	ctx      context.Context // ends with the sandbox
}

// service is one API behind the gateway.
type service struct {
	name, version, host string
	operations          operations
}

type (
	operations map[string]operation // by Action
	// operation answers one action; an error that is no apiError is the sandbox's own failure.
	operation func(*call) (object, error)
)

func (s *Sandbox) newGateway() *gateway {
	services := []service{
		{"alidns", "2015-01-09", "alidns.aliyuncs.com", alidns{s.zones}.operations()},
		{"sts", "2015-04-01", "sts.aliyuncs.com", s.keys.operations()},
	}
	if s.options.CASAPI != API2020 {
		services = append(services, service{"cas", API2018, "cas.aliyuncs.com", s.cas.operations2018()})
	}
	if s.options.CASAPI != API2018 {
		services = append(services, service{"cas", API2020, "cas.aliyuncs.com", s.cas.operations2020()})
	}
	return &gateway{keys: s.keys, faults: s.faults, history: s.history, ctx: s.ctx, services: services}
}

// reply is an answer as it goes over the wire.
type reply struct {
	status      int
	contentType string
	body        []byte
}

// ServeHTTP answers one request, notes it in the history first, and lets the
// faults in force bite before, in and after the operation.
func (g *gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c, err := newCall(w, r)
	if err != nil {
		http.Error(w, "cannot read the request", http.StatusBadRequest)
		return
	}
	c.service = g.find(c.params["Version"])
	g.faults.attach(c)
	if interrupt := c.interruption(); interrupt != nil {
		g.note(c, 0, nil)
		interrupt(r.Context(), g.ctx)
		return
	}
	answer, err := g.perform(c)
	out := c.encode(answer, err)
	g.note(c, out.status, err)
	c.deliver(w, r, out)
}

// perform checks the request, and has its operation done.
func (g *gateway) perform(c *call) (object, error) {
	operation, err := g.dispatch(c)
	if err != nil {
		return nil, err
	}
	if err := g.authenticate(c); err != nil {
		return nil, err
	}
	if err := c.refused(before); err != nil {
		return nil, err
	}
	c.rewrite()
	answer, err := operation(c)
	if err != nil {
		return nil, err
	}
	return answer, c.refused(after)
}

// find tells the service of a version, nil when none has it.
func (g *gateway) find(version string) *service {
	for i := range g.services {
		if g.services[i].version == version {
			return &g.services[i]
		}
	}
	return nil
}

// dispatch finds the operation that Version and Action name.
func (g *gateway) dispatch(c *call) (operation, error) {
	if err := c.params.require(c.signed.required()...); err != nil {
		return nil, err
	}
	if c.service == nil {
		return nil, refusal(http.StatusBadRequest, "InvalidVersion", "Specified parameter Version is not valid.")
	}
	if c.method != http.MethodGet && c.method != http.MethodPost {
		return nil, refusal(http.StatusMethodNotAllowed, "UnsupportedHTTPMethod", "This http method is not supported.")
	}
	operation, ok := c.service.operations[c.action]
	if !ok || c.path != "/" {
		return nil, refusal(http.StatusNotFound, "InvalidAction.NotFound", "Specified api is not found, please check your url and method.")
	}
	return operation, nil
}

// clockTolerance is how far a request's time may be from ours.
const clockTolerance = 15 * time.Minute

func (g *gateway) authenticate(c *call) error {
	id := c.params["AccessKeyId"]
	secret, err := g.keys.find(id, c.params["SecurityToken"], c.now)
	if err != nil {
		return err
	}
	if err := c.signed.verify(secret); err != nil {
		return err
	}
	sent, err := time.Parse("2006-01-02T15:04:05Z", c.params[timestampName(c.params)])
	if err != nil {
		return refusal(http.StatusBadRequest, "InvalidTimeStamp.Format", "Specified time stamp or date value is not well formatted.")
	}
	if c.now.Sub(sent).Abs() > clockTolerance {
		return errClock
	}
	return g.keys.use(id, c.params["SignatureNonce"], c.now)
}

var errClock = refusal(http.StatusBadRequest, "InvalidTimeStamp.Expired", "Specified time stamp or date value is expired.")

// encode adds the RequestId, and writes JSON or XML.
func (c *call) encode(answer object, err error) reply {
	out := reply{status: http.StatusOK}
	root := c.action + "Response"
	if err != nil {
		out.status, answer = c.failure(err)
		root = "Error"
	}
	answer["RequestId"] = newRequestID()
	c.alter(answer)
	if c.wantsXML() {
		out.contentType, out.body = "text/xml;charset=utf-8", answer.xml(root)
	} else {
		out.contentType, out.body = "application/json;charset=utf-8", answer.json()
	}
	return out
}

// failure is the body of a refusal. A Code that is a number is written as one, as the service does at times.
func (c *call) failure(err error) (int, object) {
	var refused apiError
	if !errors.As(err, &refused) {
		refused = refusal(http.StatusInternalServerError, "InternalError", "The request processing has failed: %v.", err)
	}
	o := object{
		"HostId": "aliyuncs.com", "Code": refused.code, "Message": refused.message,
		"Recommend": "https://api.alibabacloud.com/troubleshoot?q=" + refused.code,
	}
	if n, err := strconv.Atoi(refused.code); err == nil {
		o["Code"] = n
	}
	if c.service != nil {
		o["HostId"] = c.service.host
	}
	return refused.status, o
}

func (g *gateway) note(c *call, status int, err error) {
	r := Request{Time: c.now, Action: c.action, Method: c.method, Params: c.sent, HTTPStatus: status}
	if c.service != nil {
		r.API = c.service.name
	}
	var refused apiError
	if errors.As(err, &refused) {
		r.Code = refused.code
	}
	g.history.add(r)
}
