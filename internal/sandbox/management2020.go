package sandbox

import (
	"errors"
	"net/http"
	"strconv"
	"time"
)

// handle2020 serves what there is in 2020-04-07 alone.
//
//	GET  /subscriptions     the instances as 2020-04-07 has them
//	POST /subscriptions     a Subscription; what is left out gets a default
//	POST /subscriptions/ID  {"domains":[…]} applies with another's CSR, {"status":"refund"} or "closed" ends it,
//	                        {"end":"2026-12-31T00:00:00Z"} moves its end, {"reissue":true} renews it by itself,
//	                        {"AutoReissue":"enable"} or "disable" says whether it does so in time
//	GET  /packages          what was bought, and how much of it is used
//	GET  /packageorders     the orders from packages; POST /orders/INSTANCE forces their states
//	POST /packageorders     {"ProductCode","Domains"} orders with another's CSR
//	GET  /contacts          the account's contacts
//	POST /contacts          {"Name","Mobile","Email"}
//	GET  /certificates      the account's certificates
//	POST /certificates/ID   {"revoked":true} has the CA revoke one that was issued here
func (s *Sandbox) handle2020(mux *http.ServeMux) {
	mux.Handle("GET /subscriptions", do(func(*http.Request, nothing) (any, error) { return s.Subscriptions(), nil }))
	mux.Handle("POST /subscriptions", do(func(_ *http.Request, o Subscription) (any, error) {
		return object{"InstanceId": s.AddSubscription(o)}, nil
	}))
	mux.Handle("POST /subscriptions/{id}", do(s.postSubscription))
	mux.Handle("GET /packages", do(func(*http.Request, nothing) (any, error) { return s.Packages(), nil }))
	mux.Handle("GET /packageorders", do(func(*http.Request, nothing) (any, error) { return s.PackageOrders(), nil }))
	mux.Handle("POST /packageorders", do(func(_ *http.Request, o PackageOrder) (any, error) {
		id, err := s.OrderPackage(o.ProductCode, o.Domains...)
		return object{"OrderId": id}, err
	}))
	mux.Handle("GET /contacts", do(func(*http.Request, nothing) (any, error) { return s.Contacts(), nil }))
	mux.Handle("POST /contacts", do(func(_ *http.Request, c Contact) (any, error) {
		return object{"ContactId": s.AddContact(c)}, nil
	}))
	mux.Handle("POST /certificates/{id}", do(s.postCertificate))
	mux.Handle("GET /certificates", do(func(*http.Request, nothing) (any, error) { return s.Certificates(), nil }))
}

func (s *Sandbox) postCertificate(r *http.Request, change struct {
	Revoked bool `json:"revoked"`
}) (any, error) {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil || !change.Revoked {
		return nil, errors.New("a certificate is revoked by its number and {\"revoked\":true}, and nothing else")
	}
	return nothing{}, s.Revoke(id)
}

// subscriptionChange is what POST /subscriptions/ID takes: one of the five.
type subscriptionChange struct {
	Domains []string  `json:"domains"`
	Status  string    `json:"status"`
	End     time.Time `json:"end"`
	Reissue bool      `json:"reissue"`
	Hosting string    `json:"AutoReissue"`
}

func (s *Sandbox) postSubscription(r *http.Request, change subscriptionChange) (any, error) {
	id := r.PathValue("id")
	switch {
	case len(change.Domains) > 0:
		return nothing{}, s.Apply(id, change.Domains...)
	case change.Status != "":
		return nothing{}, s.CloseSubscription(id, change.Status)
	case !change.End.IsZero():
		return nothing{}, s.EndSubscription(id, change.End)
	case change.Reissue:
		return nothing{}, s.Reissue(id)
	case change.Hosting == "enable", change.Hosting == "disable":
		return nothing{}, s.SetAutoReissue(id, change.Hosting == "enable")
	}
	return nil, errors.New("neither domains, status, end, reissue nor AutoReissue given")
}
