package config

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"dvagent/internal/address"
	"dvagent/internal/secret"
)

func buildAccounts(config *Config, doc document) error {
	perSecond, err := buildRequestsPerSecond(doc.Limits)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(doc.Account)) {
		key := "account." + name
		if !nameForm.MatchString(name) {
			return at(key, fmt.Errorf("the name %q is not made of a-z, 0-9, dots and hyphens", name))
		}
		account, err := buildAccount(key, doc.Account[name])
		if err != nil {
			return err
		}
		account.RequestsPerSecond = perSecond
		config.Accounts[name] = account
	}
	return nil
}

// buildRequestsPerSecond is 0 when the key is not given.
func buildRequestsPerSecond(limits limitsTable) (int, error) {
	if limits.RequestsPerSecond == nil {
		return 0, nil
	}
	return *limits.RequestsPerSecond, atLeastOne("limits.requests_per_second", *limits.RequestsPerSecond)
}

func buildAccount(key string, table accountTable) (Account, error) {
	account := Account{
		RAMRole: table.RAMRole, RoleARN: table.RoleARN, Region: table.Region,
		CASAPI:      cmp.Or(table.CASAPI, AutoAPI),
		CASEndpoint: table.CASEndpoint, DNSEndpoint: table.DNSEndpoint, STSEndpoint: table.STSEndpoint,
		CAFile: table.CAFile,
	}
	if known := append([]string{AutoAPI}, APIs...); !slices.Contains(known, account.CASAPI) {
		return account, at(key+".cas_api", fmt.Errorf("%q is none of %s", table.CASAPI, strings.Join(known, ", ")))
	}
	if err := account.readSecrets(key, table); err != nil {
		return account, err
	}
	if err := account.checkSecrets(key); err != nil {
		return account, err
	}
	for _, endpoint := range []struct{ key, url string }{
		{"cas_endpoint", account.CASEndpoint},
		{"dns_endpoint", account.DNSEndpoint},
		{"sts_endpoint", account.STSEndpoint},
	} {
		if endpoint.url == "" {
			continue
		}
		if err := address.CheckEndpoint(endpoint.url); err != nil {
			return account, at(key+"."+endpoint.key, err)
		}
	}
	if account.CAFile != "" {
		if err := absolute(account.CAFile); err != nil {
			return account, at(key+".ca_file", err)
		}
	}
	return account, nil
}

func (a *Account) readSecrets(key string, table accountTable) error {
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
		if err != nil {
			return err
		}
		*part.into = found
	}
	return nil
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

// buildSecret takes a secret from at most one of its three keys.
func buildSecret(key, literal, file, env string) (secret.Secret, error) {
	given := secret.Secret{Literal: literal, File: file, Env: env}
	if given.Check() != nil {
		return given, at(key, errors.New("is given more than once: choose among it, _file and _env"))
	}
	if file == "" {
		return given, nil
	}
	if err := absolute(file); err != nil {
		return given, at(key+"_file", err)
	}
	if err := given.Reach(); err != nil && !errors.Is(err, secret.ErrNotHanded) {
		return given, at(key+"_file", fmt.Errorf("%s: %w", file, describe(err)))
	}
	return given, nil
}
