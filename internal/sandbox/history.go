package sandbox

import (
	"maps"
	"slices"
	"sync"
	"time"
)

// Request is one request that reached the API.
type Request struct {
	Time       time.Time         `json:"time"`
	API        string            `json:"api"` // cas, alidns or sts; empty when the Version is none of theirs
	Action     string            `json:"action"`
	Method     string            `json:"method"`
	Params     map[string]string `json:"params"`      // without Signature, SecurityToken and private keys
	HTTPStatus int               `json:"http_status"` // 0 when a fault dropped the request before it was applied
	Code       string            `json:"code"`        // of a refusal; empty when the request was applied
}

// longestHistory bounds what a sandbox that runs for long remembers.
const longestHistory = 100_000

type history struct {
	mu       sync.Mutex
	requests []Request
}

func (h *history) add(r Request) {
	r.Params = maps.Clone(r.Params)
	for _, secret := range []string{"Signature", "SecurityToken", "Key", "EncryptPrivateKey", "SignPrivateKey"} {
		delete(r.Params, secret)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.requests = append(h.requests, r)
	if len(h.requests) > longestHistory {
		h.requests = slices.Delete(h.requests, 0, longestHistory/10)
	}
}

// History lists every request since the start, or since ClearHistory, in the
// order in which they were answered; of very many, the latest.
func (s *Sandbox) History() []Request {
	s.history.mu.Lock()
	defer s.history.mu.Unlock()
	return slices.Clone(s.history.requests)
}

// ClearHistory forgets the requests so far.
func (s *Sandbox) ClearHistory() {
	s.history.mu.Lock()
	defer s.history.mu.Unlock()
	s.history.requests = nil
}
