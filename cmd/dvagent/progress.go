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

	"dvagent/agent"
	"dvagent/internal/line"
	"dvagent/internal/terminal"
)

// progress shows long work: on a terminal each step as it ends, and below a
// line for each certificate with what is waited for and how long its step takes
// by now; elsewhere a line of log a step.
type progress struct {
	out  *os.File     // a terminal, or nil
	log  *slog.Logger // beside a terminal's lines, or in their place
	stop chan struct{}
	done sync.WaitGroup

	mu    sync.Mutex
	live  *terminal.Live
	going map[string]going // by certificate
}

// going is a step that takes its time.
type going struct {
	step, text string
	since      time.Time
}

func (c *cli) progress() *progress {
	p := &progress{stop: make(chan struct{}), going: map[string]going{}, log: c.log()}
	if file, ok := c.stderr.(*os.File); ok && terminal.Of(file).Width > 0 {
		p.out, p.live, p.log = file, terminal.NewLive(file), c.logTo(p)
		p.done.Go(p.tick)
	}
	return p
}

// close ends the display; what was going on goes away.
func (p *progress) close() {
	close(p.stop)
	p.done.Wait()
	if p.out == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.live.Draw(terminal.Of(p.out), "", nil)
}

func (p *progress) show(e agent.Progress) {
	if p.out == nil {
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
	above := ""
	if !e.Waiting {
		above = finished(terminal.Of(p.out), e)
	}
	p.draw(above)
}

// goesOn notes a step; its time runs from when it was first seen to wait.
func (p *progress) goesOn(e agent.Progress) {
	g := going{e.Step, e.Text, e.At}
	if e.Waiting {
		g.text = "waits for " + e.Text
	}
	if known, ok := p.going[e.Certificate]; ok && known.step == e.Step {
		g.since = known.since
	}
	p.going[e.Certificate] = g
}

// finished is a line that stays.
func finished(s terminal.Screen, e agent.Progress) string {
	text := line.Of(e.Text)
	if e.Err != nil {
		text = s.Paint(terminal.Red, "failed: "+line.Of(e.Err.Error()))
	}
	return fmt.Sprintf("%s  %s  %-9s  %s\n", s.Paint(terminal.Faint, e.At.Format(time.TimeOnly)), e.Certificate, e.Step, text)
}

// Write puts lines of log above what is going on.
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
			p.draw("")
			p.mu.Unlock()
		}
	}
}

// draw shows what is going on, longest first, below what has just happened.
func (p *progress) draw(above string) {
	names := slices.SortedFunc(maps.Keys(p.going), func(a, b string) int {
		return cmp.Or(p.going[a].since.Compare(p.going[b].since), cmp.Compare(a, b))
	})
	var block []terminal.Cell
	for _, name := range names {
		g := p.going[name]
		text := fmt.Sprintf("%s  %s %s  %s", name, g.step, time.Since(g.since).Round(time.Second), line.Of(g.text))
		block = append(block, terminal.Cell{Text: text, Style: terminal.Cyan})
	}
	p.live.Draw(terminal.Of(p.out), above, block)
}

// logProgress tells of a certificate that ends soon as of an error.
func logProgress(log *slog.Logger, e agent.Progress) {
	level := slog.LevelInfo
	if e.Emergency {
		level = slog.LevelError
	}
	switch {
	case e.Err != nil:
		log.Error("step failed", "certificate", e.Certificate, "step", e.Step, "error", e.Err)
	case e.Waiting:
		log.Log(context.Background(), level, "waiting", "certificate", e.Certificate, "step", e.Step, "for", e.Text)
	default:
		log.Log(context.Background(), level, e.Text, "certificate", e.Certificate, "step", e.Step)
	}
}
