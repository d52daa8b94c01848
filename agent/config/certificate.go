package config

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"dvagent/deploy"
	"dvagent/internal/address"
	"dvagent/internal/bundle"
	"dvagent/internal/hint"
	"dvagent/internal/spelling"
	"dvagent/internal/users"
)

const (
	lower  = "abcdefghijklmnopqrstuvwxyz"
	upper  = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	digits = "0123456789"
)

// IsName says that the text can be a certificate's name, and so a directory's.
func IsName(text string) bool {
	return isMadeOf(text, lower+digits+".-") && strings.Contains(lower+digits, text[:1])
}

func isInstance(text string) bool { return isMadeOf(text, lower+upper+digits+"_-") }

// isMadeOf says that a text is one of 1 to 128 of these signs, which are ASCII. A
// regular expression takes a fifth of a millisecond until it is compiled.
func isMadeOf(text, signs string) bool {
	return text != "" && len(text) <= 128 && strings.Trim(text, signs) == ""
}

func buildCertificates(config *Config, contacts map[string]Contact, owners *owners, s *source) error {
	first := len(config.Certificates)
	config.Certificates = append(config.Certificates, make([]Certificate, len(s.doc.Certificate))...)
	built, errs := config.Certificates[first:], make([]error, len(s.doc.Certificate))
	sideBySide(len(built), func(i int) {
		built[i], errs[i] = buildCertificate(config, contacts, owners.real, s.doc.Certificate[i])
	})
	var wrong mistakes
	for i, err := range errs {
		if err == nil {
			err = owners.checkUnique(owner{s, i}, built[i])
		}
		if err != nil {
			wrong.add(within(owner{s, i}.key(), err))
		}
		config.places[built[i].Name] = first + i
	}
	return wrong.err()
}

func buildCertificate(config *Config, contacts map[string]Contact, real *realPaths, table certificateTable) (Certificate, error) {
	var wrong mistakes
	wrong.at("name", checkName(table.Name))
	domains, err := normaliseAll(table.Domains)
	wrong.at("domains", err)
	account, err := chosen("account", table.Account, config.Accounts)
	if !table.withoutAccount(config.Fleet) {
		wrong.at("account", err)
	}
	dnsAccount := account
	switch {
	case table.Webroot != "": // no zone is wanted
		dnsAccount = ""
	case table.DNSAccount != "":
		dnsAccount, err = chosen("account", table.DNSAccount, config.Accounts)
		wrong.at("dns_account", err)
	}
	contact, err := chosen("contact", table.Contact, contacts)
	if !table.Follow || table.Contact != "" {
		wrong.at("contact", err)
	}
	wrong.add(checkFollow(table))
	wrong.add(checkValidation(table, domains))
	for _, instance := range table.Instances {
		if !isInstance(instance) {
			wrong.at("instances", fmt.Errorf("%q is not an instance", instance))
		}
	}
	window, err := parseWindow(cmp.Or(table.RenewBefore, defaultRenewBefore))
	wrong.at("renew_before", err)
	certificate := Certificate{
		Name: table.Name, Domains: domains, Account: account, DNSAccount: dnsAccount, Webroot: table.Webroot,
		Contact: contacts[contact], Instances: table.Instances, TestInstances: table.TestInstances, Package: table.Package,
		KeyType: cmp.Or(table.KeyType, defaultKeyType), RenewBefore: window, Upload: table.Upload, Follow: table.Follow,
		FromFleet: table.Follow && !config.Fleet.Alone(),
	}
	wrong.add(checkPackage(certificate, config.Accounts[account]))
	if table.KeyType != "" && !slices.Contains(bundle.KeyTypes(), table.KeyType) {
		wrong.at("key_type", noneOf(table.KeyType, bundle.KeyTypes()))
	}
	switch place := cmp.Or(table.PrivateKey, defaultPrivateKey); place {
	case "host", "cas":
		certificate.CloudKey = place == "cas"
	default:
		wrong.at("private_key", hint.Add(fmt.Errorf("%q is neither host nor cas", place), "it says where the key is made, and not where it lies"))
	}
	for i, target := range table.Deploy {
		built, err := buildTarget(real, domains, target)
		if err != nil {
			wrong.add(within(fmt.Sprintf("deploy[%d]", i), err))
		}
		if built.KeyFormat == "pkcs1" && certificate.KeyType == "ec256" && !certificate.CloudKey && !certificate.Follow {
			wrong.at(fmt.Sprintf("deploy[%d].key_format", i), errors.New("pkcs1 is for RSA keys, and key_type is ec256"))
		}
		certificate.Deploy = append(certificate.Deploy, built)
	}
	return certificate, wrong.err()
}

