package aliyun

import (
	"context"
	"sync"
	"time"
)

const sessionMargin = 5 * time.Minute // a session is renewed this long before it expires

// session keeps the key of an assumed role for as long as it lasts.
type session struct {
	roleARN string
	turn    chan struct{} // holds a value while one caller assumes the role
	mu      sync.Mutex
	held    key
	until   time.Time
}

func newSession(roleARN string) *session {
	return &session{roleARN: roleARN, turn: make(chan struct{}, 1)}
}

// key is the held one, or a new one from assume. What keeps assume from
// answering is Unreachable to the caller, whose own request was not sent.
func (s *session) key(ctx context.Context, assume func(context.Context) (key, time.Time, *Error)) (key, *Error) {
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return key{}, local("", ctx.Err())
	}
	if held, ok := s.current(time.Now()); ok {
		return held, nil
	}
	found, until, err := assume(ctx)
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
	s.held, s.until = found, until
	return found, nil
}

func (s *session) current(now time.Time) (key, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.held, now.Before(s.until.Add(-sessionMargin))
}

// forget drops a key that the server did not accept; false when another is
// held by now, or none.
func (s *session) forget(refused key) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if refused != s.held || s.until.IsZero() {
		return false
	}
	s.until = time.Time{}
	return true
}
