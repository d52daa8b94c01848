package issue

import (
	"sync"
	"time"

	"dvagent/agent/order"
	"dvagent/agent/state"
)

// Memory is what is remembered of orders between passes: nothing that the disk
// or the servers do not know better, but for when to poll and look again.
type Memory struct {
	mu     sync.Mutex
	orders map[string]*pace // by certificate

	queued  map[string]map[string]bool // certificates whose orders wait to be issued, by the key of their shop
	rows    map[string]int             // of a shop's list
	boards  map[string]*board
	answers map[string]time.Duration // of each account's server, lately
	tempos  map[string]order.Tempo   // by the key of a shop
	learned bool                     // tempos are to be kept

	sweeps  map[order.Record]sweep // records that could not be removed
	unready map[string]int         // how often in a row nothing could be opened, by certificate
}

// sweep is how the last try to remove a record ended.
type sweep struct {
	outcome  state.Outcome
	failures int // in a row
}

// NewMemory remembers nothing yet.
func NewMemory() *Memory {
	return &Memory{orders: map[string]*pace{}, queued: map[string]map[string]bool{}, rows: map[string]int{}, boards: map[string]*board{}, answers: map[string]time.Duration{}, tempos: map[string]order.Tempo{}, sweeps: map[order.Record]sweep{}, unready: map[string]int{}}
}

// pace is when an order was last polled, and when the name servers were looked
// at. One certificate's is used by one goroutine at a time.
type pace struct {
	polled   time.Time
	asked    time.Time // when it was polled by itself, and not by a list
	sign     Sign      // what the list said of it then
	began    time.Time // when the name servers were first looked at
	looked   time.Time // and when last
	looks    int       // how often
	said     string    // what the last look has shown
	standsAt time.Time // when to look next whether the proofs are still where they were put

	again  bool            // an order that had stopped went on
	warned map[string]bool // what the preflight has said

	elsewhere string    // what was said of the host that works on it
	waits     time.Time // since when that is waited for
}

func (m *Memory) of(certificate string) *pace {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.orders[certificate] == nil {
		m.orders[certificate] = &pace{warned: map[string]bool{}}
	}
	return m.orders[certificate]
}

// forget makes the next poll of an order come at once.
func (m *Memory) forget(certificate string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.orders, certificate)
}

// held is the outcome of an earlier try to remove a record, while its time has
// not come again.
func (m *Memory) held(r order.Record) (state.Outcome, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	last, known := m.sweeps[r]
	return last.outcome, known && state.StillHeld(last.outcome.Next)
}

func (m *Memory) release(r order.Record) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.sweeps, r)
}

// hold remembers that a record could not be removed once more.
func (m *Memory) hold(r order.Record, owed state.Outcome) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sweeps[r] = sweep{owed, m.sweeps[r].failures + 1}
}

// swept is how often in a row a record could not be removed.
func (m *Memory) swept(r order.Record) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.sweeps[r].failures
}

// missed counts how often in a row nothing could be opened for a certificate.
func (m *Memory) missed(certificate string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.unready[certificate]++
	return m.unready[certificate]
}

// opened ends such a row.
func (m *Memory) opened(certificate string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.unready, certificate)
}
