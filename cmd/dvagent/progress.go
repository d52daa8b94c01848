package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"

	"golang.org/x/term"

	"dvagent/agent"
	"dvagent/internal/line"
)

// progress shows long work: on a terminal each step, with a last line that
// tells what is waited for and for how long; elsewhere a line of log a step.
type progress struct {
	out  io.Writer
	log  *slog.Logger // nil on a terminal
	stop chan struct{}
	done sync.WaitGroup

	mu      sync.Mutex
	waiting map[string]waitingSince // by certificate
}

type waitingSince struct {
	text  string
	since time.Time
}

func (c *cli) progress() *progress {
	p := &progress{out: c.stderr, stop: make(chan struct{}), waiting: map[string]waitingSince{}}
	if file, ok := c.stderr.(*os.File); !ok || !term.IsTerminal(int(file.Fd())) {
		p.log = c.log()
		return p
	}
	p.done.Go(p.tick)
	return p
}

// close ends the display; the line of waiting goes away.
func (p *progress) close() {
	close(p.stop)
	p.done.Wait()
}

func (p *progress) show(e agent.Progress) {
	if p.log != nil {
		logProgress(p.log, e)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if e.Waiting {
		if known, ok := p.waiting[e.Certificate]; !ok || known.text != e.Text {
			p.waiting[e.Certificate] = waitingSince{e.Text, e.At}
		}
		return
	}
	delete(p.waiting, e.Certificate)
	text := e.Text
	if e.Err != nil {
		text = "failed: " + e.Err.Error()
	}
	fmt.Fprintf(p.out, "\r\x1b[K%s  %s  %-10s %s\n", e.At.Format(time.TimeOnly), e.Certificate, e.Step, line.Of(text))
}

func logProgress(log *slog.Logger, e agent.Progress) {
	switch {
	case e.Err != nil:
		log.Error("step failed", "certificate", e.Certificate, "step", e.Step, "error", e.Err)
	case e.Waiting:
		log.Info("waiting", "certificate", e.Certificate, "step", e.Step, "for", e.Text)
	default:
		log.Info(e.Text, "certificate", e.Certificate, "step", e.Step)
	}
}

func (p *progress) tick() {
	ticker := time.NewTicker(200 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case <-p.stop:
			fmt.Fprint(p.out, "\r\x1b[K")
			return
		case <-ticker.C:
			p.line()
		}
	}
}

// line shows the one that waits longest.
func (p *progress) line() {
	p.mu.Lock()
	defer p.mu.Unlock()
	var name string
	for candidate, w := range p.waiting {
		if name == "" || w.since.Before(p.waiting[name].since) {
			name = candidate
		}
	}
	if name == "" {
		return
	}
	w := p.waiting[name]
	text := fmt.Sprintf("%s waits for %s (%s)", name, line.Of(w.text), time.Since(w.since).Round(time.Second))
	if width, _, err := term.GetSize(int(os.Stderr.Fd())); err == nil && len(text) >= width && width > 1 {
		text = text[:width-1]
	}
	fmt.Fprint(p.out, "\r\x1b[K"+text)
}
