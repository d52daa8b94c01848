package config

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/net/idna"

	"dvagent/internal/hint"
)

// normaliseAll turns names into lower-case A-labels without a trailing dot and
// without repetition, in the order given. A wildcard stays "*." and a name.
func normaliseAll(names []string) ([]string, error) {
	if len(names) == 0 {
		return nil, errors.New("no domain is given")
	}
	var domains []string
	var wrong mistakes
	for _, name := range names {
		domain, err := normalise(name)
		if err != nil {
			wrong.add(hint.Add(err, domainHint(name)))
		} else if !slices.Contains(domains, domain) {
			domains = append(domains, domain)
		}
	}
	return domains, wrong.err()
}

// normaliseAny is normaliseAll where none may be given.
func normaliseAny(names []string) ([]string, error) {
	if len(names) == 0 {
		return nil, nil
	}
	return normaliseAll(names)
}

// Shown is a domain as people write it: in their letters, where it is kept as an
// A-label.
func Shown(domain string) string {
	host, wildcard := strings.CutPrefix(domain, "*.")
	shown, err := idna.Display.ToUnicode(host)
	switch {
	case err != nil:
		return domain
	case wildcard:
		return "*." + shown
	}
	return shown
}

func normalise(name string) (string, error) {
	host, wildcard := strings.CutPrefix(strings.TrimSuffix(name, "."), "*.")
	ascii, err := idna.Lookup.ToASCII(host)
	switch {
	case strings.Contains(host, "*"):
		return "", fmt.Errorf("%q has a * elsewhere than in *. at its beginning", name)
	case strings.Contains(host, "_"):
		return "", fmt.Errorf("%q has an underscore, and no certificate is issued for such a name", name)
	case err == nil && !strings.Contains(ascii, "."):
		return "", fmt.Errorf("%q is not a domain name: it has one label alone", name)
	case err != nil || !dotted(ascii) || strings.ContainsFunc(host, isForeign):
		return "", fmt.Errorf("%q is not a domain name", name)
	case len(ascii) > 253 || wildcard && len(ascii) > 251:
		return "", fmt.Errorf("%q is longer than 253 characters", name)
	case isAddress(ascii):
		return "", fmt.Errorf("%q is an address, not a domain name", name)
	case wildcard:
		return "*." + ascii, nil
	}
	return ascii, nil
}

// dotted says that the name has at least two labels, each of them valid in length.
func dotted(name string) bool {
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 {
			return false
		}
	}
	return strings.Contains(name, ".")
}

// isForeign says that no name has the letter, such as a quotation mark or a picture,
// which the rules of browsers let through.
func isForeign(r rune) bool {
	return r >= 0x80 && !unicode.In(r, unicode.L, unicode.M, unicode.N) && !strings.ContainsRune("·・。．｡\u200c\u200d", r)
}

func isAddress(name string) bool {
	_, err := netip.ParseAddr(name)
	return err == nil
}
