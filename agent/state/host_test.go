package state

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"dvagent/agent/config"
)

func TestAWarningIsGivenOnceAndNamesTheCertificateThatItIsAbout(t *testing.T) {
	var out bytes.Buffer
	h := NewHost(&config.Config{StateDir: t.TempDir()}, slog.New(slog.NewTextHandler(&out, nil)), nil)
	for range 2 {
		h.WarnOnce("www", "the key is readable by all")
		h.WarnOnce("", "the fleet cannot be asked")
	}
	text := out.String()
	if strings.Count(text, "\n") != 2 || strings.Count(text, "certificate=") != 1 || !strings.Contains(text, "certificate=www") {
		t.Errorf("got\n%s", text)
	}
}
