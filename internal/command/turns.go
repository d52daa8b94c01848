package command

import (
	"context"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// Turns lets the commands of one program run one after the other, since two that
// act on one server at the same time may get in each other's way. Who came first
// is served first. The zero value is ready.
type Turns struct {
	mu      sync.Mutex
	taken   map[string]*Turn // by program
	waiting []*Turn          // in the order in which they are served
}

// Turn is somebody's, for all the programs that he runs.
type Turn struct {
	turns    *Turns
	programs []string
	come     chan struct{}
}

// patience is how long others wait for a command that is running. One that hangs
// does not hold up those for another server.
const patience = 5 * time.Second

// Take waits until nobody's turn is with one of the programs of these commands,
// and takes one for all of them. It fails with the cause of ctx, when that ends
// first. A command is known by its program: that of `systemctl reload x` and
// `systemctl restart y` is the same.
func (t *Turns) Take(ctx context.Context, commands ...[]string) (*Turn, error) {
	return t.take(ctx, commands, func(waiting []*Turn, mine *Turn) []*Turn { return append(waiting, mine) })
}

// TakeNext is Take before all who wait: for a server that is broken.
func (t *Turns) TakeNext(ctx context.Context, commands ...[]string) (*Turn, error) {
	return t.take(ctx, commands, func(waiting []*Turn, mine *Turn) []*Turn { return slices.Insert(waiting, 0, mine) })
}

func (t *Turns) take(ctx context.Context, commands [][]string, queue func([]*Turn, *Turn) []*Turn) (*Turn, error) {
	mine := &Turn{turns: t, programs: programs(commands), come: make(chan struct{})}
	t.mu.Lock()
	t.waiting = queue(t.waiting, mine)
	t.serve()
	t.mu.Unlock()
	select {
	case <-mine.come:
		return mine, nil
	case <-ctx.Done():
		mine.Over()
		return nil, context.Cause(ctx)
	}
}

// Run is the function Run in a turn of its own.
func (t *Turns) Run(ctx context.Context, c Command) Result {
	turn, err := t.Take(ctx, c.Argv)
	if err != nil {
		return Run(ctx, c) // it says that it was stopped
	}
	defer turn.Over()
	return turn.Run(ctx, c)
}

// Run is the function Run, of a command for which the turn was taken.
func (t *Turn) Run(ctx context.Context, c Command) Result {
	return t.While(func() Result { return Run(ctx, c) })
}

// While is for a command that another function runs. One that takes more than
// five seconds is waited for by nobody: then the turn is over.
func (t *Turn) While(run func() Result) Result {
	defer time.AfterFunc(patience, t.Over).Stop()
	return run()
}

// Over ends the turn, whether or not it has come, and may be called again.
func (t *Turn) Over() {
	all := t.turns
	all.mu.Lock()
	defer all.mu.Unlock()
	all.waiting = slices.DeleteFunc(all.waiting, func(other *Turn) bool { return other == t })
	for _, program := range t.programs {
		if all.taken[program] == t {
			delete(all.taken, program)
		}
	}
	all.serve()
}

// serve lets those go whose programs are free, and wanted by nobody before them.
func (t *Turns) serve() {
	if t.taken == nil {
		t.taken = map[string]*Turn{}
	}
	wanted := map[string]bool{}
	t.waiting = slices.DeleteFunc(t.waiting, func(next *Turn) bool {
		free := !slices.ContainsFunc(next.programs, func(program string) bool { return t.taken[program] != nil || wanted[program] })
		for _, program := range next.programs {
			wanted[program] = true
			if free {
				t.taken[program] = next
			}
		}
		if free {
			close(next.come)
		}
		return free
	})
}

// programs are the files that the commands start, each once. What cannot be
// found goes by its name: its start fails.
func programs(commands [][]string) []string {
	var all []string
	for _, argv := range commands {
		if len(argv) == 0 {
			continue
		}
		program := argv[0]
		if path, err := LookPath(argv); err == nil {
			program = path
			if path, err = filepath.EvalSymlinks(path); err == nil {
				program = path
			}
		}
		if !slices.Contains(all, program) {
			all = append(all, program)
		}
	}
	return all
}
