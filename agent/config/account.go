package config

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"

	"dvagent/internal/address"
	"dvagent/internal/hint"
	"dvagent/internal/secret"
)

func buildAccounts(config *Config, doc document) error {
	var wrong mistakes
	perSecond, err := buildRequestsPerSecond(doc.Limits)
	wrong.add(err)
	for _, name := range slices.Sorted(maps.Keys(doc.Account)) {
		key := "account." + name
		if !IsName(name) {
			wrong.at(key, fmt.Errorf("the name %q is not made of a-z, 0-9, dots and hyphens", name))
		}
		account, err := buildAccount(key, doc.Account[name])
		wrong.add(err)
		account.RequestsPerSecond = perSecond
		config.Accounts[name] = account // also a wrong one: that certificates name it is no mistake
	}
	return wrong.err()
}

// buildRequestsPerSecond is 0 when the key is not given.
func buildRequestsPerSecond(limits limitsTable) (int, error) {
	if limits.RequestsPerSecond == nil {
		return 0, nil
	}
	return *limits.RequestsPerSecond, atLeastOne("limits.requests_per_second", *limits.RequestsPerSecond)
}

var regionForm = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-z]+(-[a-z0-9]+)+$`) })

func buildAccount(key string, table accountTable) (Account, error) {
	account := Account{
		RAMRole: table.RAMRole, RoleARN: table.RoleARN, Region: table.Region,
		CASAPI:      cmp.Or(table.CASAPI, AutoAPI),
		CASEndpoint: table.CASEndpoint, DNSEndpoint: table.DNSEndpoint, STSEndpoint: table.STSEndpoint,
		CAFile: table.CAFile,
	}
	var wrong mistakes
	if !slices.Contains(casAPIs, account.CASAPI) {
		wrong.at(key+".cas_api", noneOf(table.CASAPI, casAPIs))
	}
	if err := account.readSecrets(key, table); err != nil {
		wrong.add(err)
	} else {
		wrong.add(account.checkSecrets(key))
	}
	if account.Region != "" && !regionForm().MatchString(account.Region) {
		wrong.at(key+".region", hint.Add(fmt.Errorf("%q is not a region", account.Region), "regions are written as cn-hangzhou"))
	}
	if account.RoleARN != "" && !strings.HasPrefix(account.RoleARN, "acs:ram::") {
		wrong.at(key+".role_arn", hint.Add(fmt.Errorf("%q is not the ARN of a role", account.RoleARN), "the RAM console shows it, as acs:ram::1234567890123456:role/NAME"))
	}
	for _, endpoint := range []struct{ key, url string }{
		{"cas_endpoint", account.CASEndpoint},
		{"dns_endpoint", account.DNSEndpoint},
		{"sts_endpoint", account.STSEndpoint},
	} {
		if endpoint.url == "" {
			continue
		}
		wrong.at(key+"."+endpoint.key, address.CheckEndpoint(endpoint.url))
	}
	if account.CAFile != "" {
		wrong.at(key+".ca_file", checkRoots(account.CAFile, true))
	}
	return account, wrong.err()
}

// isOutsideOfKeys says that no access key or token has the letter.
func isOutsideOfKeys(r rune) bool { return r <= ' ' || r > '~' }

func (a *Account) readSecrets(key string, table accountTable) error {
	var wrong mistakes
	for _, part := range []struct {
		key                string
		into               *secret.Secret
		literal, file, env string
	}{
		{"access_key_id", &a.AccessKeyID, table.AccessKeyID, table.AccessKeyIDFile, table.AccessKeyIDEnv},
		{"access_key_secret", &a.AccessKeySecret, table.AccessKeySecret, table.AccessKeySecretFile, table.AccessKeySecretEnv},
		{"security_token", &a.SecurityToken, table.SecurityToken, table.SecurityTokenFile, table.SecurityTokenEnv},
	} {
		found, err := buildSecret(key+"."+part.key, part.literal, part.file, part.env)
		wrong.add(err)
		if strings.ContainsFunc(part.literal, isOutsideOfKeys) {
			wrong.at(key+"."+part.key, hint.Add(errors.New("holds white space or a sign that no access key has"), "copy it from the RAM console once more"))
		}
		*part.into = found
	}
	return wrong.err()
}

// checkSecrets refuses half a key pair, and two sources at once.
func (a *Account) checkSecrets(key string) error {
	id, secret := !a.AccessKeyID.IsZero(), !a.AccessKeySecret.IsZero()
	switch {
	case id && !secret:
		return at(key+".access_key_secret", errors.New("is missing beside access_key_id"))
	case secret && !id:
		return at(key+".access_key_id", errors.New("is missing beside access_key_secret"))
	case !a.SecurityToken.IsZero() && !id:
		return at(key+".security_token", errors.New("stands without access_key_id"))
	case a.RAMRole != "" && id:
		return at(key+".ram_role", errors.New("stands beside access_key_id: one of them is enough"))
	}
	return nil
}

// variable is what can be the name of a variable in an environment.
var variable = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`) })

// buildSecret takes a secret from at most one of its three keys. What stands under
// _file and _env is not repeated where it can be the secret itself, by mistake.
func buildSecret(key, literal, file, env string) (secret.Secret, error) {
	given := secret.Secret{Literal: literal, File: file, Env: env}
	if given.Check() != nil {
		return given, at(key, errors.New("is given more than once: choose among it, _file and _env"))
	}
	if env != "" && !variable().MatchString(env) {
		return given, at(key+"_env", hint.Add(errors.New("is not the name of an environment variable"), "it wants a name, and not the secret itself"))
	}
	if file == "" {
		return given, nil
	}
	if !filepath.IsAbs(file) {
		return given, at(key+"_file", hint.Add(errors.New("is not an absolute path"), "it wants the path of a file, from / on, and not what is in the file"))
	}
	if err := given.Reach(); err != nil && !errors.Is(err, secret.ErrNotHanded) {
		return given, at(key+"_file", fmt.Errorf("%s: %w", file, describe(err)))
	}
	return given, nil
}
