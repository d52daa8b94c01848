package deploy

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"dvagent/internal/command"
)

// Rounds installs for many certificates side by side. Those that come at about
// the same time share the runs of their check and reload; commands of one program
// run one after the other, unless one hangs; nobody waits for another's probes. The
// zero value is ready.
type Rounds struct {
	Shifts command.Shifts // of the programs of checks and reloads; who else may run one takes a shift, too

	mu     sync.Mutex
	coming int                // that may join a round soon
	nobody chan struct{}      // closed when none is coming any more
	joined time.Time          // when somebody joined one last
	open   map[string]*shared // rounds that have not begun, by their commands
	rests  map[string]rest    // by the commands of rounds that have ended
}

// rest is how long no other round of the same commands begins. The more there were,
// the longer it is: the first of many are in place at once, and the many cost few
// reloads.
type rest struct {
	until time.Time
	long  time.Duration
}

// A round waits for those who are coming until nobody has come for a while, and
// not for ever.
const (
	comingFor = 250 * time.Millisecond
	gatherFor = 500 * time.Millisecond

	firstRest   = 250 * time.Millisecond // the next ones are twice as long, each
	longestRest = 1500 * time.Millisecond
)

// Expect says that somebody may come soon, until come is called: rounds wait for
// him a moment.
func (r *Rounds) Expect() (come func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.coming++; r.coming == 1 {
		r.nobody = make(chan struct{})
	}
	return sync.OnceFunc(func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.coming--; r.coming == 0 {
			close(r.nobody)
		}
	})
}

// gather waits until the commands have rested, and nobody is coming or has come for a
// while.
func (r *Rounds) gather(ctx context.Context, key string) {
	for end := time.Now().Add(gatherFor); ; {
		r.mu.Lock()
		coming, nobody, quiet, rests := r.coming, r.nobody, r.joined.Add(comingFor), time.Until(r.rests[key].until)
		r.mu.Unlock()
		left := min(time.Until(quiet), time.Until(end))
		switch {
		case rests > 0:
			left, nobody = rests, nil
		case coming == 0 || left <= 0:
			return
		}
		select {
		case <-nobody:
		case <-time.After(left):
		case <-ctx.Done():
			return
		}
	}
}

// ran notes that a round's commands have run.
func (r *Rounds) ran(key string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.rests == nil {
		r.rests = map[string]rest{}
	}
	long := min(max(2*r.rests[key].long, firstRest), longestRest)
	r.rests[key] = rest{time.Now().Add(long), long}
}

// Install is the function Install beside others. It calls joined when each job
// waits for the round that it shares.
func (r *Rounds) Install(ctx context.Context, jobs []Job, joined func()) []Result {
	attempts := make([]*attempt, len(jobs))
	for i, job := range jobs {
		attempts[i] = &attempt{Result: Result{Job: job, Instead: job.Target.known()}}
	}
	var joining, told sync.WaitGroup
	joining.Add(len(jobs))
	told.Go(func() {
		joining.Wait()
		joined()
	})
	sideBySide(attempts, len(attempts), func(a *attempt) {
		a.look(ctx)
		s := r.join(ctx, a, joining.Done)
		s.conclude(ctx, a)
		a.end()
		s.leave()
	})
	told.Wait()
	results := make([]Result, len(jobs))
	for i, a := range attempts {
		results[i] = a.Result
	}
	return results
}

// shared is a round while it goes on.
type shared struct {
	rounds  *Rounds
	round   round // complete once it has begun
	dirs    *directories
	applied chan struct{} // closed once its files are written and its commands have run
	left    atomic.Int32  // that have not ended

	patient context.Context // ends when the server that they share broke
	giveUp  context.CancelFunc
	proving sync.WaitGroup

	mu        sync.Mutex
	unsettled round // whose probes ended early
	settled   sync.Once
}

// join brings a into the round of its commands, and returns when these have run.
// Who is the first of a round leads it.
func (r *Rounds) join(ctx context.Context, a *attempt, joined func()) *shared {
	key := a.Job.Target.commands()
	r.mu.Lock()
	s := r.open[key]
	leads := s == nil || key == ""
	if leads {
		s = &shared{rounds: r, dirs: newDirectories(), applied: make(chan struct{})}
		s.patient, s.giveUp = context.WithCancel(ctx)
		if r.open == nil {
			r.open = map[string]*shared{}
		}
		r.open[key] = s
	}
	a.dirs = s.dirs
	s.round = append(s.round, a)
	s.left.Add(1)
	s.proving.Add(1)
	r.joined = time.Now()
	r.mu.Unlock()
	joined()
	if leads {
		s.lead(ctx, key, a.Job.Target)
	}
	<-s.applied
	return s
}

// leave is for who has ended.
func (s *shared) leave() {
	if s.left.Add(-1) == 0 {
		s.giveUp()
		s.dirs.close()
	}
}

// commands stands for the check and the reload, which share a round; "" for none:
// such a target waits for nobody.
func (t Target) commands() string {
	if len(t.Check)+len(t.Reload) == 0 {
		return ""
	}
	return strings.Join(t.Check, "\x00") + "\x00\x00" + strings.Join(t.Reload, "\x00")
}

// lead waits for the others of a round and for its shift. Then it writes all their
// files, so that no other round's are checked, and runs the commands.
func (s *shared) lead(ctx context.Context, key string, t Target) {
	defer close(s.applied)
	var shift *command.Shift
	var err error
	if key != "" {
		s.rounds.gather(ctx, key)
		shift, err = s.rounds.Shifts.Take(ctx, t.Check, t.Reload)
	}
	s.rounds.begin(key, s)
	if err != nil {
		for _, a := range s.round {
			a.Err = fmt.Errorf("stopped before the files were written: %w", err)
		}
		return
	}
	if shift != nil {
		defer shift.Over()
	}
	sideBySide(s.round, atOnce, func(a *attempt) { a.Err = a.write(ctx) }) // so that syncs overlap
	s.round.apply(ctx, shift)
	if key != "" {
		s.rounds.ran(key)
	}
}

// begin lets nobody join any more.
func (r *Rounds) begin(key string, s *shared) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.open[key] == s {
		delete(r.open, key)
	}
}

// conclude proves that a is served, and gives it its verdict at once; but where
// the server broke, or dvagent is being stopped, with all others who still probe.
func (s *shared) conclude(ctx context.Context, a *attempt) {
	a.prove(ctx, s.patient, s.giveUp)
	if s.patient.Err() == nil || len(failing(a.Served, a.Job.Bundle)) == 0 {
		s.proving.Done()
		if a.Err == nil {
			a.Err = a.verdict(ctx)
		}
		return
	}
	s.mu.Lock()
	s.unsettled = append(s.unsettled, a)
	s.mu.Unlock()
	s.proving.Done()
	s.settled.Do(func() {
		s.proving.Wait()
		s.unsettled.settle(ctx, s.rounds)
	})
}
