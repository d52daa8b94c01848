package aliyun

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"
)

func TestReadsAreRetriedAndWritesAreNot(t *testing.T) { // fault 8
	for _, test := range []struct {
		name   string
		status int
		body   string
		tries  int // of a read
	}{
		{"unavailable", 503, `{"Code":"ServiceUnavailable"}`, 4},
		{"throttled", 400, `{"Code":"Throttling.User"}`, 4},
		{"a nonce that was used", 400, `{"Code":"SignatureNonceUsed"}`, 4}, // fault 9
		{"busy", 400, `{"Code":"LastOperationNotFinished"}`, 4},
		{"not found", 404, `{"Code":"NotFound"}`, 1},
		{"forbidden", 403, `{"Code":"Forbidden.RAM"}`, 1},
		{"a key that is not accepted", 404, `{"Code":"InvalidAccessKeyId.NotFound"}`, 1},
		{"malformed", 200, `{}`, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			for operation, call := range operations {
				cloud := newCloud(t, always(test.status, test.body))
				observed := 0
				client := newTestClient(t, cloud.url, func(c *Config) { c.Observe = func(Call) { observed++ } })
				err := call(t.Context(), client)
				want := test.tries
				if !isRead(operation) {
					want = 1
				}
				if got := len(cloud.seen()); got != want || observed != want {
					t.Errorf("%s: %d requests, %d observed, want %d", operation, got, observed, want)
				}
				if err == nil && operation != "DeleteDomainRecord" {
					t.Errorf("%s: no error", operation)
				}
				nonces := map[string]bool{}
				for _, r := range cloud.seen() {
					nonces[r.get("SignatureNonce")] = true
				}
				if len(nonces) != want {
					t.Errorf("%s: a nonce was used twice", operation)
				}
			}
		})
	}
}

func TestReadSucceedsAfterTrouble(t *testing.T) { // fault 7
	cloud := newCloud(t, func(n int, r request) (int, string) {
		return []int{400, 503, 503, 200}[n-1], []string{`{"Code":"Throttling.User"}`, ``, `<html/>`, `{"OrderStatus":"checking"}`}[n-1]
	})
	var calls []Call
	client := newTestClient(t, cloud.url, func(c *Config) { c.Observe = func(call Call) { calls = append(calls, call) } })
	result, err := client.DescribeDVOrderResult(t.Context(), "cas-1")
	if err != nil || !result.Status.Checking() {
		t.Fatalf("got %+v, %v", result, err)
	}
	for i, call := range calls {
		if call.API != "CAS" || call.Operation != "DescribeDVOrderResult" || call.Duration <= 0 || (call.Err == nil) != (i == 3) {
			t.Errorf("call %d: %+v", i, call)
		}
	}
}

func TestConnectionThatDiesAfterTheRequest(t *testing.T) { // faults 2 and 4
	for name, die := range map[string]func(w http.ResponseWriter){
		"without an answer": func(w http.ResponseWriter) { panic(http.ErrAbortHandler) },
		"within the body": func(w http.ResponseWriter) {
			w.Header().Set("Content-Length", "1000")
			w.Write([]byte(`{"RequestId":"R"}`))
		},
	} {
		t.Run(name, func(t *testing.T) {
			var requests atomic.Int32
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.ParseForm(); r.Form.Get("Action") == "DescribeDomains" { // so that a used connection dies, too
					w.Write([]byte(answers["DescribeDomains"]))
					return
				}
				requests.Add(1)
				die(w)
			}))
			defer server.Close()
			for operation, call := range operations {
				if operation == "DescribeDomains" {
					continue
				}
				client := newTestClient(t, server.URL)
				if _, err := client.DescribeDomains(t.Context()); err != nil {
					t.Fatal(err)
				}
				requests.Store(0)
				e := asOurs(t, call(t.Context(), client))
				want := int32(1)
				if isRead(operation) {
					want = maxTries
				}
				if got := requests.Load(); e.Kind != Unanswered || !e.MayHaveBeenApplied() || got != want {
					t.Errorf("%s: %v is %s after %d requests", operation, e, e.Kind, got)
				}
			}
		})
	}
}

func TestRetriesEndWithTheContext(t *testing.T) {
	cloud := newCloud(t, always(503, ``))
	client := newTestClient(t, cloud.url)
	client.pause = time.Hour
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	start := time.Now()
	_, err := client.DescribeDomains(ctx)
	if e := asOurs(t, err); e.Kind != Unavailable || len(cloud.seen()) != 1 {
		t.Errorf("%v is %s after %d requests", e, e.Kind, len(cloud.seen()))
	}
	if took := time.Since(start); took > time.Second {
		t.Errorf("took %s", took)
	}
}

func TestRateLimitIsKeptForEachAPI(t *testing.T) {
	cloud := newCloud(t, replyAsDocumented)
	client := newTestClient(t, cloud.url, func(c *Config) { c.RequestsPerSecond = 1 })
	if _, err := client.DescribeDVOrderResult(t.Context(), "cas-1"); err != nil {
		t.Fatal(err)
	}
	if _, err := client.DescribeDomains(t.Context()); err != nil {
		t.Errorf("the other API waits, too: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err := client.DescribeDVOrderResult(ctx, "cas-1")
	if e := asOurs(t, err); e.Kind != Local || !errors.Is(e, context.DeadlineExceeded) || len(cloud.seen()) != 2 {
		t.Errorf("a second request in the same second: %v is %s", e, e.Kind)
	}
}
