package notify

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"dvagent/internal/hint"
	"dvagent/internal/secret"
)

func literal(text string) secret.Secret { return secret.Secret{Literal: text} }

// canary stands in addresses and secrets, and nowhere else.
const canary = "canary-4f1d8c7e"

var twoFailed = Message{Event: Failed, Host: "web1", At: time.Unix(1_800_000_000, 0),
	Notices: []Notice{{"www", "submit: no <at user_id=\"all\"></at>\x1b[2J"}, {"shop", "the same"}}}

// robot answers like the service of its kind: it takes what is signed with its
// secret and has the right form, once for each call.
type robot struct {
	kind, key string
	texts     []string
}

func (r *robot) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	var body struct {
		MsgType  string `json:"msgtype"`
		MsgType2 string `json:"msg_type"`
		Text     any    `json:"text"`
		Content  struct {
			Text string `json:"text"`
		} `json:"content"`
		Timestamp string   `json:"timestamp"`
		Sign      string   `json:"sign"`
		Event     string   `json:"event"`
		Title     string   `json:"title"`
		Notices   []Notice `json:"notices"`
	}
	raw, _ := io.ReadAll(request.Body)
	err := json.Unmarshal(raw, &body)
	if request.Method != http.MethodPost || !strings.HasPrefix(request.Header.Get("Content-Type"), "application/json") {
		err = errors.New("not a POST of JSON")
	}
	query := request.URL.Query()
	inner, _ := body.Text.(map[string]any)
	text := fmt.Sprint(inner["content"])
	answer := `{"errcode":0,"errmsg":"ok"}`
	switch r.kind {
	case DingTalk:
		at, _ := strconv.ParseInt(query.Get("timestamp"), 10, 64)
		fresh := time.Since(time.UnixMilli(at)).Abs() < time.Hour
		if query.Get("access_token") != canary || r.key != "" && (!fresh || query.Get("sign") != sign(r.key, query.Get("timestamp")+"\n"+r.key)) {
			answer = `{"errcode":310000,"errmsg":"sign not match for ` + canary + `"}`
		} else if body.MsgType != "text" {
			answer = `{"errcode":400105,"errmsg":"unsupported msgtype"}`
		}
	case Feishu:
		text, answer = body.Content.Text, `{"code":0,"data":{},"msg":"success"}`
		at, _ := strconv.ParseInt(body.Timestamp, 10, 64)
		fresh := time.Since(time.Unix(at, 0)).Abs() < time.Hour
		if r.key != "" && (!fresh || body.Sign != sign(body.Timestamp+"\n"+r.key, "")) || body.MsgType2 != "text" {
			answer = `{"code":19021,"msg":"sign match fail or timestamp is not within one hour from current time"}`
		}
	case WeCom:
		if query.Get("key") != canary || body.MsgType != "text" {
			answer = `{"errcode":93000,"errmsg":"invalid webhook url"}`
		}
	case Webhook:
		text, answer = fmt.Sprint(body.Text), ""
		if body.Event != Failed || len(body.Notices) != 2 {
			err = errors.New("not the documented fields")
		}
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	r.texts = append(r.texts, text)
	io.WriteString(w, answer)
}

