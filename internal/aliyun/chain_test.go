package aliyun

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// tools is what Alibaba's tools find on a host, and a metadata service.
type tools struct {
	files    map[string]string // by path below the home directory
	env      map[string]string // HOME in a value is that directory, CLOUD the API's address
	metadata func(n int, r request) (int, string)
}

// client looks for its key there, and nowhere else.
func (w tools) client(t *testing.T, cloud *cloud, changes ...func(*Config)) *Client {
	t.Helper()
	home := t.TempDir()
	for path, text := range w.files {
		path = filepath.Join(home, path)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	for _, pair := range os.Environ() {
		if name, _, _ := strings.Cut(pair, "="); strings.HasPrefix(name, "ALIBABA_CLOUD_") {
			t.Setenv(name, "")
		}
	}
	t.Setenv("HOME", home)
	for name, value := range w.env {
		t.Setenv(name, strings.NewReplacer("HOME", home, "CLOUD", cloud.url).Replace(value))
	}
	client := newTestClient(t, cloud.url, append([]func(*Config){func(c *Config) { c.Credentials = Credentials{} }}, changes...)...)
	if w.metadata == nil {
		w.metadata = always(404, "")
	}
	client.metadataService = newCloud(t, w.metadata).url
	return client
}

// replyMetadata is the ECS metadata service, for the role "web" alone.
func replyMetadata(_ int, r request) (int, string) {
	switch {
	case r.Path == "/latest/api/token" && r.Method == http.MethodPut && r.Header.Get("X-Aliyun-Ecs-Metadata-Token-Ttl-Seconds") != "":
		return 200, "metadata-token"
	case r.Header.Get("X-Aliyun-Ecs-Metadata-Token") != "metadata-token":
		return 403, ""
	}
	return replyIMDSv1(0, request{Path: r.Path})
}

// replyIMDSv1 is an old service, which knows no token.
func replyIMDSv1(_ int, r request) (int, string) {
	const roles = "/latest/meta-data/ram/security-credentials/"
	switch r.Path {
	case roles:
		return 200, "web\n"
	case roles + "web":
		return 200, sessionJSON("ecs-id", time.Now().Add(time.Hour), `,"Code":"Success"`)
	case roles + "slow":
		time.Sleep(2 * time.Second)
	case roles + "broken":
		return 200, `{"AccessKeyId":"a","AccessKeySecret":"b","SecurityToken":"c"}`
	}
	return 404, ""
}

func sessionJSON(id string, until time.Time, more string) string {
	return fmt.Sprintf(`{"AccessKeyId":%q,"AccessKeySecret":%q,"SecurityToken":%q,"Expiration":%q%s}`,
		id, canarySecret, canaryToken, until.UTC().Format(time.RFC3339), more)
}

// replyWithRoles is an API whose STS knows the key, and the token, of the tests;
// /key is a service of the operator's own.
func replyWithRoles(n int, r request) (int, string) {
	session := sessionJSON("of "+r.get("RoleArn")+" by "+r.get("AccessKeyId"), time.Now().Add(time.Hour), "")
	switch {
	case r.Path == "/key":
		return 200, sessionJSON("uri-id", time.Now().Add(time.Hour), "")
	case r.get("Action") == "AssumeRoleWithOIDC" && (r.Body.Get("OIDCToken") != canaryToken || r.get("Signature") != ""):
		return 400, `{"Code":"AuthenticationFail.OIDCToken.Invalid"}`
	case strings.HasPrefix(r.get("Action"), "AssumeRole"):
		return 200, `{"RequestId":"R","Credentials":` + session + `}`
	}
	return replyAsDocumented(n, r)
}

const configOfCLI = `{"current":"main","profiles":[
	{"name":"main","mode":"AK","access_key_id":"cli-id","access_key_secret":"` + canarySecret + `"},
	{"name":"sts","mode":"StsToken","access_key_id":"sts-id","access_key_secret":"` + canarySecret + `","sts_token":"t"},
	{"name":"role","mode":"RamRoleArn","access_key_id":"cli-id","access_key_secret":"` + canarySecret + `","ram_role_arn":"r1"},
	{"name":"chain","mode":"ChainableRamRoleArn","source_profile":"role","ram_role_arn":"r2"},
	{"name":"circle","mode":"ChainableRamRoleArn","source_profile":"circle","ram_role_arn":"r3"},
	{"name":"ecs","mode":"EcsRamRole","ram_role_name":"web"},
	{"name":"oidc","mode":"OIDC","oidc_token_file":"TOKEN","oidc_provider_arn":"p","ram_role_arn":"r4"}]}`

const credentialsFile = "[default]\ntype = access_key\naccess_key_id = ini-id\naccess_key_secret = " + canarySecret + `
[ecs]
type = ecs_ram_role
role_name = web
[role]
type = ram_role_arn
access_key_id = ini-id
access_key_secret = ` + canarySecret + `
role_arn = r5
role_session_name = s
`

func TestAKeyIsFoundWhereAlibabasToolsKeepIt(t *testing.T) {
	cli := map[string]string{".aliyun/config.json": configOfCLI}
	file := map[string]string{".alibabacloud/credentials": credentialsFile}
	profile := func(name string) map[string]string { return map[string]string{"ALIBABA_CLOUD_PROFILE": name} }
	for _, tt := range []struct {
		name  string
		tools tools
		id    string
	}{
		{"variables", tools{files: cli, env: map[string]string{"ALIBABA_CLOUD_ACCESS_KEY_ID": "env-id\n", "ALIBABA_CLOUD_ACCESS_KEY_SECRET": canarySecret + "\n"}}, "env-id"},
		{"a token of OIDC", tools{files: map[string]string{"token": canaryToken}, env: map[string]string{
			"ALIBABA_CLOUD_OIDC_TOKEN_FILE": "HOME/token", "ALIBABA_CLOUD_OIDC_PROVIDER_ARN": "p", "ALIBABA_CLOUD_ROLE_ARN": "r"}}, "of r by "},
		{"the CLI's profile", tools{files: cli}, "cli-id"},
		{"the CLI's profile with a token", tools{files: cli, env: profile("sts")}, "sts-id"},
		{"the CLI's profile of a role", tools{files: cli, env: profile("role")}, "of r1 by cli-id"},
		{"the CLI's profile of a role's role", tools{files: cli, env: profile("chain")}, "of r2 by of r1 by cli-id"},
		{"the CLI's profile of an instance", tools{files: cli, env: profile("ecs"), metadata: replyMetadata}, "ecs-id"},
		{"the SDK's file", tools{files: file}, "ini-id"},
		{"the SDK's file, elsewhere", tools{files: map[string]string{"x": credentialsFile}, env: map[string]string{"ALIBABA_CLOUD_CREDENTIALS_FILE": "HOME/x"}}, "ini-id"},
		{"the SDK's file with a role", tools{files: file, env: profile("role")}, "of r5 by ini-id"},
		{"the SDK's file of an instance", tools{files: file, env: profile("ecs"), metadata: replyMetadata}, "ecs-id"},
		{"the instance", tools{metadata: replyMetadata}, "ecs-id"},
		{"a service of one's own", tools{env: map[string]string{"ALIBABA_CLOUD_CREDENTIALS_URI": "CLOUD/key"}}, "uri-id"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cloud := newCloud(t, replyWithRoles)
			if _, err := tt.tools.client(t, cloud).DescribeDomains(t.Context()); err != nil {
				t.Fatal(err)
			}
			last := cloud.seen()[len(cloud.seen())-1]
			if last.get("AccessKeyId") != tt.id {
				t.Errorf("signed by %q", last.get("AccessKeyId"))
			}
			checkSignature(t, last, canarySecret)
		})
	}
}

