package sandbox

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// listUserCertificateOrder shows orders from packages (CPACK), or certificates
// (CERT: all, UPLOAD: those that were uploaded), the newest first. Instances of
// 2020-04-07 are not among them, and older single purchases (BUY) there are none.
func (s *cas) listUserCertificateOrder(c *call) (object, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	rows := []object{}
	switch kind := cmp.Or(c.params["OrderType"], "CPACK"); kind {
	case "CPACK":
		rows = s.orderRows(c)
	case "CERT", "UPLOAD":
		rows = s.certificateRows(c, kind == "UPLOAD")
	case "BUY":
	default:
		return nil, invalidParameter("OrderType")
	}
	c.settle(rows...)
	return c.currentPage("CertificateOrderList", rows, 50, 1000)
}

func (s *cas) orderRows(c *call) []object {
	rows := []object{}
	for _, placed := range slices.Backward(s.packageOrders) {
		row := placed.row(s.orders[placed.instanceID], c.now)
		if row.matches(c.params, []string{"Status"}, "Domain") {
			rows = append(rows, row)
		}
	}
	return rows
}

func (placed *packageOrder) row(o *order, now time.Time) object {
	row := object{
		"OrderId": placed.id, "InstanceId": placed.instanceID, "Domain": strings.Join(o.Domains, ","),
		"Status": o.listStatus(now), "ProductCode": placed.product, "ProductName": placed.product,
		"CertType": "DV", "DomainType": "ONE", "DomainCount": len(o.Domains), "WildDomainCount": 0,
		"BuyDate": millis(placed.created), "AliyunOrderId": placed.id + 1, "PartnerOrderId": "",
		"CertStartTime": int64(0), "CertEndTime": int64(0), "RootBrand": "DigiCert", "SourceType": "cpack",
		"TrusteeStatus": "unTrustee", "Algorithm": "RSA", "ResourceGroupId": "",
	}
	if strings.HasPrefix(o.Domains[0], "*.") {
		row["DomainType"], row["DomainCount"], row["WildDomainCount"] = "WILDCARD", 0, len(o.Domains)
	} else if len(o.Domains) > 1 {
		row["DomainType"] = "MULTIPLE"
	}
	if strings.Contains(placed.product, "-free") {
		row["CertType"] = "FREE"
	}
	if o.certificate != nil {
		row["CertStartTime"], row["CertEndTime"] = millis(o.certificate.leaf.NotBefore), millis(o.certificate.leaf.NotAfter)
	}
	return row
}

// listStatus is the order's state in the words of ListUserCertificateOrder.
func (o *order) listStatus(now time.Time) string {
	switch {
	case o.Status == issued:
		return o.certificate.listStatus(now)
	case o.Status == withdrawn:
		return "PAYED"
	case o.failed():
		return "CHECKED_FAIL"
	}
	return strings.ToUpper(o.Status)
}

// certificateRows leaves out what has expired, unless Status asks for it.
func (s *cas) certificateRows(c *call, uploadedOnly bool) []object {
	rows := []object{}
	for _, cert := range slices.Backward(s.certificates) {
		row := cert.listRow(c.now)
		hidden := uploadedOnly && cert.bought || c.params["Status"] == "" && row["Status"] == "EXPIRED"
		if !hidden && row.matches(c.params, []string{"Status"}, "Sans", "Name") {
			rows = append(rows, row)
		}
	}
	return rows
}

func (c *certificate) listRow(now time.Time) object {
	row := c.fields()
	row["CertificateId"], row["CommonName"], row["Upload"] = row["Id"], row["Common"], !c.bought
	row["Status"], row["InstanceId"], row["ResourceGroupId"] = c.listStatus(now), c.instanceID, ""
	row["SerialNo"], row["Sha2"] = c.serial(), c.sha2()
	for _, name := range []string{"Id", "Common", "BuyInAliyun"} {
		delete(row, name)
	}
	return row
}

func (c *certificate) listStatus(now time.Time) string {
	switch c.status(now) {
	case "revoked":
		return "REVOKED"
	case "expired":
		return "EXPIRED"
	case "willExpire":
		return "WILLEXPIRED"
	}
	return "ISSUED"
}
