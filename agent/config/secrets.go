package config

import (
	"fmt"

	"dvagent/internal/secret"
)

// Secrets are all that are given, by the keys that they belong to.
func (c *Config) Secrets() map[string]secret.Secret {
	all := map[string]secret.Secret{}
	add := func(key string, s secret.Secret) {
		if !s.IsZero() {
			all[key] = s
		}
	}
	for name, a := range c.Accounts {
		add("account."+name+".access_key_id", a.AccessKeyID)
		add("account."+name+".access_key_secret", a.AccessKeySecret)
		add("account."+name+".security_token", a.SecurityToken)
	}
	for i, n := range c.Notify {
		add(fmt.Sprintf("notify[%d].url", i), n.URL)
		add(fmt.Sprintf("notify[%d].secret", i), n.Secret)
		add(fmt.Sprintf("notify[%d].password", i), n.Mail.Password)
	}
	add("service.token", c.Service.Token)
	add("fleet.password", c.Fleet.Password)
	add("fleet.identity_file", c.Fleet.Identity)
	add("fleet.key_file", c.Fleet.Key)
	for _, certificate := range c.Certificates {
		for _, target := range certificate.Deploy {
			if !target.Password.IsZero() { // most have none
				add(fmt.Sprintf("%s: password of %s", certificate.Name, target), target.Password)
			}
		}
	}
	return all
}