// output is what call writes to standard output and error.
func output(t *testing.T, call func()) string {
	t.Helper()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, stderr := os.Stdout, os.Stderr
	os.Stdout, os.Stderr = write, write
	call()
	os.Stdout, os.Stderr = stdout, stderr
	write.Close()
	said, err := io.ReadAll(read)
	if err != nil {
		t.Fatal(err)
	}
	return string(said)
}

// fault 168
func TestWhyThereIsNoKeyIsSaidWithoutWhatWasRead(t *testing.T) {
	rubbish := rawServer(t, canarySecret+"\r\n\r\n")
	cli := func(text string) map[string]string { return map[string]string{".aliyun/config.json": text} }
	env := func(name, value string) map[string]string { return map[string]string{name: value} }
	oidc := map[string]string{"ALIBABA_CLOUD_OIDC_TOKEN_FILE": "HOME/token", "ALIBABA_CLOUD_OIDC_PROVIDER_ARN": "p", "ALIBABA_CLOUD_ROLE_ARN": "r"}
	const forbidden = `{"Code":"NoPermission","Message":"` + canarySecret + `"}`
	for _, tt := range []struct {
		name  string
		tools tools
		api   string // what the API and STS answer, with 403
		says  string
	}{
		{"an id without its secret", tools{env: env("ALIBABA_CLOUD_ACCESS_KEY_ID", canaryID)}, "", "environment: ALIBABA_CLOUD_ACCESS_KEY_SECRET is not set"},
		{"nothing at all", tools{}, "", "no access key: environment: ALIBABA_CLOUD_ACCESS_KEY_ID is not set; ~/.aliyun/config.json: is missing; ~/.alibabacloud/credentials: is missing; metadata service: the token of IMDSv2: HTTP 404"},
		{"a CLI's file that is no JSON", tools{files: cli("secret: " + canarySecret)}, "", "~/.aliyun/config.json: is no JSON"},
		{"a CLI's file with a number in quotes", tools{files: cli(`{"profiles":[{"expired_seconds":"` + canarySecret + `"}]}`)}, "", "~/.aliyun/config.json: is no JSON"},
		{"a CLI's file that is a directory", tools{files: map[string]string{".aliyun/config.json/x": ""}}, "", "~/.aliyun/config.json: cannot be read"},
		{"a CLI's profile of an unknown mode", tools{files: cli(`{"profiles":[{"mode":"` + canarySecret + `"}]}`)}, "", "~/.aliyun/config.json: the profile is of an unknown mode"},
		{"a CLI's profile that is not there", tools{files: cli(configOfCLI), env: env("ALIBABA_CLOUD_PROFILE", canarySecret)}, "", "~/.aliyun/config.json: the profile is not there"},
		{"CLI's profiles in a circle", tools{files: cli(configOfCLI), env: env("ALIBABA_CLOUD_PROFILE", "circle")}, "", "~/.aliyun/config.json: the profiles lead in a circle"},
		{"a role that may not be assumed", tools{files: cli(configOfCLI), env: env("ALIBABA_CLOUD_PROFILE", "role")}, forbidden, "~/.aliyun/config.json: AssumeRole: NoPermission (403)"},
		{"a token that STS repeats", tools{files: map[string]string{"token": canaryToken}, env: oidc}, `{"Code":"` + canaryToken + `"}`, "OIDC: AssumeRoleWithOIDC: *** (403)"},
		{"a token that is missing", tools{env: oidc}, "", "OIDC: the file of the token is missing"},
		{"an SDK's file that is no INI", tools{files: map[string]string{".alibabacloud/credentials": "[" + canarySecret}}, "", "~/.alibabacloud/credentials: is no INI file"},
		{"an SDK's profile of an unknown type", tools{files: map[string]string{".alibabacloud/credentials": "[default]\ntype = " + canarySecret}}, "", "~/.alibabacloud/credentials: the profile is of an unknown type"},
		{"an SDK's file that is elsewhere", tools{env: env("ALIBABA_CLOUD_CREDENTIALS_FILE", "/"+canarySecret)}, "", "file of ALIBABA_CLOUD_CREDENTIALS_FILE: is missing"},
		{"a metadata service that is forbidden", tools{metadata: replyMetadata, env: env("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "True")}, "", "metadata service: ALIBABA_CLOUD_ECS_METADATA_DISABLED forbids it"},
		{"a metadata service that refuses", tools{metadata: always(403, canarySecret)}, "", "metadata service: the token of IMDSv2: HTTP 403"},
		{"a metadata service that answers rubbish", tools{metadata: always(200, canarySecret)}, "", "metadata service: the answer is no JSON"},
		{"a URI that refuses", tools{env: env("ALIBABA_CLOUD_CREDENTIALS_URI", "CLOUD/"+canarySecret)}, forbidden, "credentials URI: HTTP 403"},
		{"a URI that answers half a key", tools{env: env("ALIBABA_CLOUD_CREDENTIALS_URI", newCloud(t, always(200, `{"AccessKeySecret":"`+canarySecret+`"}`)).url)}, "", "credentials URI: the answer has no whole key"},
		{"a URI that answers no JSON", tools{env: env("ALIBABA_CLOUD_CREDENTIALS_URI", newCloud(t, always(200, canarySecret)).url)}, "", "credentials URI: the answer is no JSON"},
		{"a URI with a service that speaks no HTTP", tools{env: env("ALIBABA_CLOUD_CREDENTIALS_URI", "http://"+rubbish+"/"+canarySecret)}, "", "credentials URI: the answer cannot be read"},
		{"a URI where nobody is", tools{env: env("ALIBABA_CLOUD_CREDENTIALS_URI", "http://127.0.0.1:1/"+canarySecret)}, "", "credentials URI: connection refused"},
		{"a URI that is none", tools{env: env("ALIBABA_CLOUD_CREDENTIALS_URI", "%zz"+canarySecret)}, "", "credentials URI: ALIBABA_CLOUD_CREDENTIALS_URI is no URL"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cloud := newCloud(t, always(403, tt.api))
			client := tt.tools.client(t, cloud)
			var err error
			printed := output(t, func() { _, err = client.DescribeDomains(t.Context()) })
			e := asOurs(t, err)
			if e.Kind != Local || e.Hint == "" || !strings.Contains(e.Error(), tt.says) {
				t.Errorf("%v is %s, want %q in it", e, e.Kind, tt.says)
			}
			if shown := fmt.Sprintf("%+v %#v", err, err); strings.Contains(shown, canarySecret) || printed != "" {
				t.Errorf("shown %q, printed %q", shown, printed)
			}
		})
	}
}

// fault 169
func TestNoErrorRepeatsASecretInAnotherSpelling(t *testing.T) {
	for spelling, of := range map[string]func(string) string{
		"hex":        func(s string) string { return hex.EncodeToString([]byte(s)) },
		"base64":     func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) },
		"lower case": strings.ToLower, "upper case": strings.ToUpper,
	} {
		for _, secret := range []string{canaryID, canarySecret, canaryToken} {
			spelt := of(secret)
			message, _ := json.Marshal(map[string]string{"Code": "No", "Message": "it is " + spelt})
			addresses := map[string]string{
				"a message":                     newCloud(t, always(400, string(message))).url,
				"an answer that is not of HTTP": "http://" + rawServer(t, spelt+"\r\n\r\n"),
			}
			for where, address := range addresses {
				err := newTestClient(t, address).DeleteDomainRecord(t.Context(), "42")
				asOurs(t, err)
				if shown := fmt.Sprintf("%+v %#v", err, err); strings.Contains(shown, spelt) {
					t.Errorf("%s in %s: %s", where, spelling, shown)
				}
			}
		}
	}
}

