package cas2020

import (
	"context"
	"crypto/x509"
	"strings"

	"dvagent/internal/aliyun"
	"dvagent/internal/bundle"
)

// Sold is for issue.Seller (ListCertificates, which is read once; where a row
// does not tell its fingerprint, GetUserCertificateDetail).
func (i *Issuer) Sold(ctx context.Context, leaf *x509.Certificate) (bool, error) {
	rows, err := i.stored(ctx)
	if err != nil {
		return false, err
	}
	return anySold(ctx, i.client, rows, leaf)
}

// Sold is for issue.Seller, as of the account's instances.
func (p *Package) Sold(ctx context.Context, leaf *x509.Certificate) (bool, error) {
	rows, err := p.client.ListCertificates(ctx, aliyun.CertificateFilter{})
	if err != nil {
		return false, err
	}
	return anySold(ctx, p.client, rows, leaf)
}

func anySold(ctx context.Context, client *aliyun.Client, rows []aliyun.ListedCertificate, leaf *x509.Certificate) (bool, error) {
	for _, row := range rows {
		switch {
		case !sold(row):
		case strings.EqualFold(row.Fingerprint, bundle.SHA1(leaf)):
			return true, nil
		case row.Fingerprint == "" && row.NotAfter.Equal(leaf.NotAfter):
			detail, err := client.GetUserCertificateDetail(ctx, row.CertificateID)
			if err != nil && !aliyun.Is(err, aliyun.Malformed, aliyun.NotFound) {
				return false, err
			}
			if err == nil && bundle.HasLeaf([]byte(detail.Cert), leaf) {
				return true, nil
			}
		}
	}
	return false, nil
}

// sold says that a row is no upload.
func sold(row aliyun.ListedCertificate) bool {
	return strings.EqualFold(row.Source, "BUY") || strings.EqualFold(row.Source, "TEST")
}
