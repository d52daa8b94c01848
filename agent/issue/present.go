package issue

import (
	"context"
	"fmt"
	"slices"
	"time"

	"dvagent/agent/order"
	"dvagent/agent/state"
	"dvagent/internal/chance"
)

// present puts the proof of each challenge as soon as it is known.
func (w *work) present(ctx context.Context) (verdict, error) {
	if len(w.order.Challenges) == 0 {
		next, err := w.poll(ctx)
		if err != nil || w.order.Step() != order.Present || len(w.order.Challenges) > 0 {
			return advance, err
		}
		return w.patient(next, "the CA's challenge")
	}
	if len(w.order.Owed()) > 0 { // the CA may have seen what was sent without an answer
		if _, err := w.poll(ctx); err != nil || w.order.Step() != order.Present {
			return advance, err
		}
	}
	for _, c := range w.order.Unproved() {
		if w.tooMany(c) {
			return w.patient(state.Now().Add(roomAgain+chance.Below(roomAgain)), "room at "+c.Name+", where as many records of other orders stand as a DNS answer can show")
		}
		if err := w.stands(ctx); err != nil {
			return advance, err
		}
		record, ours, err := w.desk.prover.Put(ctx, w.subject(), c, w.proofs())
		if err != nil {
			return advance, err
		}
		w.pace().standsAt = state.Now().Add(standsEvery)
		switch file := record.Kind == order.File; {
		case ours && file:
			w.say(order.Present, fmt.Sprintf("wrote the file %s for http://%s", record.RecordID, record.Name))
		case ours:
			w.say(order.Present, fmt.Sprintf("wrote the %s record %s in zone %s", record.Type(), record.Name, record.Zone))
		case file:
			w.say(order.Present, "the file is already there: it is left to whoever made it")
		default:
			w.say(order.Present, fmt.Sprintf("the %s record is already there: it is left to whoever made it", record.Type()))
		}
	}
	return advance, nil
}

// fullName is how much of a DNS answer, which has 64 KiB, the records of ours at one name
// may take, and roomAgain how soon it is seen whether there is room again. Others may
// have records there, too, and no name server shows any of them in an answer that is too long.
const (
	fullName  = 32 << 10
	roomAgain = 5 * time.Second
)

// tooMany says that the proof of a challenge has to wait for others at its name to be
// removed. An order that has one there does not wait, so that each comes to its end.
func (w *work) tooMany(c order.Challenge) bool {
	begun := slices.ContainsFunc(w.order.Challenges, func(other order.Challenge) bool { return w.order.Proof(other) != nil })
	return c.Kind != order.File && !begun && w.desk.records.Octets(c.Name) > fullName
}

// proofs is where the facts about this order's proofs go.
func (w *work) proofs() orderProofs { return orderProofs{w.desk.records, w.order} }

// orderProofs writes each fact about a proof into the ledger and into the
// order: a record is found even when the order's journal is lost.
type orderProofs struct {
	records *order.Owed
	order   *order.Order
}

// Asked is for proof.Ledger.
func (p orderProofs) Asked(r order.Record) bool {
	return p.order.Asked(r) || p.records.Has(p.order.Certificate, r)
}

// Made is for proof.Ledger.
func (p orderProofs) Made(r order.Record) int { return p.records.Made(r) }

// Others is for proof.Ledger.
func (p orderProofs) Others(r order.Record) bool { return p.records.Holds(p.order.Certificate, r) }

// Note is for proof.Ledger.
func (p orderProofs) Note(kind order.Kind, r order.Record) error {
	if err := p.records.Note(kind, p.order.Certificate, r); err != nil {
		return err
	}
	return p.order.Note(kind, r)
}
