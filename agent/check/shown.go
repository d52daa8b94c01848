package check

import (
	"fmt"
	"time"

	"dvagent/internal/bundle"
	"dvagent/internal/hint"
	"dvagent/internal/words"
)

// shown looks at the dates of the certificates that dvagent itself shows to others, and
// does not renew as such: one that has ended is refused, in words that do not say so.
func (c *Check) shown(now time.Time) []Finding {
	etcd := dated("fleet.cert_file", c.host.Config.Fleet.CertFile, "get another one of the CA of etcd: without it this host takes no part in the fleet", now)
	cert := c.host.Config.Service.TLSCert
	if _, err := leafIn(cert); err != nil { // configuration tells
		return etcd
	}
	page := dated("service.tls_cert", cert, "put another pair there: browsers trust no page that shows this one", now)
	for i := range page {
		page[i].Warning = page[i].Err != nil // nothing but the page depends on it
	}
	return append(etcd, page...)
}

// dated looks at the dates of the certificate in a file that is configured as subject; "" is
// none. renew is what to do when it has ended.
func dated(subject, path, renew string, now time.Time) []Finding {
	if path == "" {
		return nil
	}
	leaf, err := leafIn(path)
	switch {
	case err != nil:
		return []Finding{{Subject: subject, Err: err}}
	case now.After(leaf.NotAfter):
		return []Finding{{Subject: subject, Err: hint.Add(fmt.Errorf("%s expired on %s", path, words.Date(leaf.NotAfter)), renew)}}
	case now.Before(leaf.NotBefore):
		return []Finding{{Subject: subject, Err: hint.Add(fmt.Errorf("%s is not valid before %s", path, words.Minute(leaf.NotBefore)), "see whether the clock of this host is right")}}
	case !now.Before(bundle.LastTenth(leaf.NotBefore, leaf.NotAfter)):
		return []Finding{{Subject: subject, Warning: true, Err: hint.Add(fmt.Errorf("%s ends on %s", path, words.Date(leaf.NotAfter)), renew)}}
	}
	return []Finding{{Subject: subject, OK: fmt.Sprintf("%s is valid until %s", path, words.Date(leaf.NotAfter))}}
}
