package config

import (
	"errors"
	"fmt"
)

// mostOfPackage is how many names an order from a package may have.
const mostOfPackage = 5

// checkPackage refuses what an order from a package cannot be.
func checkPackage(key string, c Certificate, account Account) error {
	wildcards := 0
	for _, domain := range c.Domains {
		if domain[0] == '*' {
			wildcards++
		}
	}
	switch {
	case c.Package == "":
		return nil
	case !instanceForm.MatchString(c.Package):
		return at(key+".package", fmt.Errorf("%q is not a ProductCode such as digicert-free-1-free", c.Package))
	case len(c.Instances) > 0 || c.TestInstances:
		return at(key+".package", errors.New("an order is placed on an instance or from a package, not both"))
	case account.CASAPI == api2018:
		return at(key+".package", fmt.Errorf("packages are ordered from by 2020-04-07; account %s has cas_api = %q", c.Account, account.CASAPI))
	case len(c.Domains) > mostOfPackage || wildcards > 0 && wildcards < len(c.Domains):
		return at(key+".domains", fmt.Errorf("an order from a package takes %d names at most, and all of them wildcards or none", mostOfPackage))
	}
	return nil
}
