package config

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"dvagent/deploy"
	"dvagent/internal/address"
	"dvagent/internal/bundle"
	"dvagent/internal/hint"
	"dvagent/internal/users"
)

var (
	nameForm     = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{0,127}$`)
	instanceForm = regexp.MustCompile(`^[A-Za-z0-9_-]{1,128}$`)
)

// IsName says that the text can be a certificate's name, and so a directory's.
func IsName(text string) bool { return nameForm.MatchString(text) }

func buildCertificates(config *Config, contacts map[string]Contact, owners *owners, s *source) error {
	config.Certificates = slices.Grow(config.Certificates, len(s.doc.Certificate))
	for i, table := range s.doc.Certificate {
		key := fmt.Sprintf("certificate[%d]", i)
		certificate, err := buildCertificate(config, contacts, owners.real, key, table)
		if err != nil {
			return err
		}
		if err := owners.checkUnique(owner{s, key}, certificate); err != nil {
			return err
		}
		config.places[certificate.Name] = len(config.Certificates)
		config.Certificates = append(config.Certificates, certificate)
	}
	return nil
}

func buildCertificate(config *Config, contacts map[string]Contact, real realPaths, key string, table certificateTable) (Certificate, error) {
	var certificate Certificate
	if !IsName(table.Name) {
		return certificate, at(key+".name", fmt.Errorf("%q is not a name: begin with a-z or 0-9, go on with dots and hyphens too", table.Name))
	}
	domains, err := normaliseAll(table.Domains)
	if err != nil {
		return certificate, at(key+".domains", err)
	}
	account, err := chosen("account", table.Account, config.Accounts)
	if err != nil {
		return certificate, at(key+".account", err)
	}
	dnsAccount, err := chosen("account", cmp.Or(table.DNSAccount, account), config.Accounts)
	if err != nil {
		return certificate, at(key+".dns_account", err)
	}
	contact, err := chosen("contact", table.Contact, contacts)
	if err != nil && (!table.Follow || table.Contact != "") {
		return certificate, at(key+".contact", err)
	}
	if err := checkFollow(key, table); err != nil {
		return certificate, err
	}
	for _, instance := range table.Instances {
		if !instanceForm.MatchString(instance) {
			return certificate, at(key+".instances", fmt.Errorf("%q is not an instance", instance))
		}
	}
	window, err := parseWindow(cmp.Or(table.RenewBefore, defaultRenewBefore))
	if err != nil {
		return certificate, at(key+".renew_before", err)
	}
	certificate = Certificate{
		Name: table.Name, Domains: domains, Account: account, DNSAccount: dnsAccount,
		Contact: contacts[contact], Instances: table.Instances, TestInstances: table.TestInstances, Package: table.Package,
		KeyType: cmp.Or(table.KeyType, defaultKeyType), RenewBefore: window, Upload: table.Upload, Follow: table.Follow,
	}
	if err := checkPackage(key, certificate, config.Accounts[account]); err != nil {
		return certificate, err
	}
	if !slices.Contains(bundle.KeyTypes(), certificate.KeyType) {
		return certificate, at(key+".key_type", fmt.Errorf("%q is none of %s", table.KeyType, strings.Join(bundle.KeyTypes(), ", ")))
	}
	switch place := cmp.Or(table.PrivateKey, defaultPrivateKey); place {
	case "host", "cas":
		certificate.CloudKey = place == "cas"
	default:
		return certificate, at(key+".private_key", fmt.Errorf("%q is neither host nor cas", place))
	}
	for i, target := range table.Deploy {
		built, err := buildTarget(real, fmt.Sprintf("%s.deploy[%d]", key, i), domains, target)
		if err != nil {
			return certificate, err
		}
		if built.KeyFormat == "pkcs1" && certificate.KeyType == "ec256" && !certificate.CloudKey && !certificate.Follow {
			return certificate, at(fmt.Sprintf("%s.deploy[%d].key_format", key, i), errors.New("pkcs1 is for RSA keys, and key_type is ec256"))
		}
		certificate.Deploy = append(certificate.Deploy, built)
	}
	return certificate, nil
}

// checkFollow refuses what only an order has a use for.
func checkFollow(key string, table certificateTable) error {
	for _, one := range []struct {
		key   string
		given bool
	}{
		{"instances", len(table.Instances) > 0}, {"test_instances", table.TestInstances}, {"package", table.Package != ""},
		{"key_type", table.KeyType != ""}, {"private_key", table.PrivateKey != ""},
	} {
		if table.Follow && one.given {
			return at(key+"."+one.key, errors.New("is of no use beside follow, which orders nothing"))
		}
	}
	return nil
}

// chosen resolves a reference, which may be left out when there is only one to choose.
func chosen[T any](kind, name string, all map[string]T) (string, error) {
	if name == "" && len(all) == 1 {
		for only := range all {
			return only, nil
		}
	}
	if _, known := all[name]; known {
		return name, nil
	}
	if len(all) == 0 {
		return "", hint.Add(fmt.Errorf("there is no [%s.…]", kind), fmt.Sprintf("add a table [%s.main]", kind))
	}
	names := strings.Join(slices.Sorted(maps.Keys(all)), ", ")
	if name == "" {
		return "", fmt.Errorf("is missing: choose one of %s", names)
	}
	return "", fmt.Errorf("no %s is named %q (there is %s)", kind, name, names)
}

func buildContacts(doc document) (map[string]Contact, error) {
	contacts := map[string]Contact{}
	for _, name := range slices.Sorted(maps.Keys(doc.Contact)) {
		contact := doc.Contact[name]
		for _, field := range []struct{ key, value string }{
			{"username", contact.Username}, {"mobile", contact.Mobile}, {"email", contact.Email},
			{"province", contact.Province}, {"city", contact.City},
		} {
			onlyOlder := contact.ID > 0 && (field.key == "province" || field.key == "city") // CAS 2018-07-13 has no ids
			if field.value == "" && !onlyOlder {
				return nil, at("contact."+name+"."+field.key, errors.New("is missing: an order needs it"))
			}
		}
		if contact.ID < 0 {
			return nil, at("contact."+name+".id", fmt.Errorf("%d is not a ContactId", contact.ID))
		}
		contacts[name] = Contact(contact)
	}
	return contacts, nil
}

func buildTarget(real realPaths, key string, domains []string, table deployTable) (deploy.Target, error) {
	target := deploy.Target{
		Fullchain: table.Fullchain, Key: table.Key, Cert: table.Cert, Chain: table.Chain,
		Combined: table.Combined, PFX: table.PFX, JKS: table.JKS,
		LegacyPFX: table.PFXLegacy, KeyFormat: table.KeyFormat,
		Owner: table.Owner, Group: table.Group, Check: table.Check, Reload: table.Reload,
		Probe: table.Probe,
	}
	serverName, err := address.Host(table.ProbeServerName)
	if err != nil {
		return target, at(key+".probe_server_name", err)
	}
	target.ServerName = cmp.Or(serverName, probeName(domains[0]))
	if err := checkPaths(real, key, target); err != nil {
		return target, err
	}
	for _, probe := range table.Probe {
		if err := deploy.CheckProbe(probe); err != nil {
			return target, at(key+".probe", err)
		}
	}
	for key, name := range map[string]string{key + ".owner": table.Owner, key + ".group": table.Group} {
		if err := users.Check(name); name != "" && err != nil {
			return target, at(key, err)
		}
	}
	switch table.KeyFormat {
	case "", "pkcs1", "pkcs8":
	default:
		return target, at(key+".key_format", fmt.Errorf("%q is neither pkcs1 nor pkcs8", table.KeyFormat))
	}
	if target.Timeout, err = optionalDuration(table.Timeout); err != nil {
		return target, at(key+".timeout", err)
	}
	if target.Mode, err = parseMode(table.Mode); err != nil {
		return target, at(key+".mode", err)
	}
	if target.KeyMode, err = parseMode(table.KeyMode); err != nil {
		return target, at(key+".key_mode", err)
	}
	return target, buildKeyStore(key, table, &target)
}

// probeName is a host name that the domain covers.
func probeName(domain string) string {
	if parent, wildcard := strings.CutPrefix(domain, "*."); wildcard {
		return "www." + parent
	}
	return domain
}

func checkPaths(real realPaths, key string, target deploy.Target) error {
	written := map[string]bool{}
	for format, path := range target.Files() {
		if err := absolute(path); err != nil {
			return at(key+"."+format, err)
		}
		if base := path[strings.LastIndexByte(path, '/')+1:]; base == "" || base == "." || base == ".." {
			return at(key+"."+format, fmt.Errorf("%s is a directory: add the file's name", path))
		}
		found := real.of(path)
		if written[found] {
			return at(key+"."+format, fmt.Errorf("%s is written twice", path))
		}
		written[found] = true
	}
	if len(written) == 0 {
		return at(key, fmt.Errorf("names no file to write (%s)", either(deploy.Formats())))
	}
	return nil
}

// parseMode is 0 for a mode that is not given.
func parseMode(text string) (fs.FileMode, error) {
	if text == "" {
		return 0, nil
	}
	mode, err := strconv.ParseUint(text, 8, 32)
	if err != nil || mode == 0 || mode > 0o777 {
		return 0, fmt.Errorf("%q is not a mode such as \"0640\"", text)
	}
	return fs.FileMode(mode), nil
}

// owners are the certificates that have what only one can have.
type owners struct {
	of   map[possession]owner
	real realPaths
}

// possession is a name, a file, or a set of domains in an account.
type possession struct{ kind, what string }

// owner is the certificate of that key in a file.
type owner struct {
	*source
	key string
}

// to names the owner for an error about a file.
func (o owner) to(s *source) string {
	if o.source == s {
		return o.key + "'s"
	}
	return fmt.Sprintf("%s's (%s:%d)", o.key, o.file, lineOf(places(o.text), o.key))
}

// checkUnique refuses a second owner of a name, of a file, or of a set of
// domains in one account.
func (o *owners) checkUnique(by owner, certificate Certificate) error {
	if first, taken := o.take(possession{"name", certificate.Name}, by); taken {
		return at(by.key+".name", fmt.Errorf("the name %q is already %s", certificate.Name, first.to(by.source)))
	}
	domains := strings.Join(slices.Sorted(slices.Values(certificate.Domains)), " ")
	if first, taken := o.take(possession{"domains", certificate.Account + " " + domains}, by); taken {
		return at(by.key+".domains", hint.Add(fmt.Errorf("the same set of domains in this account is already %s", first.to(by.source)),
			"to install one certificate in several places, give it several [[certificate.deploy]]"))
	}
	for i, target := range certificate.Deploy {
		for format, path := range target.Files() {
			if first, taken := o.take(possession{"file", o.real.of(path)}, by); taken {
				return at(fmt.Sprintf("%s.deploy[%d].%s", by.key, i, format), fmt.Errorf("the file %s is already %s", path, first.to(by.source)))
			}
		}
	}
	return nil
}

// take gives what is nobody's to a certificate, or says whose it is.
func (o *owners) take(p possession, by owner) (first owner, taken bool) {
	if first, taken = o.of[p]; !taken {
		o.of[p] = by
	}
	return first, taken
}
