package state

import (
	"encoding/json"
	"fmt"
	"time"

	"dvagent/internal/atomicfile"
	"dvagent/internal/openat"
	"dvagent/internal/untouched"
	"dvagent/internal/words"
)

// Passed is when all that is configured was last looked at, and by whom.
type Passed struct {
	At time.Time `json:"at"`
	By string    `json:"by"` // such as dvagent renew
}

func (d Dir) passed() string { return d.join("passed.json") }

// NotePassed notes that all that is configured was looked at. It is no more than
// a hint to people, so it is written once a minute at most, and not synced.
func (d Dir) NotePassed(p Passed) error {
	if last := d.Passed(); last != nil && p.At.Sub(last.At).Abs() < time.Minute && last.By == p.By {
		return nil
	}
	text, err := json.Marshal(p)
	if err == nil {
		err = atomicfile.Write(atomicfile.File{Path: d.passed(), Data: append(text, '\n'), Mode: 0o600, UID: atomicfile.Keep, GID: atomicfile.Keep, Volatile: true})
	}
	if err != nil {
		return fmt.Errorf("note that all was looked at: %w", err)
	}
	passedFiles.Wrote(d.passed(), p)
	return nil
}

// mostPassed is how long the note may be, in bytes.
const mostPassed = 1 << 10

// Passed is what NotePassed noted last; nil: nothing that can be read.
func (d Dir) Passed() *Passed {
	p, err := passedFiles.Of(d.passed(), func() (p Passed, err error) {
		file, err := openat.ReadFile(d.passed(), mostPassed)
		if err == nil {
			err = json.Unmarshal(file.Data, &p)
		}
		return p, err
	})
	if err != nil || p.At.IsZero() {
		return nil
	}
	return &p
}

var passedFiles untouched.Files[Passed]

// longUnattended is how long a timer may take from one renew to the next.
const longUnattended = 48 * time.Hour

// Unattended is what may renew here although no service answers.
type Unattended struct {
	Text  string `json:"text"`
	Alarm bool   `json:"alarm"` // nothing does that could be seen

	ahead bool // what was done is dated later than now
}

// Unattended is for where no service answers.
func (d Dir) Unattended(now time.Time) *Unattended {
	if holder := d.service(); holder != "" {
		return &Unattended{Text: "the service does not answer: " + holder}
	}
	last := d.Passed()
	if last == nil {
		return &Unattended{Alarm: true, Text: "nothing renews here: no service runs, and no renew has been run yet"}
	}
	service := last.By == ServiceCaller
	if last.At.Sub(now) > time.Minute { // by a clock that was wrong: it may be long ago
		format := map[bool]string{
			true:  "nothing renews here: no service runs, and the last one worked at a time that is yet to come (%s)",
			false: "nothing renews here: no service runs, and the last renew was at a time that is yet to come (%s)",
		}[service]
		return &Unattended{Alarm: true, Text: fmt.Sprintf(format, words.Minute(last.At)), ahead: true}
	}
	alarm := now.Sub(last.At) > longUnattended
	format := map[bool]map[bool]string{
		true: {
			true:  "nothing renews here: no service runs, and the last one worked %s (%s)",
			false: "nothing renews here: no service runs, and the last renew was %s (%s)",
		},
		false: {
			true:  "no service runs; the last one worked %s (%s)",
			false: "no service runs; the last renew was %s (%s)",
		},
	}[alarm][service]
	return &Unattended{Alarm: alarm, Text: fmt.Sprintf(format, words.Ago(last.At, now), words.Minute(last.At))}
}

// Hint is what to do at an alarm.
func (u *Unattended) Hint() string {
	if u.ahead {
		return "see whether the clock of this host is right; then let the service run (systemctl enable --now dvagent), or dvagent renew by cron or a timer"
	}
	return "let the service run (systemctl enable --now dvagent), or dvagent renew by cron or a timer"
}
