package config

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"dvagent/internal/hint"
)

// Window is how long before its end a certificate is renewed: a share of its
// lifetime or a fixed time.
type Window struct {
	Share float64 // of the lifetime, 0 to 1; 0 means Fixed counts
	Fixed time.Duration
}

// longestShare keeps a window shorter than the lifetime: a certificate that is
// due the moment it is issued would be bought again at once.
const longestShare = 2.0 / 3

// Of returns the window of a certificate that lives that long, at most two
// thirds of it.
func (w Window) Of(lifetime time.Duration) time.Duration {
	window := w.Fixed
	if w.Share > 0 {
		window = time.Duration(w.Share * float64(lifetime))
	}
	return min(window, time.Duration(longestShare*float64(lifetime)))
}

func parseWindow(text string) (Window, error) {
	if percent, found := strings.CutSuffix(text, "%"); found {
		share, err := strconv.ParseFloat(percent, 64)
		if err != nil || !(share > 0 && share < 100) {
			return Window{}, fmt.Errorf("%q is not a share between 0%% and 100%%", text)
		}
		return Window{Share: share / 100}, nil
	}
	fixed, err := ParseDuration(text)
	return Window{Fixed: fixed}, err
}

// ParseDuration reads what time.ParseDuration reads, and whole days as "30d".
func ParseDuration(text string) (time.Duration, error) {
	duration, err := parseDuration(text)
	return duration, hint.Add(err, durationHint(text))
}

func parseDuration(text string) (time.Duration, error) {
	duration, err := time.ParseDuration(text)
	if days, found := strings.CutSuffix(text, "d"); found {
		var n int
		n, err = strconv.Atoi(days)
		duration = time.Duration(n) * 24 * time.Hour
		if n > 10000 {
			err = strconv.ErrRange
		}
	}
	if err != nil || duration <= 0 {
		return 0, fmt.Errorf("%q is not a positive duration such as \"90s\", \"48h\" or \"30d\"", text)
	}
	return duration, nil
}
