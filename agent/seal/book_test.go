package seal

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

func filled(t *testing.T) (path string, seals map[string]Seal) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "seals")
	b := Open(path)
	b.Put("a.example.com", Seal{Sum: Sum{1, 2}, Looked: 100, Until: 200, Renews: 200, Ends: 300})
	b.Put("b.example.com", Seal{Sum: Sum{3}, Looked: -1, Until: 1 << 40, Renews: 1, Ends: 0})
	b.PutLedgers(Sum{7})
	if err := b.Save(); err != nil {
		t.Fatal(err)
	}
	return path, b.seals
}

func TestABookIsReadAsItWasWritten(t *testing.T) {
	path, seals := filled(t)
	b := Open(path)
	if !maps.Equal(b.seals, seals) || b.Ledgers() != (Sum{7}) {
		t.Errorf("read %v, %v", b.seals, b.ledgers)
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	b.Drop("a.example.com")
	if err := b.Save(); err != nil {
		t.Fatal(err)
	}
	if names := Open(path).Names(); !slices.Equal(names, []string{"b.example.com"}) {
		t.Errorf("left are %v", names)
	}
}

func TestWhatAKilledProcessLeftIsCleared(t *testing.T) {
	path, seals := filled(t)
	staged := filepath.Join(filepath.Dir(path), ".seals.dvagent")
	if err := os.WriteFile(staged, []byte("dvagent-"), 0o600); err != nil {
		t.Fatal(err)
	}
	if b := Open(path); !maps.Equal(b.seals, seals) {
		t.Errorf("read %v", b.seals)
	}
	if _, err := os.Lstat(staged); err == nil {
		t.Error("it is still there")
	}
}

func TestADamagedBookIsAnEmptyOne(t *testing.T) {
	path, _ := filled(t)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	empty := func(name string) {
		t.Helper()
		if b := Open(path); len(b.seals) > 0 || b.ledgers != (Sum{}) || b.salt == (salt{}) {
			t.Errorf("%s: %v is believed", name, b.seals)
		}
	}
	for i := range whole {
		damaged := slices.Clone(whole)
		damaged[i] ^= 0x10
		os.WriteFile(path, damaged, 0o600)
		empty("a flipped bit")
		os.WriteFile(path, whole[:i], 0o600)
		empty("a cut file")
	}
	os.WriteFile(path, append(slices.Clone(whole), 0), 0o600)
	empty("a longer file")
	os.WriteFile(path, []byte(`{"seals": {"a.example.com": {}}}`), 0o600)
	empty("a foreign file")
	elsewhere := filepath.Join(t.TempDir(), "seals")
	os.WriteFile(elsewhere, whole, 0o600)
	for name, put := range map[string]func() error{
		"nothing":     func() error { return nil },
		"a symlink":   func() error { return os.Symlink(elsewhere, path) },
		"a directory": func() error { return os.Mkdir(path, 0o700) },
	} {
		os.Remove(path)
		if err := put(); err != nil {
			t.Fatal(err)
		}
		empty(name)
	}
	os.Remove(path)
	b := Open(path)
	b.Put("a.example.com", Seal{Looked: 1})
	if err := b.Save(); err != nil || len(Open(path).Names()) != 1 {
		t.Errorf("it is not made anew: %v", err)
	}
}

func TestASealHoldsForADayAtMost(t *testing.T) {
	looked := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name  string
		sum   byte // decides how much sooner than after a day all is read
		until time.Duration
		at    time.Duration
		want  bool
	}{
		{"at once", 0, 48 * time.Hour, 0, true},
		{"nearly a day later", 0, 48 * time.Hour, 24*time.Hour - time.Second, true},
		{"a day later", 0, 48 * time.Hour, 24 * time.Hour, false},
		{"eighteen hours later, where looks come early", 0xff, 48 * time.Hour, 18*time.Hour + 2*time.Minute, false},
		{"less than that later", 0xff, 48 * time.Hour, 18 * time.Hour, true},
		{"before something is to be done", 0, time.Hour, time.Hour - time.Second, true},
		{"when something is to be done", 0, time.Hour, time.Hour, false},
		{"by a clock that was set back", 0, 48 * time.Hour, -time.Second, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := Seal{Sum: Sum{tt.sum, tt.sum}, Looked: looked.Unix(), Until: looked.Add(tt.until).Unix()}
			if got := s.Holds(looked.Add(tt.at)); got != tt.want {
				t.Errorf("holds: %v", got)
			}
		})
	}
}
