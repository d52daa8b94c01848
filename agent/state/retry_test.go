package state

import (
	"errors"
	"testing"
	"time"
)

type passing struct{ error }

func (passing) Transient() bool { return true }

func TestWhatPassesIsTriedMoreAndMoreSeldom(t *testing.T) {
	longest := func(failures int) (most time.Duration) {
		for range 200 {
			most = max(most, Backoff(failures, passing{errors.New("no answer")}))
		}
		return most
	}
	for _, tt := range []struct {
		name     string
		failures int
		most     time.Duration
	}{
		{"a first failure", 0, time.Second},
		{"some failures", 5, 32 * time.Second},
		{"a quarter of an hour", 9, 5 * time.Minute},
		{"five hours", 23, time.Hour},
		{"a year", 9000, time.Hour},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := longest(tt.failures); got > tt.most || got < tt.most*9/10 {
				t.Errorf("waits %s, which may be %s", got, tt.most)
			}
		})
	}
	var lasted time.Duration
	for n := range 23 {
		wait := longest(n)
		if wait > 6*time.Minute+lasted/5 {
			t.Errorf("after %d failures, which take %s, it waits %s", n, lasted, wait)
		}
		lasted += wait
	}
}

func TestAFailureIsNewsByItsCause(t *testing.T) {
	for _, tt := range []struct {
		name, cause, told string
		news              bool
	}{
		{"nothing was told yet", "nginx failed: exit status 1", "", true},
		{"the same cause", "nginx failed: exit status 1", "nginx failed: exit status 1", false},
		{"another exit status", "nginx failed: exit status 1", "nginx failed: exit status 12", true},
		{"another command", "nginx failed: exit status 1", "apachectl failed: exit status 1", true},
		// fault 128
		{"the text of an older dvagent that holds it", "A: Throttling (400)", "submit: A: Throttling (400) (request 1)", false},
		{"a text of another failure", "A: Throttling (400)", "submit: A: Forbidden.RAM (403) (request 1)", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := News(tt.cause, tt.told); got != tt.news {
				t.Errorf("news: %t", got)
			}
		})
	}
}