func TestEachRobotTakesTheMessage(t *testing.T) {
	for _, tt := range []struct{ name, kind, path, key string }{
		{"DingTalk", DingTalk, "/robot/send?access_token=" + canary, ""},
		{"DingTalk with a signature", DingTalk, "/robot/send?access_token=" + canary, "SEC-" + canary},
		{"Feishu", Feishu, "/open-apis/bot/v2/hook/" + canary, ""},
		{"Feishu with a signature", Feishu, "/open-apis/bot/v2/hook/" + canary, "key-" + canary},
		{"WeCom", WeCom, "/cgi-bin/webhook/send?key=" + canary, ""},
		{"a webhook of one's own", Webhook, "/" + canary, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := &robot{kind: tt.kind, key: tt.key}
			server := httptest.NewServer(r)
			defer server.Close()
			c := Channel{Name: "ops", Kind: tt.kind, URL: literal(server.URL + tt.path)}
			if tt.key != "" {
				c.Secret = literal(tt.key)
			}
			if err := Send(t.Context(), c, twoFailed); err != nil {
				t.Fatal(err)
			}
			text := strings.Join(r.texts, "\n--\n")
			for _, want := range []string{"dvagent on web1: failed: 2 subjects\nwww: submit: no ", "\nshop: the same"} {
				if !strings.Contains(text, want) {
					t.Errorf("the robot was told %q", text)
				}
			}
			if strings.Contains(text, "\x1b") || tt.kind == Feishu && strings.Contains(text, "<at") {
				t.Errorf("markup came through: %q", text)
			}
		})
	}
}

func TestSignaturesAreThoseOfTheServicesDocuments(t *testing.T) {
	// Reckoned with: printf '1599360473000\nSECexample' | openssl dgst -sha256 -hmac SECexample -binary | base64
	if got := sign("SECexample", "1599360473000\nSECexample"); got != dingTalkSign {
		t.Errorf("DingTalk: %s", got)
	}
	// printf '' | openssl dgst -sha256 -hmac $'1599360473\ndemo' -binary | base64
	if got := sign("1599360473\ndemo", ""); got != feishuSign {
		t.Errorf("Feishu: %s", got)
	}
}

// fault 87
func TestAFailureIsToldWithoutTheAddress(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t.Errorf("the redirect was followed to %s", r.URL.Path)
	}))
	defer elsewhere.Close()
	answers := func(status int, header, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if header != "" {
				w.Header().Set("Location", header)
			}
			w.WriteHeader(status)
			io.WriteString(w, body)
		}
	}
	for _, tt := range []struct {
		name    string
		handler http.Handler
		says    string
	}{
		{"a refusal that repeats the token", answers(200, "", `{"errcode":310000,"errmsg":"bad `+canary+`\u001b"}`), "code 310000"},
		{"an error of the server", answers(500, "", canary), "500"},
		{"a redirect", answers(302, elsewhere.URL+"/"+canary, ""), "302"},
		{"HTML", answers(200, "", "<html>"+canary), "no JSON"},
		{"an empty object", answers(200, "", "{}"), "no code"},
		{"an answer that breaks off", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { panic(http.ErrAbortHandler) }), "EOF"},
		{"nobody there", nil, "refused"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			server := httptest.NewServer(tt.handler)
			if tt.handler == nil {
				server.Close()
			}
			defer server.Close()
			c := Channel{Name: "ops", Kind: DingTalk, URL: literal(server.URL + "/" + canary + "?access_token=" + canary), Secret: literal("SEC-" + canary)}
			err := Send(t.Context(), c, twoFailed)
			if err == nil || !strings.Contains(err.Error(), tt.says) || !strings.HasPrefix(err.Error(), "notify ops: ") {
				t.Errorf("got %v", err)
			}
			if text := fmt.Sprintf("%v %+v %#v", err, err, err); strings.Contains(text, canary) || strings.Contains(text, "\x1b") {
				t.Errorf("it tells the secret: %q", text)
			}
		})
	}
}

