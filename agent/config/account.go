package config

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"

	"dvagent/internal/address"
	"dvagent/internal/aliyun"
	"dvagent/internal/secret"
)

func buildAccounts(config *Config, doc document) error {
	for _, name := range slices.Sorted(maps.Keys(doc.Account)) {
		key := "account." + name
		if !nameForm.MatchString(name) {
			return at(key, fmt.Errorf("the name %q is not made of a-z, 0-9, dots and hyphens", name))
		}
		account, err := buildAccount(key, doc.Account[name])
		if err != nil {
			return err
		}
		account.RequestsPerSecond = config.Limits.RequestsPerSecond
		config.Accounts[name] = account
	}
	return nil
}

func buildAccount(key string, table accountTable) (aliyun.Config, error) {
	credentials, err := buildCredentials(key, table)
	if err != nil {
		return aliyun.Config{}, err
	}
	account := aliyun.Config{
		Credentials: credentials,
		Region:      cmp.Or(table.Region, defaultRegion),
		CASEndpoint: cmp.Or(table.CASEndpoint, defaultCASEndpoint),
		DNSEndpoint: cmp.Or(table.DNSEndpoint, defaultDNSEndpoint),
		STSEndpoint: cmp.Or(table.STSEndpoint, defaultSTSEndpoint),
		CAFile:      table.CAFile,
	}
	for _, endpoint := range []struct{ key, url string }{
		{"cas_endpoint", account.CASEndpoint},
		{"dns_endpoint", account.DNSEndpoint},
		{"sts_endpoint", account.STSEndpoint},
	} {
		if err := address.CheckEndpoint(endpoint.url); err != nil {
			return aliyun.Config{}, at(key+"."+endpoint.key, err)
		}
	}
	if table.CAFile != "" {
		if err := absolute(table.CAFile); err != nil {
			return aliyun.Config{}, at(key+".ca_file", err)
		}
	}
	return account, nil
}

func buildCredentials(key string, table accountTable) (aliyun.Credentials, error) {
	var credentials aliyun.Credentials
	for _, part := range []struct {
		key                string
		into               *secret.Secret
		literal, file, env string
	}{
		{"access_key_id", &credentials.AccessKeyID, table.AccessKeyID, table.AccessKeyIDFile, table.AccessKeyIDEnv},
		{"access_key_secret", &credentials.AccessKeySecret, table.AccessKeySecret, table.AccessKeySecretFile, table.AccessKeySecretEnv},
		{"security_token", &credentials.SecurityToken, table.SecurityToken, table.SecurityTokenFile, table.SecurityTokenEnv},
	} {
		secret, err := buildSecret(key+"."+part.key, part.literal, part.file, part.env)
		if err != nil {
			return credentials, err
		}
		*part.into = secret
	}
	credentials.RAMRole, credentials.RoleARN = table.RAMRole, table.RoleARN
	return credentials, checkCredentials(key, credentials)
}

// checkCredentials refuses half a key pair, and two sources at once.
func checkCredentials(key string, c aliyun.Credentials) error {
	id, secret := !c.AccessKeyID.IsZero(), !c.AccessKeySecret.IsZero()
	switch {
	case id && !secret:
		return at(key+".access_key_secret", errors.New("is missing beside access_key_id"))
	case secret && !id:
		return at(key+".access_key_id", errors.New("is missing beside access_key_secret"))
	case !c.SecurityToken.IsZero() && !id:
		return at(key+".security_token", errors.New("stands without access_key_id"))
	case c.RAMRole != "" && id:
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
	if err := checkPrivate(file); err != nil {
		return given, at(key+"_file", fmt.Errorf("%s: %w", file, err))
	}
	return given, nil
}
