// Package account holds the clients of the configured accounts, one for each
// name. It calls nothing by itself and does not choose among them.
package account

import (
	"fmt"

	"dvagent/agent/config"
	"dvagent/internal/aliyun"
	"dvagent/internal/hint"
)

// Accounts are the clients by the names of their accounts. They are safe for
// concurrent use.
type Accounts struct {
	clients map[string]*aliyun.Client
}

// Open makes a client for each account and contacts nothing. observe is told
// of every call, from any goroutine.
func Open(accounts map[string]config.Account, observe func(account string, call aliyun.Call)) (*Accounts, error) {
	opened := &Accounts{clients: map[string]*aliyun.Client{}}
	for name, account := range accounts {
		settings := settingsOf(account)
		settings.Observe = func(call aliyun.Call) { observe(name, call) }
		client, err := aliyun.New(settings)
		if err != nil {
			return nil, fmt.Errorf("account %s: %w", name, err)
		}
		opened.clients[name] = client
	}
	return opened, nil
}

func settingsOf(a config.Account) aliyun.Config {
	return aliyun.Config{
		Credentials: aliyun.Credentials{
			AccessKeyID: a.AccessKeyID, AccessKeySecret: a.AccessKeySecret, SecurityToken: a.SecurityToken,
			RAMRole: a.RAMRole, RoleARN: a.RoleARN,
		},
		Region:            a.Region,
		CASEndpoint:       a.CASEndpoint,
		DNSEndpoint:       a.DNSEndpoint,
		STSEndpoint:       a.STSEndpoint,
		CAFile:            a.CAFile,
		RequestsPerSecond: a.RequestsPerSecond,
	}
}

// Client returns the account's client. A journal may name an account that is
// gone from the configuration.
func (a *Accounts) Client(name string) (*aliyun.Client, error) {
	if client := a.clients[name]; client != nil {
		return client, nil
	}
	return nil, hint.Add(fmt.Errorf("the account %q is not configured", name),
		fmt.Sprintf("put [account.%s] back until its order has ended", name))
}