// fault 169
func TestAServerThatRepeatsTheTokenInAnotherSpellingIsToldByItsCode(t *testing.T) {
	for spelling, token := range map[string]string{
		"hex": hex.EncodeToString([]byte(canary)), "base64": base64.StdEncoding.EncodeToString([]byte(canary)), "upper case": strings.ToUpper(canary),
		"reverse": reversed(canary),
	} {
		for _, tt := range []struct{ name, kind, answer, says string }{
			{"DingTalk's refusal", DingTalk, body(`{"errcode":310000,"errmsg":"` + token + `"}`), "the robot refused it with code 310000"},
			{"Feishu's refusal", Feishu, body(`{"code":19001,"msg":"` + token + `"}`), "the robot refused it with code 19001"},
			{"WeCom's refusal", WeCom, body(`{"errcode":93000,"errmsg":"` + token + `"}`), "the robot refused it with code 93000"},
			{"a status", Webhook, "HTTP/1.1 403 " + token + "\r\nContent-Length: 0\r\n\r\n", "the server answered 403 Forbidden"},
			{"an answer that is not of HTTP", Webhook, token + "\r\n\r\n", "the answer cannot be read"},
			{"a header that is none", Webhook, "HTTP/1.1 200 OK\r\n" + token + "\r\n\r\n", "the answer cannot be read"},
		} {
			t.Run(tt.name+" in "+spelling, func(t *testing.T) {
				c := Channel{Name: "ops", Kind: tt.kind, URL: literal("http://" + rawServer(t, tt.answer) + "/" + canary)}
				err := Send(t.Context(), c, twoFailed)
				if err == nil || err.Error() != "notify ops: "+tt.says || strings.Contains(hint.Of(err), token) {
					t.Errorf("got %v", err)
				}
				if tt.kind != Webhook && hint.Of(err) == "" {
					t.Error("no hint")
				}
			})
		}
	}
}

func reversed(text string) string {
	letters := []byte(text)
	slices.Reverse(letters)
	return string(letters)
}

func body(text string) string {
	return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(text), text)
}

// rawServer answers the first request of each connection with the text.
func rawServer(t *testing.T, text string) (address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			if request, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
				io.Copy(io.Discard, request.Body)
				io.WriteString(conn, text)
			}
			conn.Close()
		}
	}()
	return listener.Addr().String()
}

func TestAServerThatHangsEndsWithTheContext(t *testing.T) {
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer server.Close()
	defer close(release)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	start := time.Now()
	err := Send(ctx, Channel{Name: "ops", Kind: WeCom, URL: literal(server.URL + "/?key=" + canary)}, twoFailed)
	if err == nil || strings.Contains(err.Error(), canary) || time.Since(start) > 5*time.Second {
		t.Errorf("got %v after %s", err, time.Since(start))
	}
}

// fault 87
func TestAnAddressIsEncryptedOrOnThisHost(t *testing.T) {
	for _, tt := range []struct {
		url string
		ok  bool
	}{
		{"https://oapi.dingtalk.com/robot/send?access_token=x", true},
		{"http://127.0.0.1:8080/hook", true},
		{"http://[::1]/hook", true},
		{"http://localhost/hook", true},
		{"http://oapi.dingtalk.com/robot/send", false},
		{"http://127.0.0.1.example.com/", false},
		{"https://user:" + canary + "@example.com/", false},
		{"ftp://example.com/" + canary, false},
		{"%zz" + canary, false},
		{"/" + canary, false},
	} {
		err := CheckURL(tt.url)
		if (err == nil) != tt.ok || err != nil && strings.Contains(err.Error(), canary) {
			t.Errorf("%s: %v", tt.url, err)
		}
	}
}

func TestALongMessageIsCut(t *testing.T) {
	m := Message{Event: Failed}
	for i := range 10_000 {
		m.Notices = append(m.Notices, Notice{fmt.Sprintf("host%d", i), "submit: no"})
	}
	if body := m.body(); strings.Count(body, "\n") != most || !strings.Contains(body, "\nand 9980 more") {
		t.Errorf("got %q", body)
	}
	m.Notices = []Notice{{"www", strings.Repeat("证", 5000)}}
	if text := m.text(); len(text) > 2048 || !strings.HasSuffix(text, "证…") {
		t.Errorf("%d bytes, and an end of %q", len(text), text[len(text)-6:])
	}
}

const (
	dingTalkSign = "KmmpBg9MYwMyZnjqHeVmGD4z2sXKNC+zyuqIEvXlttg="
	feishuSign   = "l1N0gAcBjdwBvGm1xMjOF0XSyaLRpR7tuO5dHfhAYc8="
)
