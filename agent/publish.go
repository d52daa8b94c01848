package agent

import (
	"context"
	"fmt"

	"dvagent/agent/order"
	"dvagent/dnsvalidate"
)

// present publishes the validation record as soon as the challenge is known.
func (w *work) present(ctx context.Context) (verdict, error) {
	if w.order.Challenge == nil {
		next, err := w.look(ctx)
		if err != nil || w.order.Step() != order.Present || w.order.Challenge != nil {
			return advance, err
		}
		return w.patient(next, "the CA's challenge")
	}
	record, presence, err := w.publish(ctx)
	if err != nil {
		return advance, err
	}
	record.RecordID = presence.RecordID
	if !presence.Ours {
		w.say(w.Name, string(order.Present), "the TXT record is already there: it is left to whoever made it")
		return advance, w.recordBoth(order.Kept, record)
	}
	w.say(w.Name, string(order.Present), fmt.Sprintf("wrote the TXT record %s in zone %s", record.Name, record.Zone))
	return advance, w.recordBoth(order.Added, record)
}

// publish writes the record at the challenge's name, or where the CNAMEs that
// stand there lead.
func (w *work) publish(ctx context.Context) (record order.Record, presence dnsvalidate.Presence, err error) {
	at, err := w.placeOf(ctx, w.order.DNSAccount, w.order.Challenge.Name)
	if err != nil {
		return record, presence, err
	}
	err = w.following(ctx, at, func(at place) (err error) {
		if record, err = at.record(w.order.Challenge.Value); err == nil {
			presence, err = w.publishAt(ctx, record)
		}
		return err
	})
	return record, presence, err
}

func (w *work) publishAt(ctx context.Context, record order.Record) (dnsvalidate.Presence, error) {
	client, err := w.Client(record.Account)
	if err != nil {
		return dnsvalidate.Presence{}, err
	}
	provider := remembering{client, w.looksOf(w.Name).listings}
	attempted := w.order.Asked(record) || w.owed.Has(w.Name, record)
	presence, err := dnsvalidate.Present(ctx, provider, dnsvalidate.Publication{
		Record: asValidation(record), TTL: w.config.DNS.TTL, Attempted: attempted,
		BeforeAdd: func() error {
			if attempted {
				return nil
			}
			return w.recordBoth(order.Adding, record)
		},
	})
	if presence.Refused { // what a person puts there later is not ours
		err = also(err, w.recordBoth(order.Removed, record))
	}
	return presence, err
}

func asValidation(r order.Record) dnsvalidate.Record {
	return dnsvalidate.Record{Zone: r.Zone, RR: r.RR, Name: r.Name, Value: r.Value, RecordID: r.RecordID}
}

// recordBoth writes a fact about a record into the ledger and into the order.
func (w *work) recordBoth(kind order.Kind, record order.Record) error {
	err := w.owed.Record(order.OwedRecord{At: wallClock(), Kind: kind, Certificate: w.Name, Record: record})
	if err != nil {
		return err
	}
	return w.record(order.Fact{Kind: kind, Record: &record})
}
