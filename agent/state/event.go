package state

import "time"

// Observer is told what the agent does, from any goroutine.
type Observer func(Event)

// Event is one of Progress, Call, OrderChange, Spare, Alive and Rest.
type Event interface{ event() }

// Progress is one change in the work on a certificate.
type Progress struct {
	At          time.Time
	Certificate string
	Step        string // a step of the order, StepDeploy, or "" for what is no step
	Text        string // what happened, or what is waited for
	Waiting     bool
	Begun       bool // what happened takes its time, and more is told of it
	Emergency   bool // the certificate ends soon
	Err         error
}

// StepDeploy, StepUpload and StepHook stand for the rollout where a step is named.
const (
	StepDeploy = "deploy"
	StepUpload = "upload"
	StepHook   = "hook"
)

// Call is one HTTP round trip to the cloud, a retry being a Call of its own.
type Call struct {
	Account   string
	API       string // CAS, AliDNS or STS
	Operation string // such as AddDomainRecord
	Duration  time.Duration
	Failure   string // the kind of the error, such as "throttled"; empty when the call succeeded
}

// OrderChange is OrderOpened, or the order.Outcome that an order ended with.
type OrderChange string

// OrderOpened is the change of an order that begins.
const OrderOpened OrderChange = "opened"

// Spare is which instances of an account were just seen to be free.
type Spare struct {
	Account   string
	Instances Spares
}

// Alive says that a small piece of work has ended: nothing hangs.
type Alive struct{}

// Rest is what a service knows when it has nothing to do; it is told again each
// minute.
type Rest struct {
	Until time.Time // when it looks again
	Open  []string  // certificates that are not served, or have an order open
}

func (Progress) event()    {}
func (Call) event()        {}
func (OrderChange) event() {}
func (Spare) event()       {}
func (Alive) event()       {}
func (Rest) event()        {}