// rawServer answers each connection with the text.
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
			io.WriteString(conn, text)
			conn.Close()
		}
	}()
	return listener.Addr().String()
}

func TestSourcesAreAskedAgain(t *testing.T) {
	cloud := newCloud(t, replyAsDocumented)
	client := tools{}.client(t, cloud)
	if _, err := client.DescribeDomains(t.Context()); err == nil || len(cloud.seen()) != 0 {
		t.Fatalf("without a key: %v", err)
	}
	for i, text := range []string{canarySecret, "another" + canarySecret} {
		t.Setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", "chain-id")
		t.Setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", text)
		if _, err := client.DescribeDomains(t.Context()); err != nil {
			t.Fatalf("once there is a key: %v", err)
		}
		checkSignature(t, cloud.seen()[i], text)
	}
}

func withRAMRole(name string) func(*Config) {
	return func(c *Config) { c.Credentials = Credentials{RAMRole: name} }
}

func TestRoleOfTheECSInstance(t *testing.T) {
	cloud := newCloud(t, replyAsDocumented)
	metadata := newCloud(t, replyMetadata)
	client := tools{}.client(t, cloud, withRAMRole("web"))
	client.metadataService = metadata.url
	for range 3 {
		if _, err := client.DescribeDomains(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if r := cloud.seen()[0]; r.get("AccessKeyId") != "ecs-id" || r.get("SecurityToken") != canaryToken {
		t.Errorf("signed by %q", r.get("AccessKeyId"))
	}
	if asked := len(metadata.seen()); asked != 2 { // the token and the session, once
		t.Errorf("the metadata service was asked %d times", asked)
	}
	for _, role := range []string{"missing", "broken", "../web"} {
		client := tools{metadata: replyMetadata}.client(t, cloud, withRAMRole(role))
		_, err := client.DescribeDomains(t.Context())
		if e := asOurs(t, err); e.Kind != Local || !strings.Contains(e.Error(), "no access key: metadata service: ") {
			t.Errorf("role %s: %v is %s", role, e, e.Kind)
		}
	}
}

// fault 171
func TestIMDSv1IsAskedByChoiceAlone(t *testing.T) {
	for _, tt := range []struct {
		name, disabled string
		works          bool
	}{
		{"nothing is said", "", false},
		{"it is disabled", "true", false},
		{"it is chosen", "false", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for kind, change := range map[string]func(*Config){"ram_role": withRAMRole("web"), "the chain": withRAMRole("")} {
				metadata := newCloud(t, replyIMDSv1)
				client := tools{env: map[string]string{"ALIBABA_CLOUD_IMDSV1_DISABLED": tt.disabled}}.client(t, newCloud(t, replyAsDocumented), change)
				client.metadataService = metadata.url
				if _, err := client.DescribeDomains(t.Context()); (err == nil) != tt.works {
					t.Errorf("%s: %v", kind, err)
				}
				if asked := len(metadata.seen()); !tt.works && asked != 1 {
					t.Errorf("%s: the service was asked %d times, and not for a token alone", kind, asked)
				}
			}
		})
	}
}

func TestSlowSourceOfKeysEndsWithTheContext(t *testing.T) {
	client := tools{metadata: replyMetadata}.client(t, newCloud(t, replyAsDocumented), withRAMRole("slow"))
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	start := time.Now()
	for range 2 { // the second waits for its turn
		_, err := client.DescribeDomains(ctx)
		if e := asOurs(t, err); e.Kind != Local || !errors.Is(e, context.DeadlineExceeded) {
			t.Errorf("%v is %s", e, e.Kind)
		}
	}
	if took := time.Since(start); took > 1500*time.Millisecond {
		t.Errorf("took %s", took)
	}
}
