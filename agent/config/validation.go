package config

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"dvagent/internal/hint"
)

// checkValidation refuses what cannot be proved in the way that is asked for: no
// CA takes a file for a wildcard.
func checkValidation(table certificateTable, domains []string) error {
	switch {
	case table.Follow: // checkFollow tells
		return nil
	case table.Validation == "" || table.Validation == defaultValidation:
		if table.Webroot != "" {
			return at("webroot", hint.Add(errors.New("is of no use without validation = \"file\""), "add validation = \"file\", or leave webroot out"))
		}
		return nil
	case table.Validation != "file":
		return at("validation", fmt.Errorf("%q is neither dns nor file", table.Validation))
	}
	wildcard := slices.IndexFunc(domains, func(domain string) bool { return domain[0] == '*' })
	switch {
	case wildcard >= 0:
		return at("domains", hint.Add(fmt.Errorf("a file proves no wildcard, such as %s", domains[wildcard]),
			"leave validation out, so that DNS records prove the domains, or name each host"))
	case table.DNSAccount != "":
		return at("dns_account", errors.New("is of no use beside validation = \"file\", which wants no zone"))
	case table.Webroot == "":
		return at("webroot", hint.Add(errors.New("is missing: validation = \"file\" needs it"),
			"name the directory that the web server shows at port 80 of the domains"))
	case filepath.Clean(table.Webroot) != table.Webroot || table.Webroot == "/":
		return at("webroot", fmt.Errorf("%q is not the plain path of a directory below /", table.Webroot))
	}
	if err := absolute(table.Webroot); err != nil {
		return at("webroot", err)
	}
	return nil
}
