package deploy

import (
	"fmt"
	"time"
)

// patience is how long something may take before anybody is told of it.
const patience = time.Second

// waitsFor tells after a moment what is waited for, unless it has come: then done
// is called, after which nothing is told.
func (j Job) waitsFor(what string, limit time.Duration) (done func()) {
	if j.Waits == nil || limit <= patience {
		return func() {}
	}
	told := make(chan struct{})
	timer := time.AfterFunc(patience, func() {
		defer close(told)
		j.Waits(fmt.Sprintf("%s, up to %.0f s", what, limit.Seconds()))
	})
	return func() {
		if !timer.Stop() {
			<-told
		}
	}
}
