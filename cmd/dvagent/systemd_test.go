package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// manager plays systemd: a socket that services write to, and that is always
// read, since a full one would hold them up.
type manager struct {
	*testing.T
	socket  string
	message chan string
}

func newManager(t *testing.T) manager {
	t.Helper()
	dir, err := os.MkdirTemp("", "dvagent-notify-") // short enough for a socket in it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "notify"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { socket.Close() })
	m := manager{t, socket.LocalAddr().String(), make(chan string, 1000)}
	go m.receive(socket)
	return m
}

func (m manager) receive(socket *net.UnixConn) {
	message := make([]byte, 4096)
	for {
		n, err := socket.Read(message)
		if err != nil {
			return // closed
		}
		m.message <- string(message[:n])
	}
}

// env is the environment that a service with a watchdog is started with.
func (m manager) env(watchdog time.Duration) []string {
	return []string{"NOTIFY_SOCKET=" + m.socket, fmt.Sprintf("WATCHDOG_USEC=%d", watchdog.Microseconds())}
}

// told returns the next message that matches, or false when none comes in time.
func (m manager) told(pattern string, within time.Duration) (string, bool) {
	wanted, end := regexp.MustCompile(pattern), time.After(within)
	for {
		select {
		case <-end:
			return "", false
		case message := <-m.message:
			if wanted.MatchString(message) {
				return message, true
			}
		}
	}
}

func (m manager) await(pattern string) {
	m.Helper()
	if _, ok := m.told(pattern, patience); !ok {
		m.Fatalf("%q was not told in %s", pattern, patience)
	}
}

// append adds to the configuration by one rename.
func (c *trial) append(text string) {
	c.Helper()
	path := c.path("agent.toml")
	old, err := os.ReadFile(path)
	if err != nil {
		c.Fatal(err)
	}
	if err := os.WriteFile(path+".new", append(old, text...), 0o600); err != nil {
		c.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		c.Fatal(err)
	}
}

func TestTheServiceTellsSystemdHowItIs(t *testing.T) {
	c, m := newTrial(t), newManager(t)
	c.append(fmt.Sprintf("\n[[hook]]\non = [\"deployed\"]\ncommand = [\"/bin/sh\", \"-c\", \"env > %s\"]\n", c.path("environment")))
	c.env = append(c.env, m.env(time.Hour)...)
	service := c.start("dvagent", "run")
	m.await("^READY=1$")
	m.await("^STATUS=example.com: ordering: missing$")
	m.await("^STATUS=nothing to do until 20")

	c.append("\n# changed\n")
	m.await(`^RELOADING=1\nMONOTONIC_USEC=[1-9]\d+\n$`)
	m.await("^READY=1$")
	c.append(fmt.Sprintf("\n  [[certificate.deploy]]\n  fullchain = %q\n  reload = [\"false\"]\n", c.path("other.pem")))
	m.await("^READY=1$")
	m.await(`^STATUS=next look at [^;]+; not done: example\.com$`)
	c.append("\ncolour = \"red\"\n")
	m.await("^STATUS=the new configuration is not used: .*colour")
	m.await("^READY=1$")
	if code, err := service.stop(); err != nil || code != exitOK {
		t.Errorf("exit code %d: %v", code, err)
	}
	m.await("^STOPPING=1$")

	environment, err := os.ReadFile(c.path("environment"))
	if err != nil || !strings.Contains(string(environment), "DVAGENT_EVENT=deployed") {
		t.Fatalf("the hook was given %q: %v", environment, err)
	}
	for _, name := range []string{"NOTIFY_SOCKET", "WATCHDOG_USEC"} {
		if strings.Contains(string(environment), name) {
			t.Errorf("a hook is given %s", name)
		}
	}
}

// Each of two reloads takes until the test lets it end: longer than the watchdog
// waits, but within the reload's own limit.
func TestTheWatchdogIsFedWhileASlowCommandRuns(t *testing.T) {
	c, m := newTrial(t), newManager(t)
	for _, name := range []string{"first", "second"} {
		c.append(strings.NewReplacer("$dir", c.dir, "$name", name).Replace(`
  [[certificate.deploy]]
  fullchain = "$dir/$name.pem"
  reload = ["/bin/sh", "-c", "touch $dir/$name.begun; until [ -e $dir/$name.go ]; do sleep 0.02; done"]
`))
	}
	c.env = append(c.env, m.env(200*time.Millisecond)...)
	service := c.start("dvagent", "run")
	for _, name := range []string{"first", "second"} {
		if !eventually(func() bool { _, err := os.Stat(c.path(name + ".begun")); return err == nil }) {
			t.Fatalf("the %s reload did not begin:\n%s", name, service.output.String())
		}
		for said := true; said; { // what was told before
			_, said = m.told("", 10*time.Millisecond)
		}
		for range 2 {
			m.await("^WATCHDOG=1$")
		}
		if err := os.WriteFile(c.path(name+".go"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	m.await("^STATUS=nothing to do until 20")
	if code, err := service.stop(); err != nil || code != exitOK {
		t.Errorf("exit code %d: %v", code, err)
	}
}
