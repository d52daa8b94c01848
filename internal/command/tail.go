package command

import "sync"

// tail keeps the last limit bytes written to it, in a buffer of twice that size.
type tail struct {
	limit int

	mu      sync.Mutex // a write may still be going on when Wait gives up on the pipe
	buf     []byte
	dropped bool
}

// Write never fails: the command must get no SIGPIPE.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := len(p)
	if n > t.limit {
		p, t.dropped = p[n-t.limit:], true
	}
	if len(t.buf)+len(p) > 2*t.limit {
		t.shrink()
	}
	t.buf = append(t.buf, p...)
	return n, nil
}

// text is the last limit bytes, and whether there were more.
func (t *tail) text() (string, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.shrink()
	return string(t.buf), t.dropped
}

func (t *tail) shrink() {
	if extra := len(t.buf) - t.limit; extra > 0 {
		t.buf = t.buf[:copy(t.buf, t.buf[extra:])]
		t.dropped = true
	}
}
