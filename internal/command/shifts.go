package command

import (
	"context"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// Shifts lets the commands of one program run one after the other, since two that
// act on one server at the same time may get in each other's way. Who came first
// is served first. The zero value is ready.
type Shifts struct {
	mu      sync.Mutex
	taken   map[string]*Shift // by program
	waiting []*Shift          // in the order in which they are served
}

// Shift is somebody's, for all the programs that he runs.
type Shift struct {
	shifts   *Shifts
	programs []string
	come     chan struct{}
}

// patience is how long others wait for a command that is running. One that hangs
// does not hold up those for another server.
const patience = 5 * time.Second

// Take waits until nobody's shift is with one of the programs of these commands,
// and takes one for all of them. It fails with the cause of ctx, when that ends
// first. A command is known by its program: that of `systemctl reload x` and
// `systemctl restart y` is the same.
func (t *Shifts) Take(ctx context.Context, commands ...[]string) (*Shift, error) {
	return t.take(ctx, commands, func(waiting []*Shift, mine *Shift) []*Shift { return append(waiting, mine) })
}

// TakeNext is Take before all who wait: for a server that is broken.
func (t *Shifts) TakeNext(ctx context.Context, commands ...[]string) (*Shift, error) {
	return t.take(ctx, commands, func(waiting []*Shift, mine *Shift) []*Shift { return slices.Insert(waiting, 0, mine) })
}

func (t *Shifts) take(ctx context.Context, commands [][]string, queue func([]*Shift, *Shift) []*Shift) (*Shift, error) {
	mine := &Shift{shifts: t, programs: programs(commands), come: make(chan struct{})}
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

// Run is the function Run in a shift of its own.
func (t *Shifts) Run(ctx context.Context, c Command) Result {
	shift, err := t.Take(ctx, c.Argv)
	if err != nil {
		return Run(ctx, c) // it says that it was stopped
	}
	defer shift.Over()
	return shift.Run(ctx, c)
}

// Run is the function Run, of a command for which the shift was taken.
func (t *Shift) Run(ctx context.Context, c Command) Result {
	return t.While(func() Result { return Run(ctx, c) })
}

// While is for a command that another function runs. One that takes more than
// five seconds is waited for by nobody: then the shift is over.
func (t *Shift) While(run func() Result) Result {
	defer time.AfterFunc(patience, t.Over).Stop()
	return run()
}

// Over ends the shift, whether or not it has come, and may be called again.
func (t *Shift) Over() {
	all := t.shifts
	all.mu.Lock()
	defer all.mu.Unlock()
	all.waiting = slices.DeleteFunc(all.waiting, func(other *Shift) bool { return other == t })
	for _, program := range t.programs {
		if all.taken[program] == t {
			delete(all.taken, program)
		}
	}
	all.serve()
}

// serve lets those go whose programs are free, and wanted by nobody before them.
func (t *Shifts) serve() {
	if t.taken == nil {
		t.taken = map[string]*Shift{}
	}
	wanted := map[string]bool{}
	t.waiting = slices.DeleteFunc(t.waiting, func(next *Shift) bool {
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
