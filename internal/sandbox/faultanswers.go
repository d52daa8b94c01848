package sandbox

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
)

var answerKinds = []kind{
	{name: "unknown-status", about: "an order that is under review has the status reviewing", actions: orderResult, alter: unknownStatus},
	{name: "status-backwards", about: "an order that was read as issued is under review again", actions: collected, alter: statusBackwards},
	{name: "empty-checkname", about: "the name and the value of the record that is wanted are empty", actions: orderResult, alter: onChallenge(func(*call) string { return "" }, true)},
	{name: "hostile-checkname", about: "the record is wanted at a name that none may get; the seed chooses which", actions: orderResult, alter: onChallenge(func(c *call) string {
		return hostileNames[c.faults.rng.IntN(len(hostileNames))]
	}, false)},
	{name: "omit-instance", about: "the list of instances or orders lacks the newest row that is in use, or else the newest", actions: instanceList, alter: omitInstance},
	{name: "no-instances", about: "the list of instances or orders is empty", actions: instanceList, alter: func(_ *call, o object) bool {
		o[instanceRows(o)], o["TotalCount"] = []object{}, 0
		return true
	}},
	{name: "omit-servers", about: "the list of zones lacks their DnsServers", actions: []string{"DescribeDomains"}, alter: omitServers},
	{name: "repeat-page", about: "every page is the first", actions: paged, rewrite: repeatPage},
	{name: "ignore-page-size", about: "a page has two rows, whatever was asked for", actions: paged, rewrite: func(c *call) bool {
		c.largestPage = 2
		return true
	}},
	{name: "wrong-total", about: "TotalCount is 1000 too many", actions: paged, alter: addToTotal(1000)},
	{name: "low-total", about: "TotalCount is 1 too few", actions: paged, alter: addToTotal(-1)},
	{name: "xml", about: "the answer is XML, whatever was asked for", alter: func(c *call, _ object) bool {
		c.params["Format"] = "XML"
		return true
	}},
	{name: "numbers", about: "numbers are strings, and strings of digits are numbers", alter: swapNumbers},
	{name: "sample-shapes", about: "the shapes of the reference's samples: no CertId, a bare detail, masked values", alter: sampleShapes},
}

var hostileNames = []string{
	"@", "*", "www", "", ".", "-", "..", "_dnsauth", "evil.example.net", "_dnsauth.evil.example.net",
	"_dnsauth.example.com.evil.example.net", "a\x00b.example.com", "a\\.example.com", "a\nb.example.com",
	"$(reboot).example.com", "../../etc/passwd", strings.Repeat("a", 64) + ".example.com", strings.Repeat("a.", 127) + "example.com",
}

// underReview is the status of an order that is looked at, by the field that tells it in each API.
var underReview = map[string]any{"OrderStatus": checking, "Status": "pending", "Type": "domain_verify"}

func unknownStatus(_ *call, o object) bool {
	for field, status := range underReview {
		if o[field] == status {
			o[field] = "reviewing"
			return true
		}
	}
	return false
}

// challenges are the fields of a record's name and value in each API.
var challenges = map[string]string{"CheckName": "CheckValue", "RecordDomain": "RecordValue", "ValidationKey": "ValidationValue"}

// onChallenge changes the name of each record that is wanted, and its value with it where the two go together.
func onChallenge(change func(*call) string, valueToo bool) func(*call, object) bool {
	return func(c *call, o object) bool {
		rows, _ := o["DomainValidationList"].([]object)
		bitten := false
		for _, row := range append(rows, o) {
			for name, value := range challenges {
				if row[name] == nil {
					continue
				}
				row[name], bitten = change(c), true
				if valueToo {
					row[value] = ""
				}
			}
		}
		return bitten
	}
}

func statusBackwards(c *call, o object) bool {
	if c.collected < 2 {
		return false
	}
	for _, name := range []string{"Certificate", "PrivateKey", "CertId"} {
		delete(o, name)
	}
	if o["Type"] != nil {
		o["Type"] = "process"
	} else {
		o["OrderStatus"] = checking
	}
	return true
}

// instanceRows is the field that holds the rows of a list.
func instanceRows(o object) string {
	for _, name := range []string{"InstanceList", "CertificateOrderList"} {
		if o[name] != nil {
			return name
		}
	}
	return "OrderList"
}

func omitInstance(_ *call, o object) bool {
	field := instanceRows(o)
	rows, _ := o[field].([]object)
	if len(rows) == 0 {
		return false
	}
	i := slices.IndexFunc(rows, func(row object) bool { return row["Status"] != "PAYED" && row["Status"] != "inactive" })
	i = max(i, 0)
	o[field] = slices.Delete(slices.Clone(rows), i, i+1)
	return addToTotal(-1)(nil, o)
}

func omitServers(_ *call, o object) bool {
	zones, _ := o["Domains"].(object)
	rows, _ := zones["Domain"].([]object)
	for _, row := range rows {
		delete(row, "DnsServers")
	}
	return len(rows) > 0
}

func addToTotal(n int) func(*call, object) bool {
	return func(_ *call, o object) bool {
		total, ok := o["TotalCount"].(int)
		if !ok || total+n < 0 {
			return false
		}
		o["TotalCount"] = total + n
		return true
	}
}

func repeatPage(c *call) bool {
	first := params{"StartIndex": "0", "CurrentPage": "1", "PageNumber": "1"}
	bitten := false
	for name, value := range first {
		if c.params[name] != "" && c.params[name] != value {
			c.params[name], bitten = value, true
		}
	}
	return bitten
}

// swapNumbers goes through the whole answer.
func swapNumbers(_ *call, o object) bool {
	for name, value := range o {
		o[name] = swapped(value)
	}
	return true
}

func swapped(value any) any {
	switch v := value.(type) {
	case int:
		return strconv.Itoa(v)
	case int64:
		return strconv.FormatInt(v, 10)
	case string:
		if _, err := strconv.ParseInt(v, 10, 64); err == nil && v[0] != '0' {
			return json.Number(v)
		}
	case object:
		swapNumbers(nil, v)
	case []object:
		for _, item := range v {
			swapNumbers(nil, item)
		}
	}
	return value
}

// sampleShapes makes of an answer what the reference prints as its example.
func sampleShapes(c *call, o object) bool {
	if o["Code"] != nil {
		return false
	}
	switch c.action {
	case "CreateUserCertificate":
		delete(o, "CertId")
		o["HostId"], o["Code"] = c.service.host, "200"
	case "DescribeUserCertificateDetail":
		for name := range o {
			if name != "RequestId" {
				delete(o, name)
			}
		}
	case "DescribeOrderInstanceList":
		maskEach(o["OrderList"], "InstanceId")
	case "DescribeUserCertificateList":
		maskEach(o["CertificateList"], "fingerprint")
	default:
		return false
	}
	return true
}

// maskEach hides the last four characters of a field in every row.
func maskEach(rows any, field string) {
	list, _ := rows.([]object)
	for _, row := range list {
		if text, ok := row[field].(string); ok && len(text) > 4 {
			row[field] = text[:len(text)-4] + "****"
		}
	}
}
