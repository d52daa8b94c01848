package dashboard

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/websocket"

	"dvagent/agent/state"
)

// browser is one tab of a headless Chromium, driven by its DevTools protocol.
type browser struct {
	*testing.T
	conn     *websocket.Conn
	session  string // of the tab
	last     int
	requests []string // the addresses that pages asked for
	loaded   bool
}

// newBrowser starts Chromium, or skips the test where there is none. All that
// is not loopback goes to a proxy that is not there.
func newBrowser(t *testing.T) *browser {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("chromium is not installed: the page was not looked at in a browser")
	}
	dir := t.TempDir()
	chromium := exec.Command(path, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--hide-scrollbars",
		"--proxy-server=127.0.0.1:1", "--user-data-dir="+dir, "--remote-debugging-port=0", "--remote-allow-origins=*", "about:blank")
	chromium.Env = append(os.Environ(), "HOME="+dir)
	if err := chromium.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		chromium.Process.Kill()
		chromium.Wait()
		for range 50 { // its children write on for a moment
			if os.RemoveAll(dir) == nil {
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
	})
	b := &browser{T: t, conn: dial(t, filepath.Join(dir, "DevToolsActivePort"))}
	t.Cleanup(func() { b.conn.Close() })
	b.attach()
	return b
}

func (b *browser) attach() {
	b.Helper()
	var tab struct{ TargetID string }
	b.call("Target.createTarget", object{"url": "about:blank"}, &tab)
	var attached struct{ SessionID string }
	b.call("Target.attachToTarget", object{"targetId": tab.TargetID, "flatten": true}, &attached)
	b.session = attached.SessionID
	b.call("Page.enable", object{}, nil)
	b.call("Network.enable", object{}, nil)
}

// dial waits for the file in which Chromium says where it listens.
func dial(t *testing.T, portFile string) *websocket.Conn {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		text, err := os.ReadFile(portFile)
		port, path, found := strings.Cut(strings.TrimSpace(string(text)), "\n")
		if err != nil || !found {
			continue
		}
		conn, err := websocket.Dial("ws://127.0.0.1:"+port+path, "", "http://127.0.0.1")
		if err != nil {
			t.Fatal(err)
		}
		conn.MaxPayloadBytes = 64 << 20
		return conn
	}
	t.Fatal("chromium does not say where it listens")
	return nil
}

type devtools struct {
	ID      int             `json:"id,omitempty"`
	Session string          `json:"sessionId,omitempty"`
	Method  string          `json:"method,omitempty"`
	Params  json.RawMessage `json:"params,omitempty"`
	Result  json.RawMessage `json:"result,omitempty"`
	Error   json.RawMessage `json:"error,omitempty"`
}

// call sends a command and decodes its result.
func (b *browser) call(method string, params, result any) {
	b.Helper()
	b.last++
	text, err := json.Marshal(params)
	if err != nil {
		b.Fatal(err)
	}
	if err := websocket.JSON.Send(b.conn, devtools{ID: b.last, Session: b.session, Method: method, Params: text}); err != nil {
		b.Fatal(err)
	}
	for {
		m := b.receive()
		if m.ID != b.last {
			continue
		}
		if m.Error != nil {
			b.Fatalf("%s: %s", method, m.Error)
		}
		if result != nil {
			if err := json.Unmarshal(m.Result, result); err != nil {
				b.Fatal(err)
			}
		}
		return
	}
}

// receive takes one message and notes what the page does.
func (b *browser) receive() devtools {
	b.Helper()
	b.conn.SetReadDeadline(time.Now().Add(30 * time.Second))
	var m devtools
	if err := websocket.JSON.Receive(b.conn, &m); err != nil {
		b.Fatal(err)
	}
	switch m.Method {
	case "Network.requestWillBeSent":
		var event struct{ Request struct{ URL string } }
		if err := json.Unmarshal(m.Params, &event); err != nil {
			b.Fatal(err)
		}
		b.requests = append(b.requests, event.Request.URL)
	case "Page.loadEventFired":
		b.loaded = true
	}
	return m
}

