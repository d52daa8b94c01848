package aliyun

import (
	"slices"
	"strings"
)

// Status is an OrderStatus, a certificate's status, or that of an instance of
// 2018-07-13. The documents spell the same state in several ways; compare
// through the methods, which ignore case.
type Status string

// Issued says that the certificate can be fetched.
func (s Status) Issued() bool { return isOneOf(s, "issued") }

// Valid says that a certificate of 2020-04-07 is neither revoked nor expired.
func (s Status) Valid() bool { return isOneOf(s, "issued", "willExpire") }

// Revoked says that the CA has declared a certificate of 2020-04-07 void.
func (s Status) Revoked() bool { return isOneOf(s, "revoked") }

// Checking says that the CA is validating the order now.
func (s Status) Checking() bool { return isOneOf(s, "checking", "verifying", "pending verification") }

// Failed says that the CA refused the validation.
func (s Status) Failed() bool {
	return isOneOf(s, "check_fail", "checked_fail", "verification failed")
}

// Spare says that the instance is paid for and not yet used.
func (s Status) Spare() bool { return isOneOf(s, "payed", "paid") }

// DV says that the instance is for a domain-validated certificate.
func (i Instance) DV() bool { return strings.EqualFold(i.CertType, "DV") }

// InstanceStatus is the Status of an instance of 2020-04-07. The methods ignore
// case; a status that is not known is none of them.
type InstanceStatus string

// Inactive says that the instance was bought and never used.
func (s InstanceStatus) Inactive() bool { return isOneOf(s, "inactive") }

// Pending says that an application is being checked.
func (s InstanceStatus) Pending() bool { return isOneOf(s, "pending") }

// Active says that the instance was used, and nothing is pending. Whether it
// has a certificate is another matter: an application may have been withdrawn
// or refused.
func (s InstanceStatus) Active() bool { return isOneOf(s, "normal", "willExpire") }

// Over says that the instance takes no application any more.
func (s InstanceStatus) Over() bool { return isOneOf(s, "expired", "refund", "closed") }

// DV says that the instance is for a domain-validated certificate.
func (i Instance2020) DV() bool { return strings.EqualFold(i.CertificateType, "DV") }

// Test says that the instance is a free or cheap test, not a subscription.
func (i Instance2020) Test() bool { return strings.EqualFold(i.InstanceType, "TEST") }

// OrderState is the Type of DescribeCertificateState. The methods ignore case;
// a type that is not known, "unknow" among them, is none of them: wait.
type OrderState string

// Paid says that the order is on its way to the CA, or was withdrawn.
func (s OrderState) Paid() bool { return isOneOf(s, "payed", "paid") }

// Checking says that the CA validates the domain (domain_verify) or has done so
// and works on the certificate (process).
func (s OrderState) Checking() bool { return isOneOf(s, "domain_verify", "process") }

// Issued says that the certificate can be fetched.
func (s OrderState) Issued() bool { return isOneOf(s, "certificate") }

// Failed says that the CA refused the validation.
func (s OrderState) Failed() bool { return isOneOf(s, "verify_fail") }

// TaskStatus is a TaskStatus of GetTaskAttribute. The methods ignore case.
type TaskStatus string

// Running says that the task goes on.
func (s TaskStatus) Running() bool { return isOneOf(s, "processing", "pending") }

// Done says that the application was submitted, not that it was issued.
func (s TaskStatus) Done() bool { return isOneOf(s, "success", "completed") }

// Failed says that the application was not submitted, or refused.
func (s TaskStatus) Failed() bool { return isOneOf(s, "failed") }

func isOneOf[S ~string](s S, names ...string) bool {
	return slices.ContainsFunc(names, func(name string) bool { return strings.EqualFold(string(s), name) })
}
