package agent

import (
	"context"
	"fmt"
	"math/rand/v2"
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
		tested := map[string]bool{} // by account and zone
		for _, certificate := range p.config.Certificates {
			for _, at := range p.writtenPlaces(ctx, certificate) {
				if key := at.account + " " + at.zone.Name; !tested[key] && ctx.Err() == nil {
					tested[key] = true
					findings = append(findings, p.writeFinding(ctx, certificate.Name, at))
				}
			}
		}
		return ctx.Err()
	})
	return findings, err
}

// writtenPlaces are where the certificate's record may go: where its domains
// are proved, and where a CNAME may lead. What is hosted nowhere is for
// CheckOnline to tell.
func (p *pass) writtenPlaces(ctx context.Context, certificate config.Certificate) []place {
	var places []place
	proofs, _ := p.proofs(ctx, certificate.Name, certificate.DNSAccount, certificate.Domains)
	for _, proof := range proofs {
		places = append(places, proof.place)
	}
	for _, zone := range p.config.DNS.Settings.Delegate {
		at, err := p.follow(ctx, place{account: certificate.DNSAccount}, &dnsvalidate.CNAMEError{Target: zone})
		if err == nil {
			places = append(places, at)
		}
	}
	return places
}

func (p *pass) writeFinding(ctx context.Context, certificate string, at place) Finding {
	if err := p.tryWriting(ctx, certificate, at); err != nil {
		return Finding{Subject: certificate, Err: fmt.Errorf("write test in zone %s: %w", at.zone.Name, err)}
	}
	return Finding{Subject: certificate, OK: "a TXT record can be added to zone " + at.zone.Name + " and deleted"}
}

// tryWriting adds a record and removes it, as an order does: the ledger knows
// it before the add, so that a kill leaves nothing behind for good.
func (p *pass) tryWriting(ctx context.Context, certificate string, at place) error {
	client, err := p.Client(at.account)
	if err != nil {
		return err
	}
	at.name = fmt.Sprintf("_dvagent-probe-%08x.%s", rand.Uint32(), at.zone.Name)
	at.from = at.name
	record, err := at.record("dvagent check --write-test")
	if err != nil {
		return err
	}
	note := func(kind order.Kind, r order.Record) error {
		return p.owed.Record(order.OwedRecord{At: wallClock(), Kind: kind, Certificate: certificate, Record: r})
	}
	owed := false
	presence, err := dnsvalidate.Present(ctx, client, dnsvalidate.Publication{
		Record: asValidation(record), TTL: p.config.DNS.TTL, Attempted: true,
		BeforeAdd: func() error {
			err := note(order.Adding, record)
			owed = err == nil
			return err
		},
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
