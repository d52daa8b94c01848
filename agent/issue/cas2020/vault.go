package cas2020

import (
	"context"
	"crypto/x509"
	"fmt"

	"dvagent/agent/upload"
	"dvagent/internal/aliyun"
	"dvagent/internal/bundle"
)

// Vault is what the account stores, for its other products.
type Vault struct{ client *aliyun.Client }

var _ upload.Vault = Vault{}

// NewVault makes an account's.
func NewVault(client *aliyun.Client) Vault { return Vault{client} }

// List is for upload.Vault (ListCertificates).
func (v Vault) List(ctx context.Context) ([]upload.Entry, error) {
	rows, err := v.client.ListCertificates(ctx, aliyun.CertificateFilter{})
	if err != nil {
		return nil, err
	}
	entries := make([]upload.Entry, len(rows))
	for i, row := range rows {
		entries[i] = upload.Entry{Name: row.CertificateName, ID: row.CertificateID,
			Identifier: row.CertIdentifier, Fingerprint: row.Fingerprint, Keyless: !row.HasPrivateKey}
	}
	return entries, nil
}

// Holds is for upload.Vault (GetUserCertificateDetail). That the key is there,
// the list has said.
func (v Vault) Holds(ctx context.Context, e upload.Entry, leaf *x509.Certificate) (bool, error) {
	detail, err := v.client.GetUserCertificateDetail(ctx, e.ID)
	if aliyun.Is(err, aliyun.NotFound, aliyun.Malformed) {
		return false, nil
	}
	return err == nil && bundle.HasLeaf([]byte(detail.Cert), leaf), err
}

// Put is for upload.Vault (UploadUserCertificate). The answer lacks the
// identifier, which is read afterwards.
func (v Vault) Put(ctx context.Context, name string, b *bundle.Bundle) (upload.Entry, error) {
	id, err := v.client.UploadUserCertificate(ctx, name, string(b.FullchainPEM()), string(b.KeyPEM()))
	if aliyun.Is(err, aliyun.Duplicate) {
		return upload.Entry{}, fmt.Errorf("%w: %w", upload.ErrTaken, err)
	}
	if err != nil {
		return upload.Entry{}, err
	}
	detail, err := v.client.GetUserCertificateDetail(ctx, id)
	return upload.Entry{Name: name, ID: id, Identifier: detail.CertIdentifier}, err
}
