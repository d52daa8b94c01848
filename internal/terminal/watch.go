package terminal

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// Watch fills the terminal out with what look returns, again after every
// pause, until ctx is done or someone at in types q or Ctrl-C. It leaves the
// terminal as it was.
func Watch(ctx context.Context, in, out *os.File, pause time.Duration, look func(context.Context) func(Screen) string) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	if state, err := term.MakeRaw(int(in.Fd())); err == nil { // else nobody can type
		defer term.Restore(int(in.Fd()), state)
		go untilQuit(in, stop)
	}
	resized := make(chan os.Signal, 1)
	signal.Notify(resized, unix.SIGWINCH)
	defer signal.Stop(resized)
	// The other screen, without a cursor and without wrapped lines.
	io.WriteString(out, "\x1b[?1049h\x1b[?25l\x1b[?7l")
	defer io.WriteString(out, "\x1b[?7h\x1b[?25h\x1b[?1049l")
	for {
		render := look(ctx)
		if ctx.Err() != nil || !showFor(ctx, out, pause, resized, render) {
			return
		}
	}
}

// showFor shows one look for a while; it answers false when ctx is done.
func showFor(ctx context.Context, out *os.File, pause time.Duration, resized <-chan os.Signal, render func(Screen) string) bool {
	over := time.After(pause)
	for {
		s := Of(out)
		io.WriteString(out, frame(s, render(s)))
		select {
		case <-ctx.Done():
			return false
		case <-over:
			return true
		case <-resized:
		}
	}
}

// frame is the text from the upper left corner on. What was there is drawn over
// and not cleared first, which would flicker.
func frame(s Screen, text string) string {
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if most := max(s.Height-1, 1); len(lines) > most {
		rest := len(lines) - most + 1
		lines = append(lines[:most-1:most-1], fmt.Sprintf("… and %d more lines", rest))
	}
	return "\x1b[H" + strings.Join(lines, "\x1b[K\r\n") + "\x1b[K\x1b[J"
}

// untilQuit reads keys: a raw terminal makes no signal of Ctrl-C.
func untilQuit(in io.Reader, stop func()) {
	const ctrlC, ctrlD = 3, 4
	key := make([]byte, 1)
	for {
		if _, err := in.Read(key); err != nil {
			stop()
			return
		}
		switch key[0] {
		case 'q', 'Q', ctrlC, ctrlD:
			stop()
			return
		}
	}
}
