package dnsvalidate

import (
	"context"
	"sync"
	"time"

	"dvagent/internal/together"
)

const mostRemembered = 1000

// memory keeps what was found, by key, but no errors. Its zero value is ready to
// use, and forgets nothing as time passes.
type memory[T any] struct {
	life   time.Duration // of what it keeps; 0 is without end
	flight together.Calls[T]

	mu   sync.Mutex
	kept map[string]memo[T]
}

type memo[T any] struct {
	value T
	since time.Time
}

// recall returns what is kept at key, or else what find finds. Concurrent callers
// share one find; when the context of the caller that runs it ends, another runs
// its own.
func (m *memory[T]) recall(ctx context.Context, key string, find func() (T, error)) (T, error) {
	return m.flight.Do(ctx, key, func() (T, error) {
		if value, ok := m.known(key); ok {
			return value, nil
		}
		value, err := find()
		if err == nil {
			m.keep(key, value)
		}
		return value, err
	})
}

func (m *memory[T]) known(key string) (T, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	found, ok := m.kept[key]
	if !ok || m.life > 0 && time.Since(found.since) >= m.life {
		return *new(T), false
	}
	return found.value, true
}

func (m *memory[T]) keep(key string, value T) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.kept == nil || len(m.kept) >= mostRemembered {
		m.kept = make(map[string]memo[T])
	}
	m.kept[key] = memo[T]{value, time.Now()}
}
