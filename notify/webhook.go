package notify

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"dvagent/internal/address"
	"dvagent/internal/hint"
	"dvagent/internal/https"
)

// CheckURL says why raw cannot be the address of a webhook: http:// is allowed
// to a loopback address only. The error never repeats raw, which is a secret.
func CheckURL(raw string) error {
	return address.CheckURL(raw, "the address", "https://oapi.dingtalk.com/robot/send?access_token=…")
}

// post sends the message in the form that the kind of robot wants.
func (c Channel) post(ctx context.Context, m Message) error {
	address, err := c.URL.Resolve()
	if err != nil {
		return fmt.Errorf("read the url: %w", err)
	}
	if err := CheckURL(address); err != nil {
		return err
	}
	key := ""
	if !c.Secret.IsZero() {
		if key, err = c.Secret.Resolve(); err != nil {
			return fmt.Errorf("read the secret: %w", err)
		}
	}
	signed, body := forms[c.Kind](m, address, key)
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	answer, err := exchange(ctx, signed, text)
	if err != nil {
		return err
	}
	return refusal(c.Kind, answer)
}

// forms turn a message into an address and a body of JSON.
var forms = map[string]func(m Message, address, key string) (string, any){
	DingTalk: func(m Message, address, key string) (string, any) {
		return signedAddress(address, key, time.Now()),
			object{"msgtype": "text", "text": object{"content": m.text()}}
	},
	Feishu: func(m Message, address, key string) (string, any) {
		// A text may hold tags, such as one that calls everybody.
		body := object{"msg_type": "text", "content": object{"text": strings.ReplaceAll(m.text(), "<", "‹")}}
		if key != "" {
			at := strconv.FormatInt(time.Now().Unix(), 10)
			body["timestamp"], body["sign"] = at, sign(at+"\n"+key, "")
		}
		return address, body
	},
	WeCom: func(m Message, address, _ string) (string, any) {
		return address, object{"msgtype": "text", "text": object{"content": m.text()}}
	},
	Webhook: func(m Message, address, _ string) (string, any) {
		return address, payload{Event: m.Event, Host: m.Host, At: m.At.UTC(), Title: m.title(), Text: m.text(), Notices: m.Notices}
	},
}

type object map[string]any

// payload is what a webhook of one's own gets.
type payload struct {
	Event   string    `json:"event"`
	Host    string    `json:"host"`
	At      time.Time `json:"at"`
	Title   string    `json:"title"`
	Text    string    `json:"text"` // title and notices, for chats that show a text
	Notices []Notice  `json:"notices"`
}

func (m Message) text() string { return cut(m.title() + "\n" + m.body()) }

// signedAddress is DingTalk's: the time in milliseconds and the signature go
// into the query.
func signedAddress(address, key string, now time.Time) string {
	if key == "" {
		return address
	}
	u, _ := url.Parse(address) // checked before
	at := strconv.FormatInt(now.UnixMilli(), 10)
	query := u.Query()
	query.Set("timestamp", at)
	query.Set("sign", sign(key, at+"\n"+key))
	u.RawQuery = query.Encode()
	return u.String()
}

func sign(key, text string) string {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(text))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// client follows no redirect: what is told is for that address alone.
var client = &http.Client{
	Transport:     https.NewTransport(nil),
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

const maxAnswer = 64 << 10 // bytes

// exchange posts the body. Its errors hold nothing that the server wrote, which
// may be the address, spelt in whatever way.
func exchange(ctx context.Context, address string, body []byte) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return nil, errors.New("the address is no URL")
	}
	request.Header.Set("Content-Type", "application/json; charset=utf-8")
	request.Close = true // the next message is hours away, and may go by another network
	response, err := client.Do(request)
	if err != nil {
		return nil, https.Reason(err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if response.StatusCode/100 != 2 {
		return nil, fmt.Errorf("the server answered %d %s", response.StatusCode, http.StatusText(response.StatusCode))
	}
	if err != nil {
		return nil, https.Reason(err)
	}
	return answer, nil
}

// refusal is why a robot did not take a message that its server answered with
// 200: the code alone, with advice on those that are documented.
func refusal(kind string, answer []byte) error {
	if kind == Webhook {
		return nil
	}
	var said struct {
		ErrCode *int `json:"errcode"` // DingTalk, WeCom
		Code    *int `json:"code"`    // Feishu
	}
	if json.Unmarshal(answer, &said) != nil {
		return errors.New("the server's answer is no JSON")
	}
	code := said.ErrCode
	if kind == Feishu {
		code = said.Code
	}
	switch {
	case code == nil:
		return errors.New("the server's answer has no code")
	case *code != 0:
		return hint.Add(fmt.Errorf("the robot refused it with code %d", *code), advice[kind][*code])
	}
	return nil
}

// advice is on the codes that the services document.
var advice = map[string]map[int]string{
	DingTalk: {
		300005: "the token is not known: compare the url with the robot's",
		310000: "the robot's security settings refuse it: compare the secret, its keywords and its addresses",
		660026: "too many messages: the robot takes 20 a minute",
	},
	Feishu: {
		19001: "the robot is not known: compare the url with the robot's",
		19021: "the signature is not accepted: compare the secret, and check the local clock",
		19022: "the robot takes no message from this address",
		19024: "the robot wants a keyword that the message has not",
	},
	WeCom: {
		45009: "too many messages: the robot takes 20 a minute",
		93000: "the key is not known: compare the url with the robot's",
	},
}
