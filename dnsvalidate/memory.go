package dnsvalidate

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
)

const mostRemembered = 1000

// memory keeps what was found, by key; errors are not kept. Its zero value is
// ready, and keeps as long as it lives.
type memory[T any] struct {
	life   time.Duration // of what it keeps; 0 is without end
	flight singleflight.Group

	mu   sync.Mutex
	kept map[string]remembered[T]
}

type remembered[T any] struct {
	value T
	since time.Time
}

// recall returns what is kept at key, or what find finds. Of those who ask at
// the same time one finds, and the others wait for it; when its context ends
// before theirs, the next one tries.
func (m *memory[T]) recall(ctx context.Context, key string, find func() (T, error)) (T, error) {
	return together(ctx, &m.flight, key, func() (T, error) {
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
		m.kept = make(map[string]remembered[T])
	}
	m.kept[key] = remembered[T]{value, time.Now()}
}
