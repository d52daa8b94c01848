package sandbox

import (
	"crypto"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"
)

// longestOf2020 is for how long Alibaba lets certificates of 2020-04-07 live.
const longestOf2020 = 199 * day

var errStatusNotSupport = refusal(http.StatusBadRequest, "OperationDenied.StatusNotSupport", "当前状态不支持当前操作")

func (s *cas) applyCertificate(c *call) (object, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, err := s.instance2020(c.params)
	if err != nil {
		return nil, err
	}
	return object{}, s.apply(i, c)
}

// apply submits what an instance holds; the caller holds the lock.
func (s *cas) apply(i *instance, c *call) error {
	if i.status(c.now) == "pending" || i.over(c.now) {
		return errStatusNotSupport
	}
	if s.newestCertificate(i.InstanceID) != nil && c.chooses("one-certificate") {
		return errStatusNotSupport
	}
	if name := i.application.missing(i); name != "" {
		return missingParameter(name)
	}
	if !i.subscription.covers(i.application.allNames()) {
		return errNamesDoNotFit
	}
	s.place(s.newApplicationOrder(i), c)
	i.applications++
	return nil
}

// newApplicationOrder is what the CA gets of an instance. One for an
// organisation stays with the CA until someone forces it on.
func (s *cas) newApplicationOrder(i *instance) *order {
	a := i.application
	names := a.allNames()
	o := newOrder(i.InstanceID, names, "DNS", proofsPerZone(s.zones.hosted(), names)...)
	if a.validation == "HTTP" {
		o.CheckType, o.Proofs = "FILE", fileProofs(names)
	}
	if i.subscription.CertificateType != "DV" {
		o.fate = held
	}
	o.csr, o.name, o.province, o.city = a.request, a.name, a.province, a.city
	o.longest, o.latest = longestOf2020, i.subscription.OrderEnd
	o.keyPair = sync.OnceValues(func() (crypto.Signer, error) { return newKey(a.algorithm) })
	return o
}

// getTaskAttribute knows a task by its instance: a success says that the
// application was submitted, not that it was granted.
func (s *cas) getTaskAttribute(c *call) (object, error) {
	if err := c.params.require("TaskId", "TaskType"); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.orders[c.params["TaskId"]]
	switch {
	case o == nil:
		return nil, notFound2020(c.params["Lang"])
	case o.failed():
		return object{"TaskStatus": "failed", "TaskMessage": s.pendingResult(s.instance(o.InstanceID))}, nil
	case o.Status == checking && !o.presented():
		return object{"TaskStatus": "processing", "TaskMessage": ""}, nil
	}
	return object{"TaskStatus": "success", "TaskMessage": ""}, nil
}

// cancelPendingCertificate withdraws an application, though not in its first
// moments; it stays pending for a while longer.
func (s *cas) cancelPendingCertificate(c *call) (object, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, err := s.instance2020(c.params)
	if err != nil {
		return nil, err
	}
	o := s.orders[i.InstanceID]
	if o == nil || o.Status != checking || c.now.Sub(o.Submitted) < s.issueAfter {
		return nil, errStatusNotSupport
	}
	o.withdrawAt = c.now.Add(s.issueAfter)
	s.nudge()
	return object{}, nil
}

// reissue has an instance yield its next certificate by itself, for the CSR that it holds.
func (s *cas) reissue(instanceID string, c *call) error {
	s.mu.Lock()
	i := s.instance(instanceID)
	if i == nil || !i.shownIn2020() || s.newestCertificate(instanceID) == nil || i.status(c.now) == "pending" || i.over(c.now) {
		s.mu.Unlock()
		return fmt.Errorf("instance %q has no certificate that it could follow up", instanceID)
	}
	o := s.newApplicationOrder(i)
	if c.chooses("reissue-new-key") {
		o.csr = nil
	}
	s.place(o, c)
	i.applications++
	copied := *o
	s.mu.Unlock()
	if copied.fate != "" {
		return nil // the CA does with it what a fault has in store
	}
	return s.issue(copied)
}

// dueReissues lists the instances that were told to renew, and whose newest
// certificate is of the age for it.
func (s *cas) dueReissues(now time.Time) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var due []string
	for _, i := range s.instances {
		c := s.newestCertificate(i.InstanceID)
		idle := !strings.EqualFold(i.Status, "CHECKING") && !i.over(now)
		if s.reissueAfter > 0 && i.application.autoReissue && idle && c != nil && now.Sub(c.added) >= s.reissueAfter {
			due = append(due, i.InstanceID)
		}
	}
	return due
}