// checkName refuses what cannot name a directory.
func checkName(name string) error {
	switch {
	case name == "":
		return errors.New("is missing")
	case !IsName(name):
		return fmt.Errorf("%.80q is not a name: begin with a-z or 0-9, go on with dots and hyphens too", name)
	}
	return nil
}

// checkFollow refuses what only an order has a use for.
func checkFollow(table certificateTable) error {
	var wrong mistakes
	for _, one := range []struct {
		key   string
		given bool
	}{
		{"instances", len(table.Instances) > 0}, {"test_instances", table.TestInstances}, {"package", table.Package != ""},
		{"key_type", table.KeyType != ""}, {"private_key", table.PrivateKey != ""}, {"dns_account", table.DNSAccount != ""},
		{"validation", table.Validation != ""}, {"webroot", table.Webroot != ""},
	} {
		if table.Follow && one.given {
			wrong.at(one.key, errors.New("is of no use beside follow, which orders nothing"))
		}
	}
	return wrong.err()
}

// withoutAccount says that no account is asked for anything: the fleet holds what
// the certificate follows.
func (t certificateTable) withoutAccount(fleet Fleet) bool {
	return t.Follow && !fleet.Alone() && !t.Upload && t.Account == ""
}

// Choose is the account of that name, or the only one where no name is given.
func (c *Config) Choose(account string) (string, error) {
	return chosen("account", account, c.Accounts)
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
	known := slices.Sorted(maps.Keys(all))
	names := strings.Join(known, ", ")
	if name == "" {
		return "", fmt.Errorf("is missing: choose one of %s", names)
	}
	err := fmt.Errorf("no %s is named %q (there is %s)", kind, name, names)
	if near := spelling.Nearest(name, known); near != "" {
		err = hint.Add(err, fmt.Sprintf("did you mean %q?", near))
	}
	return "", err
}

func buildContacts(doc document) (map[string]Contact, error) {
	contacts := map[string]Contact{}
	var wrong mistakes
	for _, name := range slices.Sorted(maps.Keys(doc.Contact)) {
		contact := doc.Contact[name]
		for _, field := range []struct{ key, value string }{
			{"username", contact.Username}, {"mobile", contact.Mobile}, {"email", contact.Email},
			{"province", contact.Province}, {"city", contact.City},
		} {
			onlyOlder := contact.ID > 0 && (field.key == "province" || field.key == "city") // CAS 2018-07-13 has no ids
			if strings.TrimSpace(field.value) == "" && !onlyOlder {
				wrong.at("contact."+name+"."+field.key, errors.New("is missing: an order needs it"))
			}
		}
		if contact.ID < 0 {
			wrong.at("contact."+name+".id", fmt.Errorf("%d is not a ContactId", contact.ID))
		}
		contacts[name] = Contact(contact)
	}
	return contacts, wrong.err()
}

// outsideOfHostNames says that no host name has the letter.
func outsideOfHostNames(r rune) bool {
	return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("-._", r))
}

func buildTarget(real *realPaths, domains []string, table deployTable) (deploy.Target, error) {
	target := deploy.Target{
		Fullchain: table.Fullchain, Key: table.Key, Cert: table.Cert, Chain: table.Chain,
		Combined: table.Combined, PFX: table.PFX, JKS: table.JKS,
		LegacyPFX: table.PFXLegacy, KeyFormat: table.KeyFormat,
		Owner: table.Owner, Group: table.Group, Check: table.Check, Reload: table.Reload,
		Probe: table.Probe,
	}
	var wrong mistakes
	serverName, err := address.Host(table.ProbeServerName)
	if err == nil && strings.ContainsFunc(strings.TrimPrefix(serverName, "*."), outsideOfHostNames) {
		err = fmt.Errorf("%q is not a host name", serverName)
	}
	wrong.at("probe_server_name", err)
	if target.ServerName = serverName; serverName == "" && len(domains) > 0 {
		target.ServerName = probeName(domains[0])
	}
	wrong.add(checkPaths(real, target))
	for _, probe := range table.Probe {
		wrong.at("probe", hint.Add(deploy.CheckProbe(probe), addressHint(probe, "443")))
	}
	for _, of := range [...]struct{ key, name string }{{"owner", table.Owner}, {"group", table.Group}} {
		if of.name != "" {
			wrong.at(of.key, hint.Add(users.Check(of.name), "owner and group are two keys, with one name each"))
		}
	}
	if len(table.Check) > 0 {
		wrong.at("check", checkCommand(table.Check))
	}
	if len(table.Reload) > 0 {
		wrong.at("reload", checkCommand(table.Reload))
	}
	if table.KeyFormat != "" && !slices.Contains(keyFormats, table.KeyFormat) {
		wrong.at("key_format", noneOf(table.KeyFormat, keyFormats))
	}
	wrong.add(checkIdle(table))
	target.Timeout, err = optionalDuration(table.Timeout)
	wrong.at("timeout", err)
	target.Mode, err = parseMode(table.Mode)
	wrong.at("mode", err)
	target.KeyMode, err = parseMode(table.KeyMode)
	wrong.at("key_mode", err)
	wrong.add(buildKeyStore(table, &target))
	return target, wrong.err()
}

