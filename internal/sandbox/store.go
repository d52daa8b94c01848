package sandbox

import (
	"cmp"
	"sync"
	"time"
)

// cas is the account's certificate service, the same behind both versions of its API.
type cas struct {
	zones     *zones
	authority *authority

	mu           sync.Mutex
	instances    []*instance
	orders       map[string]*order // the last one, by InstanceId
	certificates []*certificate
	lastID       int64

	packages      []*Package
	packageOrders []*packageOrder
	contacts      []Contact

	keyType      string        // as Options.KeyType
	issueAfter   time.Duration // the CA's pace
	reissueAfter time.Duration // until an instance renews by itself; 0 is never

	keys sync.WaitGroup // those that are being made
	news chan struct{}  // holds a value when there may be something to look at
}

func newCAS(zs *zones, a *authority) *cas {
	return &cas{zones: zs, authority: a, orders: map[string]*order{}, lastID: 2755600, news: make(chan struct{}, 1)}
}

// list copies the instances that 2018-07-13 shows, oldest first.
func (s *cas) list() []Instance {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []Instance
	for _, i := range s.instances {
		if i.shownIn2018() {
			list = append(list, i.Instance)
		}
	}
	return list
}

// instance finds an instance; the caller holds the lock.
func (s *cas) instance(id string) *instance {
	for _, i := range s.instances {
		if i.InstanceID == id {
			return i
		}
	}
	return nil
}

// order copies the order on an instance.
func (s *cas) order(instanceID string) (order, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o, ok := s.orders[instanceID]
	if !ok {
		return order{}, false
	}
	return *o, true
}

// addInstance fills in the ids that are left out, and tells the InstanceId.
func (s *cas) addInstance(i instance) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i.ID == 0 {
		i.ID = s.nextID()
	}
	i.InstanceID = cmp.Or(i.InstanceID, "cas-cn-"+randomText(12, alphanumeric))
	i.application = newApplication()
	s.instances = append(s.instances, &i)
	return i.InstanceID
}

// place makes an order the one on its instance, bound for what the faults in
// force make of it; the caller holds the lock.
func (s *cas) place(o *order, c *call) {
	c.decideFate(o)
	s.orders[o.InstanceID] = o
	s.follow(o)
	if o.csr == nil {
		s.keys.Go(func() { _, _ = o.keyPair() })
	}
}

// follow lets an order's instance show how the order stands; the caller holds the lock.
func (s *cas) follow(o *order) {
	s.nudge()
	if i := s.instance(o.InstanceID); i != nil {
		i.Status = o.instanceStatus()
	}
}

// nudge has the CA look at what is open.
func (s *cas) nudge() {
	select {
	case s.news <- struct{}{}:
	default:
	}
}

// nextID is a number that no instance, order or certificate has; the caller holds the lock.
func (s *cas) nextID() int64 {
	s.lastID += 10
	return s.lastID
}
