package config

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"time"

	"dvagent/internal/address"
	"dvagent/internal/hint"
	"dvagent/internal/secret"
)

// shortestInterval keeps the service from looking at nothing else.
const shortestInterval = time.Second

func buildService(config *Config, doc document) error {
	var wrong mistakes
	interval, err := ParseDuration(doc.Service.Interval)
	if err == nil && interval < shortestInterval {
		err = fmt.Errorf("%s is less than %s", interval, shortestInterval)
	}
	wrong.at("service.interval", err)
	token, err := buildToken(doc.Service)
	wrong.add(err)
	config.Service = Service{Interval: interval, Listen: doc.Service.Listen,
		TLSCert: doc.Service.TLSCert, TLSKey: doc.Service.TLSKey, Token: token}
	wrong.add(checkPair(config.Service))
	if len(wrong) == 0 {
		wrong.add(checkListen(doc.Service))
	}
	if config.Service.Listen != "" {
		config.Service.Listen, err = hostPort(config.Service.Listen, "9321")
		wrong.at("service.listen", err)
	}
	if len(wrong) == 0 && config.Service.Listen != "" {
		wrong.add(checkReach(config.Service))
	}
	return wrong.err()
}

// checkListen refuses what only a listener has a use for.
func checkListen(table serviceTable) error {
	var wrong mistakes
	for _, one := range []struct {
		key   string
		given bool
	}{
		{"tls_cert", table.TLSCert != ""}, {"tls_key", table.TLSKey != ""}, {"token", table.Token+table.TokenFile+table.TokenEnv != ""},
	} {
		if table.Listen == "" && one.given {
			wrong.at("service."+one.key, errors.New("is of no use without listen"))
		}
	}
	return wrong.err()
}

// shortestToken keeps a token from being guessed.
const shortestToken = 16

func buildToken(table serviceTable) (secret.Secret, error) {
	const key = "service.token"
	token, err := buildSecret(key, table.Token, table.TokenFile, table.TokenEnv)
	if err != nil || token.IsZero() {
		return token, err
	}
	text, err := token.Resolve()
	if errors.Is(err, secret.ErrNotHanded) {
		return token, nil
	}
	if err != nil {
		return token, at(key, err)
	}
	if len(text) < shortestToken {
		return token, at(key, hint.Add(fmt.Errorf("is shorter than %d characters and can be guessed", shortestToken),
			"openssl rand -hex 16 makes one"))
	}
	return token, nil
}

// checkPair refuses half a pair. Its files may not be there yet: the pair may
// be one that dvagent is to order.
func checkPair(s Service) error {
	switch {
	case s.TLSCert == "" && s.TLSKey == "":
		return nil
	case s.TLSKey == "":
		return at("service.tls_key", errors.New("is missing beside tls_cert"))
	case s.TLSCert == "":
		return at("service.tls_cert", errors.New("is missing beside tls_key"))
	}
	if err := absolute(s.TLSCert); err != nil {
		return at("service.tls_cert", err)
	}
	if err := absolute(s.TLSKey); err != nil {
		return at("service.tls_key", err)
	}
	if err := checkPrivate(s.TLSKey); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return at("service.tls_key", fmt.Errorf("%s: %w", s.TLSKey, err))
	}
	return nil
}

// checkReach wants more of an address that other hosts could reach.
func checkReach(s Service) error {
	if s.OnLoopback() || s.TLSCert != "" && !s.Token.IsZero() {
		return nil
	}
	return at("service.listen", hint.Add(fmt.Errorf("%q is not a loopback address, and wants tls_cert, tls_key and a token", s.Listen),
		"add them below [service], or listen at 127.0.0.1"))
}

// OnLoopback says that only this host can reach Listen.
func (s Service) OnLoopback() bool {
	host, _, _ := net.SplitHostPort(s.Listen)
	return address.IsLoopback(host)
}
