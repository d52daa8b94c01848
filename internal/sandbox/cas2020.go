package sandbox

import (
	"math"
	"net/http"
	"slices"
)

// operations2020 are those of CAS 2020-04-07, whose arrays are flat too. What
// it refuses it refuses with status 400, whatever the reason.
func (s *cas) operations2020() operations {
	return operations{
		"ListInstances":            s.listInstances,
		"GetInstanceDetail":        s.getInstanceDetail,
		"UpdateInstance":           s.updateInstance,
		"ApplyCertificate":         s.applyCertificate,
		"GetTaskAttribute":         s.getTaskAttribute,
		"CancelPendingCertificate": s.cancelPendingCertificate,
		"RevokeCertificate":        s.revokeCertificate,
		"ListContact":              s.listContact,

		"GetUserCertificateDetail": s.getUserCertificateDetail,
		"ListCertificates":         s.listCertificates,
		"UploadUserCertificate":    s.uploadUserCertificate,
		"DeleteUserCertificate":    s.removeUserCertificate,

		"ListUserCertificateOrder":           s.listUserCertificateOrder,
		"DescribePackageState":               s.describePackageState,
		"CreateCertificateForPackageRequest": s.createCertificateForPackageRequest,
		"CreateCertificateRequest":           s.createCertificateRequest,
		"CreateCertificateWithCsrRequest":    s.createCertificateWithCsrRequest,
		"DescribeCertificateState":           s.describeCertificateState,
		"CancelOrderRequest":                 s.cancelOrderRequest,
		"DeleteCertificateRequest":           s.deleteCertificateRequest,
	}
}

// notFound2020 is notFound with the status that 2020-04-07 gives it.
func notFound2020(language string) error {
	refused := notFound(language).(apiError)
	refused.status = http.StatusBadRequest
	return refused
}

// matches tells whether a row has the values that the parameters named as its
// fields ask for, and Keyword in one of its texts.
func (o object) matches(p params, fields []string, texts ...string) bool {
	for _, name := range fields {
		if p[name] != "" && p[name] != o[name] {
			return false
		}
	}
	return slices.ContainsFunc(texts, func(name string) bool { return containsFold(o[name].(string), p["Keyword"]) })
}

// currentPage answers the page CurrentPage of ShowSize rows.
func (c *call) currentPage(list string, rows []object, size, largest int) (object, error) {
	current, err := c.params.integer("CurrentPage", 1, 1, math.MaxInt32)
	if err != nil {
		return nil, err
	}
	if size, err = c.pageSize("ShowSize", size, largest); err != nil {
		return nil, err
	}
	return object{
		"CurrentPage": current, "ShowSize": size, "TotalCount": len(rows),
		list: page(rows, (current-1)*size, size),
	}, nil
}

// settle decides how an answer shows what has no value: the field is absent,
// unless a fault wants a null or an empty string there.
func (c *call) settle(rows ...object) {
	nulls, blanks := c.chooses("nulls"), c.chooses("blanks")
	for _, row := range rows {
		for name, value := range row {
			switch {
			case !isAbsent(value):
			case nulls:
				row[name] = nil
			case blanks:
				row[name] = ""
			default:
				delete(row, name)
			}
		}
	}
}

// isAbsent tells whether a value stands for none. A count, an int, is 0 in earnest.
func isAbsent(value any) bool {
	switch v := value.(type) {
	case string:
		return v == ""
	case int64:
		return v == 0
	case []object:
		return len(v) == 0
	case []string:
		return len(v) == 0
	case []int64:
		return len(v) == 0
	}
	return false
}
