package sandbox

import (
	"cmp"
	"strings"
	"time"
)

// Subscription is an instance as 2020-04-07 has it: paid for a time, in which
// it yields one certificate after another.
type Subscription struct {
	InstanceID          string    `json:"InstanceId"`
	InstanceType        string    `json:"InstanceType"`    // BUY or TEST
	CertificateType     string    `json:"CertificateType"` // DV, OV or EV
	Spec                string    `json:"Spec"`
	Brand               string    `json:"Brand"`
	FullDomainCount     int       `json:"FullDomainCount"` // names that are no wildcards, at most
	WildcardDomainCount int       `json:"WildcardDomainCount"`
	OrderStart          time.Time `json:"OrderStart"` // the purchase
	OrderEnd            time.Time `json:"OrderEnd"`   // the end of what was paid for

	// What follows is how it stands now; AddSubscription looks at Status alone,
	// which may be inactive, refund or closed.
	Status        string        `json:"Status"`
	Domain        string        `json:"Domain"`
	KeyHash       string        `json:"KeyHash"` // of the uploaded CSR, as in Certificate; empty without one
	ContactIDs    []int64       `json:"ContactIds"`
	AutoReissue   bool          `json:"AutoReissue"`
	PendingResult string        `json:"PendingResult"`
	Applications  int           `json:"Applications"` // that were accepted, renewals by the account itself included
	Certificates  []Certificate `json:"Certificates"` // oldest first
}

// instance is one purchase. 2018-07-13 shows what is no test, 2020-04-07 what
// has a kind.
type instance struct {
	Instance
	subscription Subscription // as it was bought
	ended        string       // refund or closed
	started      time.Time    // the first issuance
	applications int
	application  application
}

// shownIn2018 tells whether 2018-07-13 knows the instance's kind.
func (i *instance) shownIn2018() bool { return i.subscription.InstanceType != "TEST" }

// shownIn2020 tells whether 2020-04-07 knows the instance's kind.
func (i *instance) shownIn2020() bool { return i.subscription.InstanceType != "" }

const day = 24 * time.Hour

// withDefaults makes what is left out a one-year subscription for several
// names, or a test of three months for one.
func (s Subscription) withDefaults(now time.Time) Subscription {
	s.InstanceType = cmp.Or(s.InstanceType, "BUY")
	s.CertificateType = cmp.Or(s.CertificateType, "DV")
	s.OrderStart = orTime(s.OrderStart, now)
	kind := strings.ToLower(s.CertificateType)
	if s.InstanceType == "TEST" {
		s.Spec, s.Brand = cmp.Or(s.Spec, "ss."+kind+".t"), cmp.Or(s.Brand, "DigiCert")
		s.OrderEnd = orTime(s.OrderEnd, s.OrderStart.Add(90*day))
	}
	if s.FullDomainCount == 0 && s.WildcardDomainCount == 0 {
		s.FullDomainCount = 1
	}
	s.Spec, s.Brand = cmp.Or(s.Spec, "ws."+kind+"."+s.mode()), cmp.Or(s.Brand, "WoSign")
	s.OrderEnd = orTime(s.OrderEnd, s.OrderStart.Add(365*day))
	return s
}

// mode is the last part of a Spec: which names it is for.
func (s Subscription) mode() string {
	switch {
	case s.FullDomainCount+s.WildcardDomainCount > 1:
		return "m"
	case s.WildcardDomainCount == 1:
		return "w"
	}
	return "f"
}

func orTime(t, fallback time.Time) time.Time {
	if t.IsZero() {
		return fallback
	}
	return t
}

// status is the instance's in 2020-04-07's words.
func (i *instance) status(now time.Time) string {
	bought, ends := i.subscription.OrderStart, i.subscription.OrderEnd
	switch {
	case i.ended != "":
		return i.ended
	case !now.Before(ends):
		return "expired"
	case strings.EqualFold(i.Status, "CHECKING"):
		return "pending"
	case strings.EqualFold(i.Status, "PAYED"):
		return "inactive"
	case nearlyOver(bought, ends, now):
		return "willExpire"
	}
	return "normal"
}

// over tells whether the instance can yield no certificate any more.
func (i *instance) over(now time.Time) bool {
	return i.shownIn2020() && (i.ended != "" || !now.Before(i.subscription.OrderEnd))
}

// nearlyOver tells whether a tenth is left of a time, or less.
func nearlyOver(from, to, now time.Time) bool { return to.Sub(now) <= to.Sub(from)/10 }

// subscriptionNow tells how an instance stands; the caller holds the lock.
func (s *cas) subscriptionNow(i *instance, now time.Time) Subscription {
	shown, a := i.subscription, i.application
	shown.InstanceID, shown.Status, shown.PendingResult = i.InstanceID, i.status(now), s.pendingResult(i)
	shown.Domain, shown.AutoReissue, shown.Applications = strings.Join(a.domains, ","), a.autoReissue, i.applications
	shown.ContactIDs = append([]int64{}, a.contacts...)
	if a.request != nil {
		shown.KeyHash = keyHash(a.request.RawSubjectPublicKeyInfo)
	}
	shown.Certificates = []Certificate{}
	for _, c := range s.certificates {
		if c.instanceID == i.InstanceID {
			shown.Certificates = append(shown.Certificates, c.shown())
		}
	}
	return shown
}

// pendingResult is what the CA said last; the caller holds the lock.
func (s *cas) pendingResult(i *instance) string {
	o := s.orders[i.InstanceID]
	if o == nil {
		return "none"
	}
	switch o.Status {
	case checking:
		return "pending"
	case issued:
		return "issued"
	case withdrawn:
		return "The application was withdrawn."
	}
	return "The CA has refused the application: domain validation failed."
}

// newestCertificate is the last one that an instance has yielded, nil before; the caller holds the lock.
func (s *cas) newestCertificate(instanceID string) (newest *certificate) {
	for _, c := range s.certificates {
		if c.instanceID == instanceID {
			newest = c
		}
	}
	return newest
}
