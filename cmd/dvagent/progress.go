package main

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"sync"
	"time"

	"dvagent/agent/state"
	"dvagent/internal/line"
	"dvagent/internal/terminal"
)

// progress shows long work. On a terminal each step is shown as it ends; below
// those there is a line for each certificate that is being worked on, with what
// it waits for and how long its step has taken so far. Elsewhere each step is a
// line of log.
type progress struct {
	cli  *cli
	out  *os.File     // a terminal, or nil
	log  *slog.Logger // above the terminal's lines, or instead of them
	stop chan struct{}
	done sync.WaitGroup

	mu    sync.Mutex
	live  *terminal.Live
	going map[string]going // by certificate
}

// going is a step in progress.
type going struct {
	step, text string
	since      time.Time
}

func (c *cli) progress() *progress {
	p := &progress{cli: c, stop: make(chan struct{}), going: map[string]going{}, log: c.log()}
	if file, ok := c.stderr.(*os.File); ok && terminal.Of(file).Width > 0 {
		p.out, p.live, p.log = file, terminal.NewLive(file), c.logTo(p)
		p.done.Go(p.tick)
	}
	return p
}

// close ends the display and removes the lines of steps in progress.
func (p *progress) close() {
	close(p.stop)
	p.done.Wait()
	if p.out == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.live.Draw(p.cli.screenOf(p.out), "", nil)
}

// observe is a state.Observer.
func (p *progress) observe(e state.Event) {
	if step, ok := e.(state.Progress); ok {
		p.show(step)
	}
}

func (p *progress) show(e state.Progress) {
	switch {
	case p.out == nil && e.Err != nil && p.cli.logFormat == "text":
		p.cli.complainOf(e.Certificate, e.Err)
		return
	case p.out == nil:
		p.cli.told(e.Certificate, e.Err)
		logProgress(p.log, e)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if e.Waiting || e.Begun {
		p.goesOn(e)
	} else {
		delete(p.going, e.Certificate)
	}
	switch {
	case e.Err != nil && p.cli.told(e.Certificate, e.Err):
		p.draw("")
	case e.Err != nil:
		p.draw(p.cli.screenOf(p.out).Paint(terminal.Red, p.cli.complaint(ofCertificate(e.Certificate, e.Err))) + "\n")
	case e.Waiting:
		p.draw("")
	default:
		p.draw(finished(p.cli.screenOf(p.out), e))
	}
}

// goesOn notes a step in progress; its time runs from when it was first seen.
func (p *progress) goesOn(e state.Progress) {
	g := going{e.Step, e.Text, e.At}
	if e.Waiting {
		g.text = "waits for " + e.Text
	}
	if known, ok := p.going[e.Certificate]; ok && known.step == e.Step {
		g.since = known.since
	}
	p.going[e.Certificate] = g
}

// finished is the line of a step that has ended; it stays on the terminal.
func finished(s terminal.Screen, e state.Progress) string {
	return fmt.Sprintf("%s  %s  %-9s  %s\n", s.Paint(terminal.Faint, e.At.Format(time.TimeOnly)), e.Certificate, s.Put(e.Step), s.Put(line.Of(e.Text)))
}

// Write puts lines of log above the steps in progress.
func (p *progress) Write(lines []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.draw(string(lines))
	return len(lines), nil
}

func (p *progress) tick() {
	ticker := time.NewTicker(200 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case <-p.stop:
			return
		case <-ticker.C:
			p.mu.Lock()
			if len(p.going) > 0 { // before, the configuration may still be read, which chooses the language
				p.draw("")
			}
			p.mu.Unlock()
		}
	}
}

// draw shows the steps in progress, longest first, below what has just happened.
func (p *progress) draw(above string) {
	names := slices.SortedFunc(maps.Keys(p.going), func(a, b string) int {
		return cmp.Or(p.going[a].since.Compare(p.going[b].since), cmp.Compare(a, b))
	})
	var block []terminal.Cell
	for _, name := range names {
		g := p.going[name]
		text := fmt.Sprintf("%s  %s %s  %s", name, p.cli.language().Text(g.step), time.Since(g.since).Round(time.Second), p.cli.language().Text(line.Of(g.text)))
		block = append(block, terminal.Cell{Text: text, Style: terminal.Cyan})
	}
	p.live.Draw(p.cli.screenOf(p.out), above, block)
}

// logProgress logs a step, and as an error where the certificate is about to end.
func logProgress(log *slog.Logger, e state.Progress) {
	level := slog.LevelInfo
	if e.Emergency {
		level = slog.LevelError
	}
	log = log.With("certificate", e.Certificate)
	if e.Step != "" { // what an operator did is no step
		log = log.With("step", e.Step)
	}
	switch {
	case e.Err != nil:
		log.Error("step failed", "error", e.Err)
	case e.Waiting:
		log.Log(context.Background(), level, "waiting", "for", e.Text)
	default:
		log.Log(context.Background(), level, e.Text)
	}
}
