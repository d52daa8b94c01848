package proof

import (
	"context"
	"maps"
	"strings"
	"sync"
	"time"

	"dvagent/dnsvalidate"
	"dvagent/internal/aliyun"
	"dvagent/internal/together"
)

// This file holds how the records at many names of a zone are listed by one call.

// crowds are spots that are looked at at about the same time.
type crowds struct {
	mu    sync.Mutex
	known map[crowd]*many

	reading together.Calls[labelled]
}

// crowd is the spots of a zone whose names begin with the same label.
type crowd struct{ account, zone, label string }

// many is what is remembered of a crowd.
type many struct {
	asked  []time.Time // when its spots were, lately
	last   labelled
	rows   int       // of the last list
	failed time.Time // when it could not be listed
}

// labelled is what stands in a zone at all names with a label.
type labelled struct {
	at   map[string][]aliyun.Record // by the RR
	from time.Time                  // when it was asked for
}

const (
	rowsOfPage = 500         // of a list of records
	listWorth  = 2           // spots for each page of a list, that it is read for
	unreadable = time.Minute // after which a list is tried again that could not be read
)

// list is what stands at a spot, by a list that all of its crowd share, if that is worth
// it and can be had: a policy may allow to list single names alone.
func (c *crowds) list(ctx context.Context, at spot, from source) (seen listing, listed bool) {
	label := labelOf(at.name)
	if !strings.HasPrefix(label, "_") {
		return listing{}, false
	}
	of := crowd{at.account, at.zone, label}
	got, crowded := c.join(of)
	if !crowded {
		return listing{}, false
	}
	if got.at == nil {
		key := of.account + " " + of.zone + " " + of.label
		var err error
		if got, err = c.reading.Do(ctx, key, func() (labelled, error) { return c.read(ctx, of, from) }); err != nil {
			return listing{}, false
		}
	}
	return listing{got.at[strings.TrimSuffix(at.name, "."+at.zone)], got.from}, true
}

// join notes that a spot of a crowd is looked at, and says whether there are enough of
// them; known is the last list, if that is recent.
func (c *crowds) join(of crowd) (known labelled, crowded bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	maps.DeleteFunc(c.known, func(_ crowd, m *many) bool { return time.Since(m.asked[len(m.asked)-1]) > unreadable })
	m := c.known[of]
	if m == nil {
		m = &many{}
		c.known[of] = m
	}
	for len(m.asked) > 0 && time.Since(m.asked[0]) >= listingShared {
		m.asked = m.asked[1:]
	}
	m.asked = append(m.asked, time.Now())
	if !m.failed.IsZero() && time.Since(m.failed) < unreadable {
		return labelled{}, false
	}
	if time.Since(m.last.from) < listingShared {
		return m.last, true
	}
	return labelled{}, len(m.asked) > listWorth*(m.rows/rowsOfPage+1)
}

// read lists a crowd.
func (c *crowds) read(ctx context.Context, of crowd, from source) (labelled, error) {
	asked := time.Now()
	records, err := from.DescribeDomainRecords(ctx, of.zone, of.label, "")
	c.mu.Lock()
	defer c.mu.Unlock()
	m := c.known[of]
	if m == nil { // it took so long that nobody asks any more
		m = &many{asked: []time.Time{asked}}
		c.known[of] = m
	}
	if err != nil {
		m.failed = time.Now()
		return labelled{}, err
	}
	m.last, m.rows, m.failed = labelled{dnsvalidate.ByRR(records), asked}, len(records), time.Time{}
	return m.last, nil
}