type object map[string]any

// open shows the address in a window of that width.
func (b *browser) open(address, scheme string, width int) {
	b.Helper()
	b.call("Emulation.setDeviceMetricsOverride", object{"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false}, nil)
	b.call("Emulation.setEmulatedMedia", object{"features": []object{{"name": "prefers-color-scheme", "value": scheme}}}, nil)
	b.loaded = false
	b.call("Page.navigate", object{"url": address}, nil)
	for !b.loaded {
		b.receive()
	}
}

// evaluate returns what a JavaScript expression of type string amounts to.
func (b *browser) evaluate(expression string) string {
	b.Helper()
	var answer struct {
		Result           struct{ Value string }
		ExceptionDetails json.RawMessage
	}
	b.call("Runtime.evaluate", object{"expression": expression, "returnByValue": true}, &answer)
	if answer.ExceptionDetails != nil {
		b.Fatalf("%s", answer.ExceptionDetails)
	}
	return answer.Result.Value
}

// screenshot saves the whole page.
func (b *browser) screenshot(path string) {
	b.Helper()
	var shot struct{ Data string }
	b.call("Page.captureScreenshot", object{"captureBeyondViewport": true}, &shot)
	png, err := base64.StdEncoding.DecodeString(shot.Data)
	if err == nil {
		err = os.WriteFile(path, png, 0o600)
	}
	if err != nil {
		b.Fatal(err)
	}
}

// tooWide names what reaches beyond the window.
const tooWide = `[...document.querySelectorAll("body *")].filter(e => !e.closest("svg") && e.getClientRects().length &&
	e.getBoundingClientRect().right > innerWidth + 1).map(e => e.tagName + "." + e.className + ": " + e.textContent.slice(0, 40)).join("\n") +
	(document.documentElement.scrollWidth > innerWidth ? "the page is " + document.documentElement.scrollWidth + " wide" : "")`

// tooFaint names text whose contrast is less than the 4.5 of WCAG 2.2, 1.4.3.
const tooFaint = `(() => {
	const rgb = c => c.match(/[\d.]+/g).map(Number);
	const light = c => { const [r, g, b] = rgb(c).map(v => (v /= 255) <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4); return .2126 * r + .7152 * g + .0722 * b };
	const ground = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor, p = rgb(c); if (p.length < 4 || p[3] > 0) return c } return "rgb(255,255,255)" };
	return [...document.querySelectorAll("body *")].filter(e => !e.closest("svg") && [...e.childNodes].some(n => n.nodeType == 3 && n.data.trim())).map(e => {
		const [a, b] = [light(getComputedStyle(e).color), light(ground(e))].sort((x, y) => y - x);
		return [(a + .05) / (b + .05), e] }).filter(([r]) => r < 4.5).map(([r, e]) => r.toFixed(2) + " " + e.tagName + "." + e.className + " " + e.textContent.slice(0, 40)).join("\n")
})()`

// unnamed names what a screen reader could not tell.
const unnamed = `[...document.querySelectorAll("svg:not([aria-hidden]), input:not([type=hidden]), a, button, section")].filter(e =>
	!(e.getAttribute("aria-label") || e.getAttribute("aria-labelledby") && document.getElementById(e.getAttribute("aria-labelledby")) || e.labels && e.labels.length ||
	/^(A|BUTTON)$/.test(e.tagName) && e.textContent.trim())).map(e => e.outerHTML.slice(0, 80)).join("\n")`

// The pages of hosts with 0, 1, 25 and 3,000 certificates, and of single ones, are
// looked at: light and dark, wide and narrow, in English and in Chinese.
func TestThePageIsGoodToReadInABrowser(t *testing.T) {
	b := newBrowser(t)
	pictures := t.TempDir()
	if dir := os.Getenv("DVAGENT_PICTURES"); dir != "" {
		pictures = dir
	}
	thousands := make([]past, 3000)
	for i := range thousands {
		thousands[i] = past{name: fmt.Sprintf("host%d", i), bare: true}
	}
	for name, all := range map[string][]past{
		"none": nil, "one": {{name: "www", age: 30 * day, left: 60 * day}}, "states": everyState(), "thousands": thousands,
	} {
		h := newHost(t, all...)
		h.busy()
		address := h.open()
		widths := []int{1280, 768, 390, 320}
		if len(all) > 100 {
			widths = []int{390} // where there is most to lay out
		}
		for _, scheme := range []string{"light", "dark"} {
			for _, width := range widths {
				b.lookAt(t, pictures, sight{name, address, "en", scheme, width})
			}
			b.lookAt(t, pictures, sight{name, address, "zh-CN", scheme, 390})
		}
		if name != "states" {
			continue
		}
		for _, one := range []string{"www", "intranet", "static", "damaged"} {
			for _, width := range []int{1280, 320} {
				b.lookAt(t, pictures, sight{one, address + "/certificate?name=" + one, "en", "light", width})
				b.lookAt(t, pictures, sight{one, address + "/certificate?name=" + one, "zh-CN", "dark", width})
			}
		}
	}
	b.T = t
	for _, request := range b.requests {
		if u, err := url.Parse(request); err != nil || u.Hostname() != "127.0.0.1" || !slices.Contains([]string{"/", "/certificate", "/favicon.ico"}, u.Path) {
			t.Errorf("the page asks for %s", request)
		}
	}
	if len(b.requests) == 0 {
		t.Error("no request was seen at all")
	}
}

// sight is one way to look at a page.
type sight struct {
	name, address, language, scheme string
	width                           int
}

// lookAt takes a picture and says what is not good to read.
func (b *browser) lookAt(t *testing.T, pictures string, v sight) {
	name := fmt.Sprintf("%s-%s-%s-%d", v.name, v.language, v.scheme, v.width)
	t.Run(name, func(t *testing.T) {
		b.T = t
		b.call("Network.setExtraHTTPHeaders", object{"headers": object{"Accept-Language": v.language}}, nil)
		b.open(v.address, v.scheme, v.width)
		b.screenshot(filepath.Join(pictures, name+".png"))
		for what, script := range map[string]string{"too wide": tooWide, "too faint": tooFaint, "without a name": unnamed} {
			if found := b.evaluate(script); found != "" {
				t.Errorf("%s:\n%s", what, found)
			}
		}
		ground := b.evaluate(`getComputedStyle(document.body).backgroundColor`)
		if dark := ground == "rgb(18, 21, 25)"; dark != (v.scheme == "dark") {
			t.Errorf("the ground is %s", ground)
		}
	})
}

// busy lets the host have done something lately.
func (h *host) busy() {
	now := time.Now()
	h.board.noteSpare(state.Spare{Account: "main", Instances: state.Spares{{}: 2}})
	for _, p := range []state.Progress{
		{At: now.Add(-70 * time.Minute), Certificate: "www", Step: "allocate", Text: "ordering: in window"},
		{At: now.Add(-69 * time.Minute), Certificate: "www", Step: "present", Text: "wrote the TXT record _dnsauth.example.com in zone example.com"},
		{At: now.Add(-9 * time.Minute), Certificate: "www", Step: "propagate", Waiting: true,
			Text: "127.0.0.1:35687 stale (serial 1795473076, others have 1795473077); 1 of 2 visible"},
		{At: now.Add(-3 * time.Minute), Certificate: "mail", Step: "submit", Err: errors.New("CreateDVOrderAudit: Forbidden.RAM (403)")},
		{At: now.Add(-10 * time.Second), Certificate: "app-20", Step: "deploy", Text: "installed at /etc/nginx/tls/app-20.key; 127.0.0.1:443 serves the certificate of 2026-11-23 (…0777)"},
	} {
		h.board.note(p)
	}
}
