package cas2018

import (
	"context"
	"crypto/x509"
	"fmt"

	"dvagent/agent/upload"
	"dvagent/internal/aliyun"
	"dvagent/internal/bundle"
)

// Vault is what the account stores, for its other products. A certificate that
// CAS issued is there with its key.
type Vault struct{ client *aliyun.Client }

var _ upload.Vault = Vault{}

// NewVault makes an account's.
func NewVault(client *aliyun.Client) Vault { return Vault{client} }

// List is for upload.Vault (DescribeUserCertificateList).
func (v Vault) List(ctx context.Context) ([]upload.Entry, error) {
	rows, err := v.client.DescribeUserCertificateList(ctx)
	if err != nil {
		return nil, err
	}
	entries := make([]upload.Entry, len(rows))
	for i, row := range rows {
		entries[i] = upload.Entry{Name: row.Name, ID: row.ID, Fingerprint: row.Fingerprint}
	}
	return entries, nil
}

// Holds is for upload.Vault (DescribeUserCertificateDetail). An entry without
// its key cannot be read.
func (v Vault) Holds(ctx context.Context, e upload.Entry, leaf *x509.Certificate) (bool, error) {
	b, err := fetch(ctx, v.client, e.ID)
	return b != nil && b.Leaf.Equal(leaf), err
}

// Put is for upload.Vault (CreateUserCertificate).
func (v Vault) Put(ctx context.Context, name string, b *bundle.Bundle) (upload.Entry, error) {
	id, err := v.client.CreateUserCertificate(ctx, name, string(b.FullchainPEM()), string(b.KeyPEM()))
	if aliyun.Is(err, aliyun.Duplicate) {
		return upload.Entry{}, fmt.Errorf("%w: %w", upload.ErrTaken, err)
	}
	return upload.Entry{Name: name, ID: id}, err
}
