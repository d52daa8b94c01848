package sandbox

import (
	"slices"
	"strings"
	"time"
)

// instanceFilters are the parameters of ListInstances that a row must equal.
var instanceFilters = []string{"Status", "CertificateStatus", "CertificateType", "InstanceType", "Brand", "ResourceGroupId"}

// listInstances shows the newest instance first.
func (s *cas) listInstances(c *call) (object, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	rows := []object{}
	for _, i := range slices.Backward(s.instances) {
		if !i.shownIn2020() {
			continue
		}
		row := s.row(i, c.now)
		if row.matches(c.params, instanceFilters, "InstanceId", "Domain", "CertificateDomain", "CertificateName") {
			rows = append(rows, row)
		}
	}
	c.settle(rows...)
	return c.currentPage("InstanceList", rows, 10, 100)
}

// row is what ListInstances and GetInstanceDetail have in common; the caller holds the lock.
func (s *cas) row(i *instance, now time.Time) object {
	bought, a := i.subscription, i.application
	row := object{
		"InstanceId": i.InstanceID, "InstanceType": bought.InstanceType, "CertificateType": bought.CertificateType,
		"Spec": bought.Spec, "Brand": bought.Brand, "Status": i.status(now), "PendingResult": s.pendingResult(i),
		"FullDomainCount": bought.FullDomainCount, "WildcardDomainCount": bought.WildcardDomainCount,
		"OrderStartTime": millis(bought.OrderStart), "OrderEndTime": millis(bought.OrderEnd),
		"InstanceStartTime": int64(0), "InstanceEndTime": int64(0),
		"Domain": strings.Join(a.domains, ","), "CertificateName": a.name, "KeyAlgorithm": a.algorithm,
		"AutoReissue": "disable", "ResourceGroupId": a.group, "UsingProductList": []string{},
	}
	if a.autoReissue {
		row["AutoReissue"] = "enable"
	}
	if !i.started.IsZero() {
		row["InstanceStartTime"], row["InstanceEndTime"] = millis(i.started), millis(bought.OrderEnd)
	}
	for name, value := range s.newestCertificate(i.InstanceID).summary(now) {
		row[name] = value
	}
	return row
}

// summary is what an instance tells of its newest certificate, nil for none.
func (c *certificate) summary(now time.Time) object {
	if c == nil {
		return object{
			"CertificateId": int64(0), "CertIdentifier": "", "CertificateDomain": "", "CertificateStatus": "",
			"CertificateNotBefore": int64(0), "CertificateNotAfter": int64(0), "CertificateRevokeTime": int64(0),
		}
	}
	return object{
		"CertificateId": c.id, "CertIdentifier": c.identifier(), "CertificateDomain": strings.Join(c.leaf.DNSNames, ","),
		"CertificateStatus": c.status(now), "CertificateRevokeTime": millis(c.revoked),
		"CertificateNotBefore": millis(c.leaf.NotBefore), "CertificateNotAfter": millis(c.leaf.NotAfter),
	}
}

func (s *cas) getInstanceDetail(c *call) (object, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, err := s.instance2020(c.params)
	if err != nil {
		return nil, err
	}
	detail, a := s.row(i, c.now), i.application
	for name, value := range (object{
		"AverageWaitingTime": "120", "UpgradeStatus": "none", "DingGroupList": []object{},
		"City": a.city, "Province": a.province, "CountryCode": a.country, "CompanyId": a.companyID,
		"ContactIdList": a.contacts, "Csr": a.csr, "GenerateCsrMethod": a.method,
		"Tags": a.tags, "ValidationMethod": a.validation, "DomainValidationList": s.validations(i, c),
	}) {
		detail[name] = value
	}
	c.settle(detail)
	return detail, nil
}

// validations are the proofs that an open application wants: from the second
// look on, and not any more once it has ended. The caller holds the lock.
func (s *cas) validations(i *instance, c *call) []object {
	o := s.orders[i.InstanceID]
	if o == nil || i.over(c.now) {
		return nil
	}
	if o.Status != checking && !(o.Status == issued && c.chooses("proofs-stay")) {
		return nil
	}
	if o.looks++; !o.presented() {
		return nil
	}
	var rows []object
	for _, p := range o.Proofs {
		kind := p.Type
		if kind == "FILE" {
			kind = "HTTP"
		}
		rows = append(rows, object{
			"Domain": p.Domain, "RootDomain": p.Root, "ValidationType": kind,
			"ValidationKey": p.Key, "ValidationValue": p.Value, "Cname": "", "CnameKey": "",
		})
	}
	return rows
}

// instance2020 finds what InstanceId names; the caller holds the lock.
func (s *cas) instance2020(p params) (*instance, error) {
	if err := p.require("InstanceId"); err != nil {
		return nil, err
	}
	if i := s.instance(p["InstanceId"]); i != nil && i.shownIn2020() {
		return i, nil
	}
	return nil, notFound2020(p["Lang"])
}

// millis is a time as a number of the API, 0 for none.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}
