// Package filevalidate turns a challenge into a file below a directory that a web
// server shows: it checks the URL that the server asks for, writes the file, looks
// for it as a CA does, and removes it. It knows no orders and keeps no journal;
// what to record, when to look again and when to give up is the caller's business.
// It logs nothing, and never touches a file whose content is not exactly the one
// named.
package filevalidate

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	"dvagent/internal/hint"

	"golang.org/x/net/idna"
)

// Usual is the directory in which CAs look for files (Baseline Requirements,
// 3.2.2.4.18).
const Usual = ".well-known/pki-validation"

// Place is where a CA looks for a file.
type Place struct {
	Host string // lower case, A-labels
	Path string // below the webroot, such as .well-known/pki-validation/fileauth.txt
}

// URL is the place's address without a scheme.
func (p Place) URL() string { return p.Host + "/" + p.Path }

// ParsePlace reads what URL returns.
func ParsePlace(url string) Place {
	host, path, _ := strings.Cut(url, "/")
	return Place{host, path}
}

const (
	longest     = 1 << 10 // of a URL and of a content: both are kept in journals
	deepest     = 4       // directories below the webroot
	longestName = 128
)

var (
	// directory and file are names that no web server takes for a program's, and
	// that stand in a URL as they are.
	directory = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[0-9a-z][0-9a-z_-]*$`) })
	file      = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[0-9A-Za-z_][0-9A-Za-z_-]*(\.(txt|html?))?$`) })
	// forValidation are the directories below .well-known in which nothing but a
	// validation is looked for: a file elsewhere, such as in acme-challenge, would
	// prove or tell something to others.
	forValidation = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^([0-9a-z]+-)?validation$`) })
	// content is text without markup: no browser and no server runs it.
	content = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[\t\r\n -;=?-~]+$`) })
)

// CheckURL turns what the server calls a file's place into one that may be written:
// in a directory for validations below .well-known of one of the certificate's
// domains. raw is a URL, with its scheme or without, or a path, or the file's name
// alone; the latter two are of the domain that the challenge is for. Everything
// else is an error: the server does not decide what this host shows.
func CheckURL(raw, domain string, domains []string) (Place, error) {
	p, err := parse(raw, domain)
	if err == nil {
		err = p.check(domains)
	}
	if err != nil {
		return Place{}, refuse(fmt.Errorf("refuse to write the file %.260q: %w", raw, err))
	}
	return p, nil
}

func refuse(err error) error {
	return hint.Add(err, "nothing was written; compare the order with the console, then abandon it or ask Alibaba Cloud")
}

func parse(raw, domain string) (Place, error) {
	if len(raw) > longest {
		return Place{}, fmt.Errorf("it is longer than %d characters", longest)
	}
	rest, whole := raw, false
	for _, scheme := range []string{"http://", "https://"} {
		if len(rest) >= len(scheme) && strings.EqualFold(rest[:len(scheme)], scheme) {
			rest, whole = rest[len(scheme):], true
			break
		}
	}
	host, path, slash := strings.Cut(rest, "/")
	switch {
	case whole && !slash:
		return Place{}, errors.New("it is no file")
	case !whole && !slash:
		host, path = domain, Usual+"/"+rest
	case !whole && host == "": // an absolute path
		host = domain
	case !whole && host == ".well-known": // a path
		host, path = domain, rest
	}
	return Place{canonical(host), path}, nil
}

// HostOf is the host of what CheckURL takes, or "".
func HostOf(raw, domain string) string {
	p, err := parse(raw, domain)
	if err != nil {
		return ""
	}
	return p.Host
}

// canonical is "" for what is no host name.
func canonical(host string) string {
	ascii, err := idna.Lookup.ToASCII(strings.TrimSuffix(host, "."))
	if err != nil {
		return ""
	}
	return strings.ToLower(ascii)
}

func (p Place) check(domains []string) error {
	if !slices.Contains(domains, p.Host) {
		return errors.New("its host is none of the certificate's domains")
	}
	names := strings.Split(p.Path, "/")
	if len(names) < 3 || names[0] != ".well-known" || !forValidation().MatchString(names[1]) {
		return errors.New("it is not in a directory for validations below .well-known")
	}
	last := len(names) - 1
	if last > deepest || !file().MatchString(names[last]) || len(names[last]) > longestName {
		return errors.New("it has a name that may mean more than text to a web server")
	}
	for _, name := range names[1:last] {
		if !directory().MatchString(name) || len(name) > longestName {
			return errors.New("it has a name that may mean more than text to a web server")
		}
	}
	return nil
}

// CheckContent refuses what is more than a short text.
func CheckContent(text string) error {
	switch {
	case strings.TrimSpace(text) == "":
		return refuse(errors.New("refuse to write a file without content"))
	case len(text) > longest:
		return refuse(fmt.Errorf("refuse to write a file of %d bytes", len(text)))
	case !content().MatchString(text):
		return refuse(fmt.Errorf("refuse to write a file with markup or control characters: %.80q", text))
	}
	return nil
}
