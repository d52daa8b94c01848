package state

import "testing"

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
