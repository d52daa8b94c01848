package aliyun

import (
	"context"
	"sync"
	"time"
)

const sessionMargin = 5 * time.Minute // a session is renewed this long before it expires

// session keeps a temporary key for as long as it lasts.
type session struct {
	turn chan struct{} // holds a value while one caller asks for a key
	mu   sync.Mutex
	held grant
}

func newSession() *session { return &session{turn: make(chan struct{}, 1)} }

// key is the held one, or a new one from ask. What keeps ask from answering is
// Unreachable to the caller, whose own request was not sent.
func (s *session) key(ctx context.Context, ask func(context.Context) (grant, *Error)) (key, *Error) {
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return key{}, local("", ctx.Err())
	}
	if held, ok := s.current(time.Now()); ok {
		return held, nil
	}
	found, err := ask(ctx)
	if err != nil {
		if err.MayHaveBeenApplied() || err.Kind == Malformed {
			err.Kind = Unreachable
		}
		if ctx.Err() != nil {
			err.Kind = Local
		}
		return key{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held = found
	return found.key, nil
}

func (s *session) current(now time.Time) (key, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.held.key, now.Before(s.held.until.Add(-sessionMargin))
}

// forget drops a key that the server did not accept; false when another is
// held by now, or none.
func (s *session) forget(refused key) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if refused != s.held.key || s.held.until.IsZero() {
		return false
	}
	s.held = grant{}
	return true
}
