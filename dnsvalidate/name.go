package dnsvalidate

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/net/publicsuffix"

	"dvagent/internal/hint"
)

const (
	maxName  = 253 // RFC 1035, without the trailing dot
	maxLabel = 63
)

// CheckName turns the CheckName of DescribeDVOrderResult into a host name that may
// be written at: lower case, A-labels, no trailing dot. Absolute, it must lie
// below one of the certificate's domains, or right below a parent of one, up to
// the registrable domain. Relative,
// it is resolved against the registrable domain that they share, and must be
// an underscored name of a domain or of its parent. Everything else is an
// error: the server does not decide where this account writes.
func CheckName(raw string, domains []string) (fqdn string, err error) {
	name, err := underscored(raw)
	if err != nil {
		return "", refuse(raw, err)
	}
	roots, err := registrable(domains)
	if err != nil {
		return "", refuse(raw, err)
	}
	for _, root := range roots {
		if below(name, root) && (coversOne(domains, stripUnderscored(name)) || belowOne(domains, name)) {
			return name, nil
		}
	}
	if len(roots) == 1 && !strings.HasSuffix(raw, ".") {
		whole := name + "." + roots[0]
		if len(whole) <= maxName && coversOne(domains, stripUnderscored(whole)) {
			return whole, nil
		}
	}
	return "", refuse(raw, errors.New("it lies outside the certificate's domains"))
}

func refuse(raw string, err error) error {
	err = fmt.Errorf("refuse to write at CheckName %.260q: %w", raw, err)
	return hint.Add(err, "nothing was written; compare the order with the console, then abandon it or ask Alibaba Cloud")
}

// underscored checks the syntax of a validation name. Its first label must
// begin with an underscore, because such a name is never a host.
func underscored(raw string) (string, error) {
	name := canonical(raw)
	if err := checkSyntax(name); err != nil {
		return "", err
	}
	if name[0] != '_' {
		return "", errors.New("its first label does not begin with an underscore")
	}
	return name, nil
}

// checkSyntax refuses what is no host name with underscores.
func checkSyntax(name string) error {
	if len(name) > maxName {
		return fmt.Errorf("it is longer than %d characters", maxName)
	}
	for label := range strings.SplitSeq(name, ".") {
		if err := checkLabel(label); err != nil {
			return err
		}
	}
	return nil
}

// checkLabel allows letters, digits, hyphens inside, and underscores.
func checkLabel(label string) error {
	switch {
	case label == "":
		return errors.New("it has an empty label")
	case len(label) > maxLabel:
		return fmt.Errorf("a label is longer than %d characters", maxLabel)
	case label[0] == '-' || label[len(label)-1] == '-':
		return errors.New("a label begins or ends with a hyphen")
	case strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "":
		return errors.New("it is not a host name")
	}
	return nil
}

// registrable returns the registrable domains (eTLD+1) of the certificate's
// domains, each once.
func registrable(domains []string) ([]string, error) {
	var roots []string
	for _, domain := range domains {
		root, err := publicsuffix.EffectiveTLDPlusOne(base(domain))
		if err != nil { // it is a public suffix itself: nothing above it counts
			root = base(domain)
		}
		if !slices.Contains(roots, root) {
			roots = append(roots, root)
		}
	}
	return roots, nil
}

// coversOne says that name is a certificate's domain or a parent of one.
func coversOne(domains []string, name string) bool {
	return slices.ContainsFunc(domains, func(domain string) bool {
		return within(base(domain), name)
	})
}

// belowOne says that name lies below a certificate's domain.
func belowOne(domains []string, name string) bool {
	return slices.ContainsFunc(domains, func(domain string) bool { return below(name, base(domain)) })
}

// base is a certificate's domain without its wildcard.
func base(domain string) string { return strings.TrimPrefix(canonical(domain), "*.") }

func stripUnderscored(name string) string {
	for strings.HasPrefix(name, "_") {
		_, name, _ = strings.Cut(name, ".")
	}
	return name
}
