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
	"sync"

	"dvagent/deploy"
	"dvagent/internal/address"
	"dvagent/internal/bundle"
	"dvagent/internal/hint"
	"dvagent/internal/spelling"
	"dvagent/internal/users"
)

var (
	nameForm     = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{0,127}$`) })
	instanceForm = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9_-]{1,128}$`) })
)

// IsName says that the text can be a certificate's name, and so a directory's.
func IsName(text string) bool { return nameForm().MatchString(text) }

func buildCertificates(config *Config, contacts map[string]Contact, owners *owners, s *source) error {
	config.Certificates = slices.Grow(config.Certificates, len(s.doc.Certificate))
	var wrong mistakes
	for i, table := range s.doc.Certificate {
		key := fmt.Sprintf("certificate[%d]", i)
		certificate, err := buildCertificate(config, contacts, owners.real, key, table)
		if err == nil {
			err = owners.checkUnique(owner{s, key}, certificate)
		}
		wrong.add(err)
		config.places[certificate.Name] = len(config.Certificates)
		config.Certificates = append(config.Certificates, certificate)
	}
	return wrong.err()
}

func buildCertificate(config *Config, contacts map[string]Contact, real realPaths, key string, table certificateTable) (Certificate, error) {
	var wrong mistakes
	wrong.at(key+".name", checkName(table.Name))
	domains, err := normaliseAll(table.Domains)
	wrong.at(key+".domains", err)
	account, err := chosen("account", table.Account, config.Accounts)
	if !table.withoutAccount(config.Fleet) {
		wrong.at(key+".account", err)
	}
	dnsAccount := account
	switch {
	case table.Webroot != "": // no zone is wanted
		dnsAccount = ""
	case table.DNSAccount != "":
		dnsAccount, err = chosen("account", table.DNSAccount, config.Accounts)
		wrong.at(key+".dns_account", err)
	}
	contact, err := chosen("contact", table.Contact, contacts)
	if !table.Follow || table.Contact != "" {
		wrong.at(key+".contact", err)
	}
	wrong.add(checkFollow(key, table))
	wrong.add(checkValidation(key, table, domains))
	for _, instance := range table.Instances {
		if !instanceForm().MatchString(instance) {
			wrong.at(key+".instances", fmt.Errorf("%q is not an instance", instance))
		}
	}
	window, err := parseWindow(cmp.Or(table.RenewBefore, defaultRenewBefore))
	wrong.at(key+".renew_before", err)
	certificate := Certificate{
		Name: table.Name, Domains: domains, Account: account, DNSAccount: dnsAccount, Webroot: table.Webroot,
		Contact: contacts[contact], Instances: table.Instances, TestInstances: table.TestInstances, Package: table.Package,
		KeyType: cmp.Or(table.KeyType, defaultKeyType), RenewBefore: window, Upload: table.Upload, Follow: table.Follow,
		FromFleet: table.Follow && !config.Fleet.Alone(),
	}
	wrong.add(checkPackage(key, certificate, config.Accounts[account]))
	if !slices.Contains(bundle.KeyTypes(), certificate.KeyType) {
		wrong.at(key+".key_type", noneOf(table.KeyType, bundle.KeyTypes()))
	}
	switch place := cmp.Or(table.PrivateKey, defaultPrivateKey); place {
	case "host", "cas":
		certificate.CloudKey = place == "cas"
	default:
		wrong.at(key+".private_key", hint.Add(fmt.Errorf("%q is neither host nor cas", place), "it says where the key is made, and not where it lies"))
	}
	for i, target := range table.Deploy {
		built, err := buildTarget(real, fmt.Sprintf("%s.deploy[%d]", key, i), domains, target)
		wrong.add(err)
		if built.KeyFormat == "pkcs1" && certificate.KeyType == "ec256" && !certificate.CloudKey && !certificate.Follow {
			wrong.at(fmt.Sprintf("%s.deploy[%d].key_format", key, i), errors.New("pkcs1 is for RSA keys, and key_type is ec256"))
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
func checkFollow(key string, table certificateTable) error {
	var wrong mistakes
	for _, one := range []struct {
		key   string
		given bool
	}{
		{"instances", len(table.Instances) > 0}, {"test_instances", table.TestInstances}, {"package", table.Package != ""},
		{"key_type", table.KeyType != ""}, {"private_key", table.PrivateKey != ""},
		{"validation", table.Validation != ""}, {"webroot", table.Webroot != ""},
	} {
		if table.Follow && one.given {
			wrong.at(key+"."+one.key, errors.New("is of no use beside follow, which orders nothing"))
		}
	}
	return wrong.err()
}

// withoutAccount says that no account is asked for anything: the fleet holds what
// the certificate follows.
func (t certificateTable) withoutAccount(fleet Fleet) bool {
	return t.Follow && !fleet.Alone() && !t.Upload && t.Account == ""
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

func buildTarget(real realPaths, key string, domains []string, table deployTable) (deploy.Target, error) {
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
	wrong.at(key+".probe_server_name", err)
	if target.ServerName = serverName; serverName == "" && len(domains) > 0 {
		target.ServerName = probeName(domains[0])
	}
	wrong.add(checkPaths(real, key, target))
	for _, probe := range table.Probe {
		wrong.at(key+".probe", hint.Add(deploy.CheckProbe(probe), addressHint(probe, "443")))
	}
	for key, name := range map[string]string{key + ".owner": table.Owner, key + ".group": table.Group} {
		if name != "" {
			wrong.at(key, hint.Add(users.Check(name), "owner and group are two keys, with one name each"))
		}
	}
	for key, argv := range map[string][]string{key + ".check": table.Check, key + ".reload": table.Reload} {
		if len(argv) > 0 {
			wrong.at(key, checkCommand(argv))
		}
	}
	switch table.KeyFormat {
	case "", "pkcs1", "pkcs8":
	default:
		wrong.at(key+".key_format", noneOf(table.KeyFormat, []string{"pkcs1", "pkcs8"}))
	}
	target.Timeout, err = optionalDuration(table.Timeout)
	wrong.at(key+".timeout", err)
	target.Mode, err = parseMode(table.Mode)
	wrong.at(key+".mode", err)
	target.KeyMode, err = parseMode(table.KeyMode)
	wrong.at(key+".key_mode", err)
	wrong.add(buildKeyStore(key, table, &target))
	return target, wrong.err()
}

// probeName is a host name that the domain covers.
func probeName(domain string) string {
	if parent, wildcard := strings.CutPrefix(domain, "*."); wildcard {
		return "www." + parent
	}
	return domain
}

func checkPaths(real realPaths, key string, target deploy.Target) error {
	var wrong mistakes
	written := map[string]bool{}
	for format, path := range target.Files() {
		found, key := path, key+"."+format
		if err := absolute(path); err != nil {
			wrong.at(key, err)
		} else if base := path[strings.LastIndexByte(path, '/')+1:]; base == "" || base == "." || base == ".." {
			wrong.at(key, fmt.Errorf("%s is a directory: add the file's name", path))
		} else if found = real.of(path); written[found] {
			wrong.at(key, fmt.Errorf("%s is written twice", path))
		}
		written[found] = true
	}
	if len(written) == 0 {
		wrong.at(key, fmt.Errorf("names no file to write (%s)", strings.Join(deploy.Formats(), ", ")))
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
		return o.key
	}
	return fmt.Sprintf("%s (%s:%d)", o.key, o.file, lineOf(places(o.text), o.key))
}

// checkUnique refuses a second owner of a name, of a file, or of a set of
// domains in one account.
func (o *owners) checkUnique(by owner, certificate Certificate) error {
	if first, taken := o.take(possession{"name", certificate.Name}, by); taken {
		return at(by.key+".name", fmt.Errorf("the name %q is already that of %s", certificate.Name, first.to(by.source)))
	}
	domains := strings.Join(slices.Sorted(slices.Values(certificate.Domains)), " ")
	if first, taken := o.take(possession{"domains", certificate.Account + " " + domains}, by); taken {
		return at(by.key+".domains", hint.Add(fmt.Errorf("the same set of domains in this account is already that of %s", first.to(by.source)),
			"to install one certificate in several places, give it several [[certificate.deploy]]"))
	}
	for i, target := range certificate.Deploy {
		for format, path := range target.Files() {
			if first, taken := o.take(possession{"file", o.real.of(path)}, by); taken {
				return at(fmt.Sprintf("%s.deploy[%d].%s", by.key, i, format), fmt.Errorf("the file %s is already that of %s", path, first.to(by.source)))
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
