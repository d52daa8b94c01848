package secret

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const canary = "canary-4f1d8c7e"

func TestASecretNeverShowsItself(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(canary+"\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("CANARY", canary)
	for _, secret := range []Secret{{Literal: canary}, {File: file}, {Env: "CANARY"}} {
		holder := struct{ Inner Secret }{secret}
		var shown bytes.Buffer
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t"} {
			fmt.Fprintf(&shown, verb+verb, secret, holder)
			fmt.Fprintf(&shown, verb, &secret)
		}
		marshalled, err := json.Marshal(holder)
		if err != nil {
			t.Fatal(err)
		}
		shown.Write(marshalled)
		slog.New(slog.NewTextHandler(&shown, nil)).Info("m", "secret", secret, "holder", holder)
		slog.New(slog.NewJSONHandler(&shown, nil)).Info("m", "secret", secret, "holder", holder)
		if text := shown.String(); strings.Contains(text, canary) || strings.Contains(text, fmt.Sprintf("%x", canary)) {
			t.Errorf("shown: %s", text)
		}
		if got, err := secret.Resolve(); got != canary || err != nil {
			t.Errorf("%s resolves to %d bytes, %v", secret, len(got), err)
		}
	}
}

// fault 161
func TestASecretEndsBeforeItsNewlines(t *testing.T) {
	for _, text := range []string{canary, canary + "\n", canary + "\r\n", canary + "\n\n"} {
		file := filepath.Join(t.TempDir(), "secret")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		t.Setenv("CANARY", text)
		for _, secret := range []Secret{{Literal: text}, {File: file}, {Env: "CANARY"}} {
			if got, err := secret.Resolve(); got != canary || err != nil {
				t.Errorf("%s of %q resolves to %d bytes, %v", secret, text, len(got), err)
			}
		}
	}
}

func TestASecretHasOnePlace(t *testing.T) {
	for _, tt := range []struct {
		name     string
		secret   Secret
		zero, ok bool
	}{
		{"none", Secret{}, true, true},
		{"the text", Secret{Literal: canary}, false, true},
		{"a file", Secret{File: "/f"}, false, true},
		{"a variable", Secret{Env: "E"}, false, true},
		{"two", Secret{Literal: canary, Env: "E"}, false, false},
		{"three", Secret{canary, "/f", "E"}, false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.secret.Check()
			if tt.secret.IsZero() != tt.zero || (err == nil) != tt.ok || err != nil && strings.Contains(err.Error(), canary) {
				t.Errorf("zero %v, error %v", tt.secret.IsZero(), err)
			}
		})
	}
}

func TestAnEmptySecretIsAnError(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("EMPTY", "")
	t.Setenv("BLANK", "\n")
	for _, secret := range []Secret{{}, {File: file}, {File: file + ".gone"}, {Env: "EMPTY"}, {Env: "BLANK"}} {
		if text, err := secret.Resolve(); text != "" || err == nil {
			t.Errorf("%s: no error", secret)
		}
	}
}
