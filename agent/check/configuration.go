package check

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"regexp"
	"strings"
	"sync"

	"dvagent/agent/config"
	"dvagent/internal/bundle"
	"dvagent/internal/hint"
	"dvagent/internal/openat"
	"dvagent/notify"
)

// configuration looks for what is written as it may be and likely not meant.
func (c *Check) configuration() []Finding {
	var findings []Finding
	if len(c.whole.Certificates) == 0 {
		findings = append(findings, warning("configuration", errors.New("no certificate is configured: there is nothing to do"),
			"add a table [[certificate]], as in agent.toml.example"))
	}
	findings = append(findings, passedOver(config.MoreDir(c.whole.Path))...)
	findings = append(findings, c.contacts()...)
	return append(findings, checkPair(c.whole.Service)...)
}

func warning(subject string, err error, advice string) Finding {
	return Finding{Subject: subject, Warning: true, Err: hint.Add(err, advice)}
}

// setAside is how files are called that nobody wants to be read.
var setAside = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^\.|~$|\.(bak|old|orig|save|swp|off|disabled|md|example|dpkg-[a-z]+|rpm[a-z]+)$`)
})

// passedOver names the files beside those that are read.
func passedOver(dir string) []Finding {
	open, err := openat.Open(dir)
	if err != nil {
		return nil // loading has said so, where it is there
	}
	defer open.Close()
	names, _ := open.Names() // as before
	var findings []Finding
	for _, name := range names {
		if filepath.Ext(name) != ".toml" && !setAside().MatchString(name) {
			path := filepath.Join(dir, name)
			findings = append(findings, warning("configuration", fmt.Errorf("%s is not read: its name does not end in .toml", path),
				fmt.Sprintf("mv %s %s.toml", path, strings.TrimSuffix(path, filepath.Ext(path)))))
		}
	}
	return findings
}

// phone is a number with its blanks, as people write it; with a country's code.
var phone = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^\+?[0-9][0-9 -]{5,18}[0-9]$`) })

// contacts looks at those of the certificates, each once.
func (c *Check) contacts() []Finding {
	var findings []Finding
	seen := map[config.Contact]bool{{}: true}
	for _, certificate := range c.host.Config.Certificates {
		contact := certificate.Contact
		if seen[contact] {
			continue
		}
		seen[contact] = true
		if err := notify.CheckAddress(contact.Email); err != nil {
			findings = append(findings, warning(certificate.Name, fmt.Errorf("its contact: email: %w", err), "the CA writes there"))
		}
		if !phone().MatchString(contact.Mobile) {
			findings = append(findings, warning(certificate.Name, fmt.Errorf("its contact: mobile: %q is not a phone number", contact.Mobile), "the CA may call there"))
		}
	}
	return findings
}

// checkPair looks at the pair that the page is served with. One that is not there
// yet may be one that dvagent is to order.
func checkPair(s config.Service) []Finding {
	if s.TLSCert == "" {
		return nil
	}
	cert, err := openat.ReadFile(s.TLSCert, bundle.MaxBytes)
	var key openat.File
	if err == nil {
		key, err = openat.ReadPrivate(s.TLSKey, bundle.MaxBytes)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return []Finding{warning("service", fmt.Errorf("%s is not served yet: %w", s.Listen, err), "the page is there once tls_cert and tls_key are")}
	}
	if err == nil {
		_, err = bundle.KeyID(key.Data) // which bounds it
	}
	if err == nil {
		_, err = tls.X509KeyPair(cert.Data, key.Data)
	}
	if err != nil {
		return []Finding{{Subject: "service", Err: hint.Add(fmt.Errorf("%s cannot be served: %w", s.Listen, err), "correct tls_cert and tls_key in [service]")}}
	}
	return []Finding{{Subject: "service", OK: s.TLSCert + " and " + s.TLSKey + " fit"}}
}
