package hint

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"testing"
)

func TestHints(t *testing.T) {
	plain := errors.New("it failed")
	full := &os.PathError{Op: "write", Path: "/var/lib/dvagent/lock", Err: syscall.ENOSPC}
	for _, tt := range []struct {
		name string
		err  error
		want string
	}{
		{"an error without advice has none", plain, ""},
		{"advice is found below other errors", fmt.Errorf("order: %w", Add(plain, "try again")), "try again"},
		{"the outermost advice counts", Add(fmt.Errorf("order: %w", Add(plain, "inner")), "outer"), "outer"},
		{"a full disk has its own", fmt.Errorf("store: %w", full), system[0].hint},
		{"advice comes before that of the system", Add(full, "use another directory"), "use another directory"},
		{"no error needs no advice", Add(nil, "x"), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := Of(tt.err); got != tt.want {
				t.Errorf("got %q", got)
			}
		})
	}
	if Add(plain, "x").Error() != "it failed" {
		t.Error("advice changes the text")
	}
}
