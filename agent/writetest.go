package agent

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"dvagent/agent/config"
	"dvagent/agent/order"
	"dvagent/dnsvalidate"
)

// WriteTest adds a TXT record of no meaning to each zone that the certificates
// need, and deletes it. It takes the lock as the working commands do. A record
// that could not be deleted is owed, and the next pass removes it.
func (a *Agent) WriteTest(ctx context.Context, lockWait time.Duration, who string) ([]Finding, error) {
	var findings []Finding
	err := a.underLock(ctx, lockWait, who, scope{}, func(p *pass) error {
		tested := map[order.Record]bool{}
		for _, certificate := range p.config.Certificates {
			for _, at := range p.writtenZones(ctx, certificate) {
				if !tested[at] && ctx.Err() == nil {
					tested[at] = true
					findings = append(findings, p.writeFinding(ctx, certificate.Name, at))
				}
			}
		}
		return ctx.Err()
	})
	return findings, err
}

// writtenZones are the account and zone of each record that the certificate may
// need: where its domains lie, and where a CNAME may lead. What is hosted
// nowhere is for CheckOnline to tell.
func (p *pass) writtenZones(ctx context.Context, certificate config.Certificate) []order.Record {
	zones, err := p.zonesOf(ctx, certificate.DNSAccount)
	if err != nil {
		return nil
	}
	names := p.config.DNS.Delegate
	for _, domain := range certificate.Domains {
		names = append(names[:len(names):len(names)], strings.TrimPrefix(domain, "*."))
	}
	var written []order.Record
	for _, name := range names {
		if zone, _, err := zones.Find(name); err == nil {
			written = append(written, order.Record{Account: certificate.DNSAccount, Zone: zone})
		}
	}
	return written
}

func (p *pass) writeFinding(ctx context.Context, certificate string, at order.Record) Finding {
	if err := p.tryWriting(ctx, certificate, at); err != nil {
		return Finding{Subject: certificate, Err: fmt.Errorf("write test in zone %s: %w", at.Zone, err)}
	}
	return Finding{Subject: certificate, OK: "a TXT record can be added to zone " + at.Zone + " and deleted"}
}

// tryWriting adds a record and removes it, as an order does: the ledger knows
// it before the add, so that a kill leaves nothing behind for good.
func (p *pass) tryWriting(ctx context.Context, certificate string, record order.Record) error {
	client, err := p.Client(record.Account)
	if err != nil {
		return err
	}
	record.RR = fmt.Sprintf("_dvagent-probe-%08x", rand.Uint32())
	record.Name, record.Value = record.RR+"."+record.Zone, "dvagent check --write-test"
	note := func(kind order.Kind, r order.Record) error {
		return p.owed.Record(order.OwedRecord{At: wallClock(), Kind: kind, Certificate: certificate, Record: r})
	}
	owed := false
	presence, err := dnsvalidate.Present(ctx, client, asValidation(record), p.config.DNS.TTL, true, func() error {
		err := note(order.Adding, record)
		owed = err == nil
		return err
	})
	if !owed {
		return err
	}
	if record.RecordID = presence.RecordID; err == nil {
		err = note(order.Added, record)
	}
	ctx, cancel := outliving(ctx)
	defer cancel()
	if left := p.remove(ctx, record, note); left != nil {
		err = also(err, fmt.Errorf("%w; the record is still owed, and the next renew or run removes it", left))
	}
	return err
}
