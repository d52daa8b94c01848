package check

import (
	"context"
	"errors"
	"fmt"

	"dvagent/agent/config"
	"dvagent/agent/issue"
	"dvagent/agent/state"
	"dvagent/internal/hint"
)

// stock looks at the package that a certificate is ordered from.
func (c *Check) stock(ctx context.Context, certificate config.Certificate) []Finding {
	subject := certificate.Name
	issuer, err := c.accounts.Issuer(ctx, issue.Shop{Account: certificate.Account, Package: certificate.Package})
	if err != nil {
		return []Finding{{Subject: subject, Err: err}}
	}
	stock, err := issuer.(issue.Package).Stock(ctx, config.WithoutParents(certificate.Domains))
	if err != nil {
		return []Finding{{Subject: subject, Err: err}}
	}
	text := fmt.Sprintf("package %s: %d of %d certificates taken", certificate.Package, stock.Used, stock.Total)
	if stock.Used < stock.Total {
		return []Finding{{Subject: subject, OK: text}}
	}
	return []Finding{{Subject: subject, Warning: true, Err: hint.Add(errors.New(text),
		state.PackageHint+" of "+subject)}}
}
