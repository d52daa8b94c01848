package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"dvagent/agent/order"
	"dvagent/agent/rollout"
	"dvagent/hooks"
	"dvagent/internal/aliyun"
	"dvagent/internal/bundle"
)

// reuse keeps a certificate that the account already has, when it covers the
// names and is not due. Then nothing is ordered.
func (w *work) reuse(ctx context.Context) (bool, error) {
	rows, err := w.account(ctx, w.Account).certificates()
	if err != nil {
		return false, err
	}
	client, err := w.Client(w.Account)
	if err != nil {
		return false, err
	}
	for _, row := range rows {
		if row.Expired || !listed(row, w.order.Domains) {
			continue
		}
		b, err := w.fetch(ctx, client, row.ID)
		if err != nil {
			return false, err
		}
		if b == nil {
			continue
		}
		w.say(w.Name, string(order.Allocate), fmt.Sprintf("took certificate %d of the account, valid until %s: nothing is ordered",
			row.ID, b.Leaf.NotAfter.Format(time.DateOnly)))
		return true, w.keep(b)
	}
	return false, nil
}

// fetch returns the certificate's bundle, or nil when it does not serve.
func (w *work) fetch(ctx context.Context, client *aliyun.Client, id int64) (*bundle.Bundle, error) {
	detail, err := client.DescribeUserCertificateDetail(ctx, id)
	var api *aliyun.Error
	if errors.As(err, &api) && (api.Kind == aliyun.Malformed || api.Kind == aliyun.NotFound) {
		return nil, nil // an entry without its key, or gone meanwhile
	}
	if err != nil {
		return nil, err
	}
	b, err := bundle.Parse([]byte(detail.Cert), []byte(detail.Key))
	if err != nil || !w.fit(b) {
		return nil, nil
	}
	return b, nil
}

// fit says that the bundle can be served as it is and is not due.
func (s standing) fit(b *bundle.Bundle) bool {
	now := wallClock()
	return b.Verify(s.Domains, now) == nil && now.Before(RenewsAt(b.Leaf, s.RenewBefore, s.Name))
}

// listed says that the row names every domain, so that its detail is worth a
// call.
func listed(row aliyun.Certificate, domains []string) bool {
	names := strings.FieldsFunc(strings.ToLower(row.Sans+","+row.Common), func(r rune) bool {
		return r == ',' || r == ';' || r == ' '
	})
	for _, domain := range domains {
		_, parent, _ := strings.Cut(domain, ".")
		if !slices.Contains(names, domain) && (domain[0] == '*' || !slices.Contains(names, "*."+parent)) {
			return false
		}
	}
	return true
}

// takeOver makes the pair that the targets hold already the first version, so
// that installing dvagent on a running host buys nothing.
func (p *pass) takeOver(s standing) (standing, error) {
	held := s.heldByTargets()
	if held == nil {
		return s, nil
	}
	if err := p.install(s, held); err != nil {
		return s, err
	}
	for _, event := range []string{hooks.Issued, hooks.Deployed} { // nothing happened that a hook must know
		fact := rollout.Fact{At: wallClock(), Kind: rollout.Told, Target: event, Version: held.ID()}
		if err := s.rollout.Record(fact); err != nil {
			return s, err
		}
	}
	p.say(s.Name, "", fmt.Sprintf("took over the certificate in place, valid until %s: nothing is ordered",
		held.Leaf.NotAfter.Format(time.DateOnly)))
	return p.read(s.Certificate)
}