// keyFormats are what key_format may be.
var keyFormats = []string{"pkcs1", "pkcs8"}

// checkIdle refuses what only another key has a use for.
func checkIdle(table deployTable) error {
	var wrong mistakes
	for _, one := range []struct {
		key         string
		given, used bool
		without     string
	}{
		{"pfx_legacy", table.PFXLegacy, table.PFX != "", "pfx"},
		{"key_format", table.KeyFormat != "", table.Key+table.Combined != "", "key or combined"},
		{"mode", table.Mode != "", table.Fullchain+table.Cert+table.Chain != "", "fullchain, cert or chain"},
		{"key_mode", table.KeyMode != "", table.Key+table.Combined+table.PFX+table.JKS != "", "key, combined, pfx or jks"},
		{"probe_server_name", table.ProbeServerName != "", len(table.Probe) > 0, "probe"},
	} {
		if one.given && !one.used {
			wrong.at(one.key, fmt.Errorf("is of no use without %s", one.without))
		}
	}
	return wrong.err()
}

// probeName is a host name that the domain covers.
func probeName(domain string) string {
	if parent, wildcard := strings.CutPrefix(domain, "*."); wildcard {
		return "www." + parent
	}
	return domain
}

func checkPaths(real *realPaths, target deploy.Target) error {
	var wrong mistakes
	written := make([]string, 0, 4)
	for format, path := range target.Files() {
		found := path
		if err := absolute(path); err != nil {
			wrong.at(format, err)
		} else if base := path[strings.LastIndexByte(path, '/')+1:]; base == "" || base == "." || base == ".." {
			wrong.at(format, fmt.Errorf("%s is a directory: add the file's name", path))
		} else if found = real.of(filepath.Clean(path)); slices.Contains(written, found) {
			wrong.at(format, fmt.Errorf("%s is written twice", path))
		}
		written = append(written, found)
	}
	if len(written) == 0 {
		wrong.at("", fmt.Errorf("names no file to write (%s)", strings.Join(deploy.Formats(), ", ")))
	}
	return wrong.err()
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
	names, domains, files map[string]owner
	real                  *realPaths
}

// newOwners has room for as many certificates, most of which have two files.
func newOwners(certificates int) *owners {
	return &owners{names: make(map[string]owner, certificates), domains: make(map[string]owner, certificates),
		files: make(map[string]owner, 2*certificates), real: &realPaths{}}
}

// owner is the certificate of that number in a file.
type owner struct {
	*source
	number int
}

func (o owner) key() string { return fmt.Sprintf("certificate[%d]", o.number) }

// to names the owner for an error about a file.
func (o owner) to(s *source) string {
	if o.source == s {
		return o.key()
	}
	return fmt.Sprintf("%s (%s:%d)", o.key(), o.file, lineOf(places(o.text), o.key()))
}

// checkUnique refuses a second owner of a name, of a file, or of a set of
// domains in one account.
func (o *owners) checkUnique(by owner, certificate Certificate) error {
	if first, taken := take(o.names, certificate.Name, by); taken {
		return at("name", fmt.Errorf("the name %q is already that of %s", certificate.Name, first.to(by.source)))
	}
	if first, taken := take(o.domains, certificate.Account+" "+asSet(certificate.Domains), by); taken {
		return at("domains", hint.Add(fmt.Errorf("the same set of domains in this account is already that of %s", first.to(by.source)),
			"to install one certificate in several places, give it several [[certificate.deploy]]"))
	}
	for i, target := range certificate.Deploy {
		for format, path := range target.Files() {
			if first, taken := take(o.files, o.real.of(filepath.Clean(path)), by); taken {
				return at(fmt.Sprintf("deploy[%d].%s", i, format), fmt.Errorf("the file %s is already that of %s", path, first.to(by.source)))
			}
		}
	}
	return nil
}

// asSet is the same text for the same domains in any order.
func asSet(domains []string) string {
	if len(domains) == 1 {
		return domains[0]
	}
	return strings.Join(slices.Sorted(slices.Values(domains)), " ")
}

// take gives what is nobody's to a certificate, or says whose it is.
func take(all map[string]owner, what string, by owner) (first owner, taken bool) {
	if first, taken = all[what]; !taken {
		all[what] = by
	}
	return first, taken
}
