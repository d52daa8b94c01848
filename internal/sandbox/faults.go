package sandbox

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Fault is one misbehaviour of the sandbox.
type Fault struct {
	Kind   string // a name of FaultKinds
	Action string // the one action at which it bites; "" is every action that the kind knows
	N      int    // it bites this many times; 0 is always
}

// FaultKind describes a kind of fault to the operator.
type FaultKind struct {
	Name        string
	Description string // one line
}

// FaultKinds lists every kind, in the order of the help.
func FaultKinds() []FaultKind {
	list := make([]FaultKind, len(kinds()))
	for i, k := range kinds() {
		list[i] = FaultKind{Name: k.name, Description: k.about}
	}
	return list
}

// String is the fault in the form that ParseFault reads.
func (f Fault) String() string {
	switch {
	case f.N > 0:
		return fmt.Sprintf("%s:%s:%d", f.Kind, f.Action, f.N)
	case f.Action != "":
		return f.Kind + ":" + f.Action
	}
	return f.Kind
}

// ParseFault reads KIND[:ACTION[:N]]: the kind bites at ACTION alone (empty:
// wherever it can), the first N times that it can (none: always). It fails on
// an unknown kind, an action at which the kind never bites, and an N that is no count.
func ParseFault(spec string) (Fault, error) {
	parts := strings.SplitN(spec, ":", 3)
	f := Fault{Kind: parts[0]}
	if len(parts) > 1 {
		f.Action = parts[1]
	}
	if len(parts) > 2 {
		n, err := strconv.Atoi(parts[2])
		if err != nil || n < 1 {
			return f, fmt.Errorf("fault %q: %q is not a count", spec, parts[2])
		}
		f.N = n
	}
	_, err := f.rule()
	return f, err
}

// rule puts the fault in force, if it makes sense.
func (f Fault) rule() (*rule, error) {
	k, ok := findKind(f.Kind)
	switch {
	case !ok:
		return nil, fmt.Errorf("fault %q: there is no kind %q", f, f.Kind)
	case f.Action != "" && !(isAction(f.Action) && k.knows(f.Action)):
		return nil, fmt.Errorf("fault %q: %s does not bite at action %q", f, k.name, f.Action)
	case k.closesPort && (f.Action != "" || f.N != 0):
		return nil, fmt.Errorf("fault %q: %s takes no action and no count", f, k.name)
	}
	r := &rule{kind: k, action: f.Action, left: f.N}
	if f.N == 0 {
		r.left = -1
	}
	return r, nil
}

// kind is a row of the table of faults: a name, and what it does at which
// moment of a request. A moment that is nil is left alone.
type kind struct {
	name, about string
	actions     []string // where it can bite; nil is everywhere

	closesPort bool                                            // nobody listens
	random     []string                                        // each request meets one of these kinds, or (three in four) none
	interrupt  func(request, sandbox context.Context)          // instead of everything
	refuse     func(*call) error                               // instead of the operation; nil lets it pass
	late       bool                                            // refuse comes after the operation was applied
	rewrite    func(*call) bool                                // before the operation
	fate       func(*order)                                    // when an order is submitted
	alter      func(*call, object) bool                        // the answer, a refusal's too
	deliver    func(http.ResponseWriter, *http.Request, reply) // instead of the plain answer
}

func findKind(name string) (kind, bool) {
	list := kinds()
	i := slices.IndexFunc(list, func(k kind) bool { return k.name == name })
	if i < 0 {
		return kind{}, false
	}
	return list[i], true
}

// knows tells whether the kind can bite at an action.
func (k kind) knows(action string) bool {
	return len(k.actions) == 0 || slices.Contains(k.actions, action)
}

// isAction tells whether any of the APIs has an action.
func isAction(name string) bool {
	for _, list := range []operations{new(cas).operations2018(), new(cas).operations2020(), alidns{}.operations(), new(keyring).operations()} {
		if _, ok := list[name]; ok {
			return true
		}
	}
	return false
}

// rule is a fault in force.
type rule struct {
	kind
	action string
	left   int // bites that it has; negative is without end
}

func (r *rule) matches(action string) bool {
	return r.left != 0 && r.knows(action) && (r.action == "" || r.action == action)
}

