package users

import (
	"os"
	"testing"
	"time"
)

// fault 145
func TestANumberThatWasFoundHoldsOnWhileTheDirectoryDoesNotAnswer(t *testing.T) {
	dir := t.TempDir()
	says := func(script string) {
		if err := os.WriteFile(dir+"/getent", []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		if stored, asked := known.Load(entry{"passwd", "carol"}); asked {
			stored.(*answer).next = time.Time{} // the time for another question has come
		}
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	for _, tt := range []struct {
		name, script string
		want         int
		unknown      bool
	}{
		{"the directory is away from the beginning", "exit 1", 0, true},
		{"it answers", "echo carol:*:4711:1::/:", 4711, false},
		{"it is away", "exit 1", 4711, false},
		{"it answers otherwise", "echo carol:*:4712:1::/:", 4712, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			says(tt.script)
			if number, err := UID(t.Context(), "carol"); number != tt.want || (err != nil) != tt.unknown {
				t.Errorf("%d, error %v", number, err)
			}
		})
	}
}
