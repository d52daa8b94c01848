package account

import (
	"context"

	"dvagent/agent/issue/cas2018"
	"dvagent/agent/issue/cas2020"
	"dvagent/agent/order"
	"dvagent/agent/upload"
)

// Vault opens what an account stores for its other products, at the API that the
// account speaks.
func (a *Accounts) Vault(ctx context.Context, account string) (upload.Vault, error) {
	client, err := a.Client(account)
	if err != nil {
		return nil, err
	}
	if a.API(account) == "" {
		if _, err := a.find(ctx, account, client); err != nil {
			return nil, err
		}
	}
	if a.API(account) == order.API2018 {
		return cas2018.NewVault(client), nil
	}
	return cas2020.NewVault(client), nil
}