// faults are all rules in force.
type faults struct {
	mu    sync.Mutex
	rules []*rule
	rng   *rand.Rand
}

func newFaults(seed uint64) *faults {
	return &faults{rng: rand.New(rand.NewPCG(seed, seed))} // repeatable on purpose
}

// set replaces the rules; when one makes no sense the old ones stay.
func (f *faults) set(list []Fault) error {
	rules := []*rule{}
	for _, fault := range list {
		r, err := fault.rule()
		if err != nil {
			return err
		}
		rules = append(rules, r)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rules = rules
	return nil
}

func (f *faults) add(fault Fault) error {
	r, err := fault.rule()
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rules = append(f.rules, r)
	return nil
}

// inForce lists the faults that still bite, each with the bites that it has left.
func (f *faults) inForce() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	list := []string{}
	for _, r := range f.rules {
		if r.left != 0 {
			list = append(list, Fault{Kind: r.name, Action: r.action, N: max(r.left, 0)}.String())
		}
	}
	return list
}

// refusing tells whether a fault closes the port.
func (f *faults) refusing() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.ContainsFunc(f.rules, func(r *rule) bool { return r.closesPort })
}

// attach gives a call the rules that may bite it; here chance decides for the random ones.
func (f *faults) attach(c *call) {
	f.mu.Lock()
	defer f.mu.Unlock()
	c.faults = f
	for _, r := range f.rules {
		if r.matches(c.action) && len(r.random) > 0 {
			r = f.draw(r)
		}
		if r != nil && r.matches(c.action) {
			c.rules = append(c.rules, r)
		}
	}
}

// newCall is a call that no client makes, with the rules that may bite it.
func (f *faults) newCall(action string) *call {
	c := &call{action: action, params: params{}, now: time.Now()}
	f.attach(c)
	return c
}

// draw picks what a random rule does to one request, nil for nothing.
func (f *faults) draw(r *rule) *rule {
	if f.rng.IntN(4) > 0 {
		return nil
	}
	if r.left > 0 {
		r.left--
	}
	k, _ := findKind(r.random[f.rng.IntN(len(r.random))])
	return &rule{kind: k, action: r.action, left: 1}
}

// bite offers the call to its rules in turn. Those that try says have bitten are used up by one.
func (c *call) bite(try func(*rule) bool) {
	c.faults.mu.Lock()
	defer c.faults.mu.Unlock()
	for _, r := range c.rules {
		if r.left != 0 && try(r) && r.left > 0 {
			r.left--
		}
	}
}

func (c *call) interruption() (found func(request, sandbox context.Context)) {
	c.bite(func(r *rule) bool {
		if found != nil || r.interrupt == nil {
			return false
		}
		found = r.interrupt
		return true
	})
	return found
}

const (
	before = false
	after  = true
)

// refused tells the refusal that a fault wants, before the operation or after it was applied.
func (c *call) refused(late bool) (err error) {
	c.bite(func(r *rule) bool {
		if err != nil || r.refuse == nil || r.late != late {
			return false
		}
		err = r.refuse(c)
		return err != nil
	})
	return err
}

func (c *call) rewrite() {
	c.bite(func(r *rule) bool { return r.rewrite != nil && r.rewrite(c) })
}

func (c *call) decideFate(o *order) {
	c.bite(func(r *rule) bool {
		if r.fate == nil {
			return false
		}
		r.fate(o)
		return true
	})
}

// chooses tells whether a fault of this kind is in force, for what an operation itself does differently then.
func (c *call) chooses(kind string) (chosen bool) {
	c.bite(func(r *rule) bool {
		if chosen || r.name != kind {
			return false
		}
		chosen = true
		return true
	})
	return chosen
}

func (c *call) alter(answer object) {
	c.bite(func(r *rule) bool { return r.kind.alter != nil && r.kind.alter(c, answer) })
}

// deliver writes the answer, or lets a fault do it.
func (c *call) deliver(w http.ResponseWriter, r *http.Request, out reply) {
	send := sendPlain
	c.bite(func(r *rule) bool {
		if r.kind.deliver == nil {
			return false
		}
		send = r.kind.deliver
		return true
	})
	send(w, r, out)
}
