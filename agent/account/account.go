// Package account opens the configured accounts: a client for each, and the
// issuer that sells its certificates. It calls nothing itself.
package account

import (
	"errors"
	"fmt"
	"strings"

	"dvagent/agent/config"
	"dvagent/agent/issue"
	"dvagent/agent/issue/cas2018"
	"dvagent/agent/state"
	"dvagent/internal/aliyun"
	"dvagent/internal/hint"
)

// Accounts are those of a configuration. They are safe for concurrent use.
type Accounts struct {
	clients map[string]*aliyun.Client
}

// Open makes a client for each account, which tells the host's observer of its
// calls.
func Open(host *state.Host) (*Accounts, error) {
	a := &Accounts{clients: map[string]*aliyun.Client{}}
	for name, account := range host.Config.Accounts {
		client, err := aliyun.New(settings(account, func(call aliyun.Call) {
			host.Alive()
			host.Observe(state.Call{Account: name, API: call.API, Operation: call.Operation, Duration: call.Duration,
				Failure: failure(call.Err)})
		}))
		if err != nil {
			return nil, fmt.Errorf("account %s: %w", name, err)
		}
		a.clients[name] = client
	}
	return a, nil
}

func settings(a config.Account, observe func(aliyun.Call)) aliyun.Config {
	return aliyun.Config{
		Credentials: aliyun.Credentials{
			AccessKeyID: a.AccessKeyID, AccessKeySecret: a.AccessKeySecret, SecurityToken: a.SecurityToken,
			RAMRole: a.RAMRole, RoleARN: a.RoleARN,
		},
		Region:      a.Region,
		CASEndpoint: a.CASEndpoint, DNSEndpoint: a.DNSEndpoint, STSEndpoint: a.STSEndpoint,
		CAFile: a.CAFile, RequestsPerSecond: a.RequestsPerSecond, Observe: observe,
	}
}

// failure is the kind of a call's error, in a word, or "".
func failure(err error) string {
	var failed *aliyun.Error
	if !errors.As(err, &failed) {
		return ""
	}
	return strings.ToLower(failed.Kind.String())
}

// Client returns an account's client. A journal may name an account that is
// gone from the configuration.
func (a *Accounts) Client(account string) (*aliyun.Client, error) {
	if client := a.clients[account]; client != nil {
		return client, nil
	}
	return nil, hint.Add(fmt.Errorf("the account %q is not configured", account),
		fmt.Sprintf("put [account.%s] back until its order has ended", account))
}

// Issuer makes the issuer of an account, for a pass.
func (a *Accounts) Issuer(account string) (issue.Issuer, error) {
	client, err := a.Client(account)
	if err != nil {
		return nil, err
	}
	return cas2018.New(client), nil
}
