package cas2020

import (
	"context"
	"iter"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"dvagent/agent/issue"
	"dvagent/internal/aliyun"
	"dvagent/internal/bundle"
)

// storedOnce lists the account's certificates when they are first wanted
// (ListCertificates).
func storedOnce(client *aliyun.Client) func(context.Context) ([]aliyun.ListedCertificate, error) {
	var once sync.Once
	var rows []aliyun.ListedCertificate
	var err error
	return func(ctx context.Context) ([]aliyun.ListedCertificate, error) {
		once.Do(func() { rows, err = client.ListCertificates(ctx, aliyun.CertificateFilter{}) })
		return rows, err
	}
}

// Stored yields the account's certificates of which CAS has the key, be it that
// it made it or that a pair was uploaded. The detail of a row is read where the
// row itself leaves no doubt (GetUserCertificateDetail).
func (i *Issuer) Stored(ctx context.Context, names []string, after time.Time) iter.Seq2[issue.Stored, error] {
	return func(yield func(issue.Stored, error) bool) {
		rows, err := i.stored(ctx)
		if err != nil {
			yield(issue.Stored{}, err)
			return
		}
		latest := func(a, b aliyun.ListedCertificate) int { return b.NotAfter.Compare(a.NotAfter) }
		for _, row := range slices.SortedStableFunc(slices.Values(rows), latest) {
			if !serves(row, names, after) {
				continue
			}
			b, err := i.pair(ctx, row.CertificateID)
			if err == nil && b == nil {
				continue
			}
			if !yield(issue.Stored{ID: strconv.FormatInt(row.CertificateID, 10), Sold: sold(row), Bundle: b}, err) {
				return
			}
		}
	}
}

// serves says that the row has a key, names every domain, and ends after a time.
func serves(row aliyun.ListedCertificate, domains []string, after time.Time) bool {
	names := strings.Fields(strings.ToLower(row.CommonName + " " + strings.Join(row.Domains, " ")))
	unnamed := func(domain string) bool { return !bundle.CoversName(names, domain) }
	return row.HasPrivateKey && row.Status.Valid() && row.NotAfter.After(after) && !slices.ContainsFunc(domains, unnamed)
}

// pair returns nil for an entry that has no key, cannot be read or is gone
// meanwhile.
func (i *Issuer) pair(ctx context.Context, id int64) (*bundle.Bundle, error) {
	detail, err := i.client.GetUserCertificateDetail(ctx, id)
	if aliyun.Is(err, aliyun.Malformed, aliyun.NotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	b, _ := bundle.Parse([]byte(detail.Cert), []byte(detail.Key))
	return b, nil
}
