package proof

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"dvagent/internal/aliyun"
	"dvagent/internal/together"
)

// This file holds what is remembered of the records that stand at a name, so that
// what was listed a moment ago is not listed again.

// listings are what certificates have listed.
type listings struct {
	mu     sync.Mutex
	own    map[listingKey]listing
	shared map[spot]listing

	reading together.Calls[listing]
	crowds  crowds
}

func newListings() *listings {
	return &listings{own: map[listingKey]listing{}, shared: map[spot]listing{}, crowds: crowds{known: map[crowd]*many{}}}
}

// spot is where records stand.
type spot struct{ account, zone, name string }

// listingKey is a spot that a certificate's preflight has looked at.
type listingKey struct {
	certificate string
	at          spot
}

// listing is what stood at a spot.
type listing struct {
	records []aliyun.Record
	at      time.Time // when it was asked for
}

// A listing is believed for a while by the certificate whose preflight made it, and
// for a moment by all others that are proved at the same spot.
const (
	listingLives  = time.Minute
	listingShared = 10 * time.Second
)

func (l listing) stale() bool { return time.Since(l.at) >= listingShared }

// note remembers what a certificate's preflight was shown, and shares it.
func (l *listings) note(key listingKey, seen listing) {
	l.share(key.at, seen)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.own[key] = seen
}

// share keeps a listing for whomever, if it is not older than what there is.
func (l *listings) share(at spot, seen listing) {
	l.mu.Lock()
	defer l.mu.Unlock()
	maps.DeleteFunc(l.shared, func(_ spot, known listing) bool { return known.stale() })
	if known := l.shared[at]; !known.at.After(seen.at) {
		l.shared[at] = seen
	}
}

func (l *listings) recent(at spot) (listing, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	known, ok := l.shared[at]
	return known, ok && !known.stale()
}

// take returns what the certificate was shown, once, or what another one was since.
func (l *listings) take(key listingKey) (seen listing, known bool) {
	shared, known := l.recent(key.at)
	l.mu.Lock()
	defer l.mu.Unlock()
	own, ok := l.own[key]
	delete(l.own, key)
	if known || !ok || time.Since(own.at) >= listingLives {
		return shared, known
	}
	return own, true
}

// read is a recent listing, or else one that is read once for all who want it now.
func (l *listings) read(ctx context.Context, at spot, from source) (listing, error) {
	if known, ok := l.recent(at); ok {
		return known, nil
	}
	return l.reading.Do(ctx, at.account+" "+at.zone+" "+at.name, func() (listing, error) {
		if seen, listed := l.crowds.list(ctx, at, from); listed {
			return seen, nil
		}
		asked := time.Now()
		records, err := from.DescribeSubDomainRecords(ctx, at.zone, at.name, "")
		return listing{records, asked}, err
	})
}

// source lists records; *aliyun.Client does.
type source interface {
	DescribeSubDomainRecords(ctx context.Context, zone, name, recordType string) ([]aliyun.Record, error)
	DescribeDomainRecords(ctx context.Context, zone, rrKeyword, recordType string) ([]aliyun.Record, error)
}

// previewing is a client that lists by what others were shown a moment ago.
type previewing struct {
	*aliyun.Client
	zones   *Zones
	account string
	seen    listing // that was returned last
}

func (p *previewing) DescribeSubDomainRecords(ctx context.Context, zone, name, _ string) (_ []aliyun.Record, err error) {
	p.seen, err = p.zones.listings.read(ctx, spot{p.account, zone, name}, p.Client)
	return p.seen.records, err
}

// remembering is a client that answers the first listing of a name from memory:
// what was looked at right before the order, or for another one, needs no second call.
type remembering struct {
	*aliyun.Client
	zones                *Zones
	certificate, account string
	value                string // that is looked for; what shows it is read anew
	listed               bool   // memory has served
}

func (r *remembering) DescribeSubDomainRecords(ctx context.Context, zone, name, recordType string) ([]aliyun.Record, error) {
	at := spot{r.account, zone, name}
	if recordType == "" && !r.listed {
		r.listed = true
		shows := func(record aliyun.Record) bool { return record.Value == r.value }
		if known, ok := r.zones.listings.take(listingKey{r.certificate, at}); ok && !slices.ContainsFunc(known.records, shows) {
			return known.records, nil
		}
	}
	asked := time.Now()
	records, err := r.Client.DescribeSubDomainRecords(ctx, zone, name, recordType)
	if err == nil && recordType == "" {
		r.zones.listings.share(at, listing{records, asked})
	}
	return records, err
}
