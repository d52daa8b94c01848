package config

import (
	"strings"
	"testing"
)

func TestANameIsOneThatADirectoryCanHave(t *testing.T) {
	for name, want := range map[string]bool{
		"www": true, "a": true, "0.example-1.com": true, strings.Repeat("a", 128): true,
		"": false, ".": false, "..": false, ".a": false, "-a": false, "a/b": false, "A": false, "a b": false, "a\n": false, "a_b": false,
		"ä": false, "a\x00b": false, strings.Repeat("a", 129): false,
	} {
		if IsName(name) != want {
			t.Errorf("IsName(%q) is not %v", name, want)
		}
	}
}

func TestAnInstanceHasLettersAndDigits(t *testing.T) {
	for id, want := range map[string]bool{"cas-Ab_1": true, "-": true, "": false, "a.b": false, "a/b": false, strings.Repeat("a", 129): false} {
		if isInstance(id) != want {
			t.Errorf("isInstance(%q) is not %v", id, want)
		}
	}
}
