package aliyun

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dvagent/internal/secret"
)

func TestCredentialsThatCannotWork(t *testing.T) {
	id, key := secret.Secret{Literal: canaryID}, secret.Secret{Literal: canarySecret}
	for name, credentials := range map[string]Credentials{
		"an id alone":               {AccessKeyID: id},
		"a secret alone":            {AccessKeySecret: key},
		"a token alone":             {SecurityToken: key},
		"a key and a RAM role":      {AccessKeyID: id, AccessKeySecret: key, RAMRole: "r"},
		"a secret with two places":  {AccessKeyID: id, AccessKeySecret: secret.Secret{Literal: canarySecret, File: "/f"}},
		"a token with three places": {AccessKeyID: id, AccessKeySecret: key, SecurityToken: secret.Secret{Literal: "a", File: "b", Env: "c"}},
	} {
		if _, err := New(Config{Credentials: credentials}); err == nil {
			t.Errorf("%s: no error", name)
		} else if strings.Contains(err.Error(), canarySecret) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRotatedFileCountsAtOnce(t *testing.T) { // faults 11 and 79
	cloud := newCloud(t, replyAsDocumented)
	file := filepath.Join(t.TempDir(), "secret")
	client := newTestClient(t, cloud.url, func(c *Config) { c.Credentials.AccessKeySecret = secret.Secret{File: file} })
	for i, text := range []string{canarySecret, "another" + canarySecret} {
		os.WriteFile(file, []byte(text+"\r\n"), 0o600)
		if _, err := client.DescribeDomains(t.Context()); err != nil {
			t.Fatal(err)
		}
		checkSignature(t, cloud.seen()[i], text)
	}
	os.WriteFile(file, []byte("\n"), 0o600)
	for _, remove := range []bool{false, true} {
		if remove {
			os.Remove(file)
		}
		_, err := client.DescribeDomains(t.Context())
		if e := asOurs(t, err); e.Kind != Local || e.Hint == "" || len(cloud.seen()) != 2 {
			t.Errorf("without a secret: %v is %s", e, e.Kind)
		}
	}
}

func assumed(c *Config) { c.Credentials.RoleARN = "acs:ram::1:role/dv" }

func TestSessionOfAnAssumedRole(t *testing.T) { // fault 12
	var lasts time.Duration
	sessions, refuse := 0, ""
	cloud := newCloud(t, func(n int, r request) (int, string) {
		switch {
		case r.get("Action") == "AssumeRole":
			sessions++
			return 200, `{"RequestId":"R","Credentials":` + sessionJSON(fmt.Sprint("session-", sessions), time.Now().Add(lasts), "") + `}`
		case r.get("AccessKeyId") == refuse:
			return 400, `{"Code":"InvalidSecurityToken.Expired"}`
		}
		return replyAsDocumented(n, r)
	})
	client := newTestClient(t, cloud.url, assumed)
	call := func(want int) {
		t.Helper()
		if _, err := client.DescribeDomains(t.Context()); err != nil || sessions != want {
			t.Errorf("%d sessions, %v; want %d", sessions, err, want)
		}
	}
	lasts = time.Minute // shorter than the margin: used for this call, not kept
	call(1)
	lasts = time.Hour
	call(2)
	call(2)
	refuse = "session-2" // revoked early: a read gets a new session
	call(3)
	refuse = "session-3" // a write does not, though the next one does
	if err := client.DeleteDomainRecord(t.Context(), "42"); asOurs(t, err).Kind != Credential || sessions != 3 {
		t.Errorf("%d sessions, %v", sessions, err)
	}
	if err := client.DeleteDomainRecord(t.Context(), "42"); err != nil || sessions != 4 {
		t.Errorf("%d sessions, %v", sessions, err)
	}
	r := cloud.seen()[0]
	checkSignature(t, r, canarySecret)
	want := map[string]string{"RoleArn": "acs:ram::1:role/dv", "RoleSessionName": "dvagent", "DurationSeconds": "3600"}
	if got := own(r); fmt.Sprint(got) != fmt.Sprint(want) || r.get("Version") != "2015-04-01" || r.get("AccessKeyId") != canaryID {
		t.Errorf("AssumeRole with %v", got)
	}
}

func TestFailureToAssumeTheRole(t *testing.T) {
	for _, test := range []struct {
		name   string
		status int
		body   string
		kind   Kind
	}{
		{"the role may not be assumed", 403, `{"Code":"NoPermission"}`, Forbidden},
		{"the key is not accepted", 404, `{"Code":"InvalidAccessKeyId.NotFound"}`, Credential},
		{"STS is down", 503, ``, Unreachable},
		{"STS answers rubbish", 200, `<html><body>a<p>b</p></body></html>`, Unreachable},
		{"a session without a token", 200, `{"Credentials":{"AccessKeyId":"a","AccessKeySecret":"b"}}`, Unreachable},
	} {
		t.Run(test.name, func(t *testing.T) {
			cloud := newCloud(t, always(test.status, test.body))
			err := newTestClient(t, cloud.url, assumed).DeleteDomainRecord(t.Context(), "42")
			if e := asOurs(t, err); e.Kind != test.kind || e.MayHaveBeenApplied() || e.Operation != "AssumeRole" {
				t.Errorf("%v is %s", e, e.Kind)
			}
			if test.kind == Forbidden && !strings.Contains(asOurs(t, err).Hint, "sts:AssumeRole") {
				t.Errorf("hint %q", asOurs(t, err).Hint)
			}
		})
	}
}

func TestWaitForASessionEndsWithTheContext(t *testing.T) {
	release := make(chan struct{})
	cloud := newCloud(t, func(int, request) (int, string) { <-release; return 503, "" })
	t.Cleanup(func() { close(release) })
	client := newTestClient(t, cloud.url, assumed)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	failed := make(chan error, 4)
	for range cap(failed) {
		go func() { failed <- client.DeleteDomainRecord(ctx, "42") }()
	}
	for range cap(failed) {
		if e := asOurs(t, <-failed); e.Kind != Local {
			t.Errorf("%v is %s", e, e.Kind)
		}
	}
}
