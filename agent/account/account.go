// Package account opens the configured accounts: a client, an issuer and a vault
// for each. It calls nothing itself, but for one list of instances, to find out
// which API an account speaks.
package account

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"dvagent/agent/config"
	"dvagent/agent/issue"
	"dvagent/agent/issue/cas2018"
	"dvagent/agent/issue/cas2020"
	"dvagent/agent/order"
	"dvagent/agent/state"
	"dvagent/internal/aliyun"
	"dvagent/internal/hint"
)

// Accounts are those of a configuration. They are safe for concurrent use.
type Accounts struct {
	config  map[string]config.Account
	clients map[string]*aliyun.Client

	finding sync.Mutex // one at a time asks for the API

	mu   sync.Mutex
	apis map[string]string // that the accounts turned out to speak
}

// Open makes a client for each account, which tells the host's observer of its
// calls.
func Open(host *state.Host) (*Accounts, error) {
	a := &Accounts{config: host.Config.Accounts, clients: map[string]*aliyun.Client{}, apis: map[string]string{}}
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
		CAFile: a.CAFile, RequestsPerSecond: a.RequestsPerSecond, Observe: observe, Away: issue.Away, Urgent: issue.Urgent,
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

// Issuer makes a shop's issuer for a pass: an issue.Package where it names one,
// else an issue.Catalogue.
func (a *Accounts) Issuer(ctx context.Context, s issue.Shop) (issue.Issuer, error) {
	if s.Package == "" {
		return a.Catalogue(ctx, s.Account, s.API)
	}
	client, err := a.Client(s.Account)
	if err != nil {
		return nil, err
	}
	return cas2020.NewPackage(client, s.Package), nil
}

// Catalogue is the account's at the API that an order is bound to or, without
// one, at the account's own.
func (a *Accounts) Catalogue(ctx context.Context, account, api string) (issue.Catalogue, error) {
	client, err := a.Client(account)
	if err != nil {
		return nil, err
	}
	if api == "" {
		if api = a.API(account); api == "" {
			return a.find(ctx, account, client)
		}
	}
	if api == order.API2018 {
		return cas2018.New(client), nil
	}
	return cas2020.New(client, nil), nil
}

// API is the version of CAS's API that the account is configured to speak, or
// was found to; "" while that is not known.
func (a *Accounts) API(account string) string {
	if api := a.config[account].CASAPI; api != "" && api != config.AutoAPI {
		return api
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.apis[account]
}

// find asks for the newer API, and takes the older one only where the server
// says that it does not have the newer one: a refused permission, a failure or
// silence decides nothing. The answer is kept for the life of the process.
func (a *Accounts) find(ctx context.Context, account string, client *aliyun.Client) (issue.Catalogue, error) {
	a.finding.Lock()
	defer a.finding.Unlock()
	if api := a.API(account); api != "" { // another one has asked meanwhile
		return a.Catalogue(ctx, account, api)
	}
	listed, err := cas2020.Instances(ctx, client)
	unknown := aliyun.Is(err, aliyun.VersionUnknown)
	if err != nil && !unknown {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if unknown {
		a.apis[account] = order.API2018
		return cas2018.New(client), nil
	}
	a.apis[account] = cas2020.API
	return cas2020.New(client, listed), nil
}
