package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mattn/go-runewidth"
	"golang.org/x/sys/unix"

	"dvagent/internal/sandbox"
)

// session is dvagent on a pseudo terminal, as a person sees it.
type session struct {
	*testing.T
	cmd     *exec.Cmd
	person  *os.File // the person's end
	program *os.File // the program's end
	shown   lines
	ended   chan struct{}
}

// atTerminal runs dvagent on a terminal with that many columns.
func atTerminal(t *testing.T, columns int, env []string, args ...string) *session {
	t.Helper()
	s := &session{T: t, cmd: exec.Command("dvagent", args...), ended: make(chan struct{})}
	s.person, s.program = openTerminal(t)
	s.resize(columns)
	s.cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "TERM=xterm", "TZ=UTC"}, env...)
	s.cmd.Stdin, s.cmd.Stdout, s.cmd.Stderr = s.program, s.program, s.program
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	read := make(chan struct{})
	go func() {
		defer close(read)
		io.Copy(&s.shown, s.person)
	}()
	go func() {
		defer close(s.ended)
		s.cmd.Wait() // the exit code is read later
	}()
	t.Cleanup(func() {
		s.cmd.Process.Kill()
		<-s.ended
		s.program.Close()
		<-read
	})
	return s
}

func openTerminal(t *testing.T) (person, program *os.File) {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { person.Close() })
	if err := unix.IoctlSetPointerInt(int(person.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(int(person.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	program, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	return person, program
}

func (s *session) resize(columns int) {
	s.Helper()
	size := &unix.Winsize{Row: 30, Col: uint16(columns)}
	if err := unix.IoctlSetWinsize(int(s.program.Fd()), unix.TIOCSWINSZ, size); err != nil {
		s.Fatal(err)
	}
}

// mode is how the terminal treats what is typed.
func (s *session) mode() unix.Termios {
	s.Helper()
	mode, err := unix.IoctlGetTermios(int(s.program.Fd()), unix.TCGETS)
	if err != nil {
		s.Fatal(err)
	}
	return *mode
}

func (s *session) await(pattern string) {
	s.Helper()
	re := regexp.MustCompile(pattern)
	if !eventually(func() bool { return re.MatchString(s.shown.String()) }) {
		s.Fatalf("%q was not shown:\n%q", pattern, s.shown.String())
	}
}

// exit waits for the program to end and returns all that it showed.
func (s *session) exit() (code int, shown string) {
	s.Helper()
	select {
	case <-s.ended:
	case <-time.After(patience):
		s.Fatalf("it goes on:\n%q", s.shown.String())
	}
	io.WriteString(s.program, "the end")
	s.await("the end$")
	return s.cmd.ProcessState.ExitCode(), strings.ReplaceAll(strings.TrimSuffix(s.shown.String(), "the end"), "\r\n", "\n")
}

// configured writes the agent.toml of a sandbox, for the certificate example.com.
func configured(t *testing.T, options sandbox.Options, extra string) (path string) {
	t.Helper()
	s, dir := startSandbox(t, options), t.TempDir()
	path = filepath.Join(dir, "agent.toml")
	if err := os.WriteFile(path, []byte(s.AgentConfig(filepath.Join(dir, "state"))+extra), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const thirdLongName = `
[[certificate]]
name = "a-name-that-is-rather-long.example.com"
domains = ["a-name-that-is-rather-long.example.com"]
`

func TestStatusIsColouredAndCutForATerminalAlone(t *testing.T) {
	t.Parallel()
	path := configured(t, sandbox.Options{}, thirdLongName)
	for _, tt := range []struct {
		name    string
		env     []string
		columns int
		colours bool
	}{
		{"a wide terminal", nil, 160, true},
		{"a narrow one", nil, 60, true},
		{"one whose size is not known", nil, 0, true},
		{"NO_COLOR", []string{"NO_COLOR=1"}, 80, false},
		{"NO_COLOR that is empty", []string{"NO_COLOR="}, 80, true},
		{"a terminal that is dumb", []string{"TERM=dumb"}, 80, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			code, shown := atTerminal(t, tt.columns, tt.env, "--config", path, "status").exit()
			if code != 0 || !strings.Contains(shown, "none of 2 certificates needs you") {
				t.Errorf("exit code %d, shown:\n%s", code, shown)
			}
			if got := strings.Contains(shown, "\x1b["); got != tt.colours {
				t.Errorf("colours: %v", got)
			}
			cells := runewidth.Condition{StrictEmojiNeutral: true}
			columns := tt.columns
			if columns == 0 {
				columns = 80
			}
			for line := range strings.Lines(regexp.MustCompile("\x1b\\[[0-9]*m").ReplaceAllString(shown, "")) {
				if width := cells.StringWidth(strings.TrimRight(line, "\n")); width > columns {
					t.Errorf("%d cells: %q", width, line)
				}
			}
			if wide := strings.Contains(shown, "RENEWS AT"); wide != (columns > 100) {
				t.Errorf("all columns: %v\n%s", wide, shown)
			}
		})
	}
}

func TestStatusIsWatchedUntilSomeoneHasEnough(t *testing.T) {
	t.Parallel()
	path := configured(t, sandbox.Options{}, "")
	for _, tt := range []struct {
		name string
		end  func(*session)
	}{
		{"by q", func(s *session) { io.WriteString(s.person, "q") }},
		{"by Ctrl-C", func(s *session) { io.WriteString(s.person, "\x03") }},
		{"by SIGTERM", func(s *session) { s.cmd.Process.Signal(syscall.SIGTERM) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := atTerminal(t, 100, nil, "--config", path, "status", "--watch")
			s.await(`(?s)\x1b\[\?1049h.*an order is due.*an order is due`) // drawn anew
			raw := s.mode()
			tt.end(s)
			code, shown := s.exit()
			if code != 0 || !strings.HasSuffix(shown, "\x1b[?7h\x1b[?25h\x1b[?1049l") {
				t.Errorf("exit code %d, shown at last: %q", code, shown[max(len(shown)-80, 0):])
			}
			if strings.Contains(shown, "\x1b[2J") {
				t.Error("the screen was cleared, which flickers")
			}
			if raw.Lflag&unix.ICANON != 0 || s.mode().Lflag&unix.ICANON == 0 {
				t.Error("the terminal was not raw meanwhile, or is not as it was")
			}
		})
	}
}

func TestAWatchedStatusFollowsTheConfigurationAndTheSize(t *testing.T) {
	t.Parallel()
	path := configured(t, sandbox.Options{}, "")
	s := atTerminal(t, 100, nil, "--config", path, "status", "--watch")
	s.await("none of 1 certificate needs you")
	if err := os.WriteFile(path, []byte("certificates = 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.await("unknown key")
	s.resize(20)
	narrow := "\x1b\\[K\r\n[^\r]{0,25}\x1b\\[0m\x1b\\[K\r\n" // the error in short lines
	s.await(narrow)
	shown := s.shown.String()
	looks := regexp.MustCompile(`status at (\S+);`).FindAllString(shown[:regexp.MustCompile(narrow).FindStringIndex(shown)[0]], -1)
	if n := len(looks); looks[n-1] != looks[n-2] {
		t.Errorf("the new size had to wait for another look: %q", looks)
	}
	io.WriteString(s.person, "q")
	if code, _ := s.exit(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

func TestARenewalShowsItsStepsAndWhatItWaitsFor(t *testing.T) {
	t.Parallel()
	path := configured(t, sandbox.Options{IssueAfter: 2500 * time.Millisecond,
		Propagation: []time.Duration{10 * time.Millisecond, 1500 * time.Millisecond}}, thirdLongName)
	s := atTerminal(t, 90, nil, "--config", path, "renew")
	s.await(`example\.com  propagate 1s  waits for 127\.0\.0\.1:\d+ `) // which name server, and for how long
	s.resize(50)
	s.await(`example\.com  issue \ds  waits for issuance`)
	code, shown := s.exit()
	if code != 0 {
		t.Errorf("exit code %d, shown at last: %q", code, shown[max(len(shown)-3000, 0):])
	}
	if !regexp.MustCompile(`\x1b\[J\x1b\[36m(example\.com .*\n.*a-name-that-is-rather-long|a-name-that-is-rather-long.*\n.*example\.com )`).MatchString(shown) {
		t.Error("two certificates were not shown side by side")
	}
	for _, finished := range []string{"submitted the order", "wrote the TXT record _dnsauth.example.com", "stored version"} {
		if n := strings.Count(shown, finished); n == 0 || n > 2 {
			t.Errorf("%q was shown %d times", finished, n)
		}
	}
	if left := shown[strings.LastIndex(shown, "\x1b[J"):]; strings.Contains(left, "waits for") {
		t.Errorf("what was waited for stays: %q", left)
	}
}

func TestAQuietRenewalShowsNothingOnATerminal(t *testing.T) {
	t.Parallel()
	path := configured(t, sandbox.Options{IssueAfter: time.Millisecond, Propagation: []time.Duration{time.Millisecond}}, "")
	if code, shown := atTerminal(t, 80, nil, "--config", path, "renew", "--quiet").exit(); code != 0 || shown != "" {
		t.Errorf("exit code %d, shown: %q", code, shown)
	}
}
