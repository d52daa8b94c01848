package config

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"

	"dvagent/internal/address"
	"dvagent/internal/hint"
	"dvagent/internal/secret"
)

// Fleet is [fleet]: hosts that share certificates through etcd.
type Fleet struct {
	Etcd     []string      // https://host:port, or http:// to loopback; none: this host alone
	CAFile   string        // absolute; "": the roots of this host
	CertFile string        // what this host shows to etcd; "": nothing
	Key      secret.Secret // that goes with it
	Username string
	Password secret.Secret
	Prefix   string        // of all keys; it begins and ends with a slash
	Identity secret.Secret // the file with the age identity that all hosts of the fleet have
	Canaries int           // so many hosts serve a new version before the others install it
}

// Alone says that this host shares nothing.
func (f Fleet) Alone() bool { return len(f.Etcd) == 0 }

var prefixForm = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^(/[A-Za-z0-9._-]+)+/$`) })

// mostPrefix is how long the prefix may be.
const mostPrefix = 200

func buildFleet(config *Config, doc document) error {
	table := doc.Fleet
	if table.Etcd == nil {
		return nil
	}
	fleet := Fleet{Etcd: slices.Clone(table.Etcd), CAFile: table.CAFile, CertFile: table.CertFile,
		Username: table.Username, Prefix: strings.TrimRight(table.Prefix, "/") + "/", Canaries: table.Canaries}
	var wrong mistakes
	wrong.at("fleet.etcd", checkEtcd(fleet.Etcd))
	var err error
	fleet.Key, err = buildSecret("fleet.key", "", table.KeyFile, "")
	wrong.add(err)
	wrong.add(checkFiles(table))
	fleet.Password, err = buildSecret("fleet.password", table.Password, table.PasswordFile, table.PasswordEnv)
	wrong.add(err)
	switch given := !fleet.Password.IsZero(); {
	case given && fleet.Username == "":
		wrong.at("fleet.username", errors.New("is missing beside password"))
	case err == nil && !given && fleet.Username != "":
		wrong.at("fleet.password", errors.New("is missing beside username"))
	}
	if !prefixForm().MatchString(fleet.Prefix) || len(fleet.Prefix) > mostPrefix {
		wrong.at("fleet.prefix", hint.Add(fmt.Errorf("%.80q is not a prefix of keys", table.Prefix),
			fmt.Sprintf("write it as %s: names of letters, digits, dots and hyphens between slashes", newDocument().Fleet.Prefix)))
	}
	if table.Canaries < 0 {
		wrong.at("fleet.canaries", fmt.Errorf("%d is less than 0", table.Canaries))
	}
	fleet.Identity, err = buildIdentity(table.IdentityFile)
	wrong.add(err)
	config.Fleet = fleet
	return wrong.err()
}

// checkEtcd judges where etcd answers. Traffic beyond this host is by TLS.
func checkEtcd(endpoints []string) error {
	if len(endpoints) == 0 {
		return hint.Add(errors.New("is missing"), "name the members of the cluster, such as [\"https://10.0.0.1:2379\"]")
	}
	const example = "https://10.0.0.1:2379"
	var wrong mistakes
	for i, text := range endpoints {
		err := address.CheckURL(text, "an address of etcd", example)
		if u, _ := url.Parse(text); err == nil && (u.Port() == "" || strings.Trim(u.Path, "/") != "" || strings.ContainsAny(text, "?#")) {
			err = fmt.Errorf("an address of etcd is a scheme, a host and a port, such as %s", example)
		}
		if err != nil && len(endpoints) > 1 {
			err = hint.Add(fmt.Errorf("number %d: %w", i+1, err), hint.Of(err))
		}
		wrong.add(err)
		endpoints[i] = strings.TrimRight(text, "/")
	}
	plain := func(text string) bool { return strings.HasPrefix(text, "http://") }
	mixed := slices.ContainsFunc(endpoints, func(text string) bool { return plain(text) != plain(endpoints[0]) })
	if len(wrong) == 0 && mixed {
		wrong.add(errors.New("some addresses begin with https://, and some with http://"))
	}
	return wrong.err()
}

// checkFiles judges what goes with TLS, but for the key.
func checkFiles(table fleetTable) error {
	var wrong mistakes
	if table.CAFile != "" {
		wrong.at("fleet.ca_file", checkRoots(table.CAFile, false))
	}
	if table.CertFile != "" {
		_, err := plainFile(table.CertFile)
		wrong.at("fleet.cert_file", err)
	}
	switch {
	case table.CertFile != "" && table.KeyFile == "":
		wrong.at("fleet.key_file", errors.New("is missing beside cert_file"))
	case table.CertFile == "" && table.KeyFile != "":
		wrong.at("fleet.cert_file", errors.New("is missing beside key_file"))
	}
	return wrong.err()
}

// buildIdentity takes the file with the identity. It is a secret.
func buildIdentity(path string) (secret.Secret, error) {
	const key = "fleet.identity"
	if path == "" {
		return secret.Secret{}, at(key+"_file", hint.Add(errors.New("is missing"), keygen("/etc/dvagent/fleet.key")))
	}
	identity, err := buildSecret(key, "", path, "")
	if missing := (*Error)(nil); errors.Is(err, fs.ErrNotExist) && errors.As(err, &missing) {
		missing.Hint = keygen(path)
	}
	return identity, err
}

// keygen is how an identity comes to be.
func keygen(path string) string {
	return fmt.Sprintf("dvagent fleet keygen %s makes one, on one host; copy it to the others", path)
}
