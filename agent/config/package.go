package config

import (
	"errors"
	"fmt"
	"slices"
)

// mostOfPackage is how many names an order from a package may have.
const mostOfPackage = 5

// WithoutParents leaves out the parents of wildcards: a certificate for
// *.example.com is for example.com, too, whether or not that was asked for.
func WithoutParents(domains []string) []string {
	return slices.DeleteFunc(slices.Clone(domains), func(domain string) bool { return slices.Contains(domains, "*."+domain) })
}

// checkPackage refuses what an order from a package cannot be.
func checkPackage(c Certificate, account Account) error {
	if c.Package == "" {
		return nil
	}
	wildcards := 0
	names := WithoutParents(c.Domains)
	for _, name := range names {
		if name[0] == '*' {
			wildcards++
		}
	}
	switch {
	case !isInstance(c.Package):
		return at("package", fmt.Errorf("%q is not a ProductCode such as digicert-free-1-free", c.Package))
	case len(c.Instances) > 0 || c.TestInstances:
		return at("package", errors.New("an order is placed on an instance or from a package, not both"))
	case account.CASAPI == api2018:
		return at("package", fmt.Errorf("packages are ordered from by 2020-04-07; account %s has cas_api = %q", c.Account, account.CASAPI))
	case len(names) > mostOfPackage || wildcards > 0 && wildcards < len(names):
		return at("domains", fmt.Errorf("an order from a package takes %d names at most, and all of them wildcards (whose parents come along) or none", mostOfPackage))
	}
	return nil
}
