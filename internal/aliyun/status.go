package aliyun

import "strings"

// Status is an OrderStatus or an instance's Status. The documents spell the
// same state in several ways; compare through the methods, which ignore case.
type Status string

// Issued says that the certificate can be fetched.
func (s Status) Issued() bool { return s.is("issued") }

// Checking says that the CA is validating the order now.
func (s Status) Checking() bool { return s.is("checking", "verifying", "pending verification") }

// Failed says that the CA refused the validation.
func (s Status) Failed() bool { return s.is("check_fail", "checked_fail", "verification failed") }

// Spare says that the instance is paid for and not yet used.
func (s Status) Spare() bool { return s.is("payed", "paid") }

func (s Status) is(names ...string) bool {
	for _, name := range names {
		if strings.EqualFold(string(s), name) {
			return true
		}
	}
	return false
}

// DV says that the instance is for a domain-validated certificate.
func (i Instance) DV() bool { return strings.EqualFold(i.CertType, "DV") }
