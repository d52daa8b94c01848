package nginx

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"dvagent/internal/bundle/bundletest"
	"dvagent/internal/command"
)

func TestMain(m *testing.M) {
	command.Supervise()
	m.Run()
}

// The dumps are of a real nginx 1.22, with its directory renamed to /etc/nginx.
func TestDumpsAreUnderstood(t *testing.T) {
	for _, tt := range []struct {
		name, dump string
		want       []Server
	}{
		{"included files, each in its place and relative to the main file", "includes", []Server{
			{Place: "/etc/nginx/conf.d/a.conf:1", Names: words("example.com *.example.com"), Listen: words("8443"),
				Certificates: words("/etc/nginx/certs/site.pem")},
			{Place: "/etc/nginx/conf.d/b.conf:1", Names: words("other.example"), Listen: words("[::]:8443"),
				Certificates: words("/etc/nginx/certs/other.pem")},
		}},
		{"two pairs that are inherited, and an address that another server made TLS", "inherited", []Server{
			{Place: "/etc/nginx/nginx.conf:8", Names: words("inherits.example"), Listen: words("127.0.0.1:8443"),
				Certificates: words("/etc/nginx/certs/rsa.pem /etc/nginx/certs/ecdsa.pem")},
			{Place: "/etc/nginx/nginx.conf:9", Names: words("same-address.example"), Listen: words("127.0.0.1:8443"),
				Certificates: words("/etc/nginx/certs/rsa.pem /etc/nginx/certs/ecdsa.pem")},
			{Place: "/etc/nginx/nginx.conf:10", Names: words("own.example"), Listen: words("127.0.0.1:8443"),
				Certificates: words("/etc/nginx/certs/other.pem")},
		}},
		{"variables and data in place of paths, and every form of name", "variables", []Server{
			{Place: "/etc/nginx/nginx.conf:5", Listen: words("8443"), NotFiles: words("certs/$ssl_server_name.crt")},
			{Place: "/etc/nginx/nginx.conf:11", Listen: words("8443"), NotFiles: words("certs/${pair}.crt"),
				Names: words(`~^(www\.)?(?<name>[a-z]+)\.example$ ~^w{3}\.example\.com$ .dots.example www.tail.*`)},
			{Place: "/etc/nginx/nginx.conf:17", Names: words("one.example two.example"), Listen: words("8443"),
				NotFiles: words("data:…")},
		}},
		{"quotes, escapes and comments", "quoted", []Server{
			{Place: "/etc/nginx/nginx.conf:5", Names: words("example.com www.example.com"), Listen: words("8443"),
				Certificates: []string{"/etc/nginx/certs/with space/site.pem"}},
			{Place: "/etc/nginx/nginx.conf:11", Names: words("a#b.example"), Listen: words("8444"),
				Certificates: words("/etc/nginx/certs/site.pem")},
		}},
		{"http, stream and mail, and every way to ask for TLS or to refuse it", "kinds", []Server{
			{Place: "/etc/nginx/nginx.conf:7", Names: words("old.example"), Listen: words("*:8443"),
				Certificates: words("/etc/nginx/certs/site.pem")},
			{Place: "/etc/nginx/nginx.conf:8", Names: words("socket.example"), Listen: words("unix:/etc/nginx/http.sock"),
				Certificates: words("/etc/nginx/certs/other.pem")},
			{Place: "/etc/nginx/nginx.conf:9", Names: words("on.example"), Listen: words("8445"),
				Certificates: words("/etc/nginx/certs/other.pem")},
			{Place: "/etc/nginx/nginx.conf:14", Listen: words("8853"), Certificates: words("/etc/nginx/certs/other.pem")},
			{Place: "/etc/nginx/nginx.conf:21", Names: words("imap.example"), Listen: words("8143"),
				Certificates: words("/etc/nginx/certs/site.pem")},
		}},
		{"Lua, which may choose another certificate", "lua", []Server{
			{Place: "/etc/nginx/nginx.conf:6", Names: words("lua.example"), Listen: words("8443"),
				Certificates: words("/etc/nginx/certs/site.pem"), NotFiles: words("ssl_certificate_by_lua_block")},
			{Place: "/etc/nginx/nginx.conf:16", Names: words("plain.example"), Listen: words("8443")},
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dump, err := os.ReadFile(filepath.Join("testdata", tt.dump+".dump"))
			if err != nil {
				t.Fatal(err)
			}
			// What nginx warns of comes before the dump.
			got, err := parse(t.Context(), "nginx: [warn] low\nnginx: the syntax is ok\n"+string(dump))
			if err != nil {
				t.Fatal(err)
			}
			for i := range max(len(got), len(tt.want)) {
				if i < len(tt.want) {
					tt.want[i].Keys = keysBeside(tt.want[i].Certificates)
				}
				if i >= len(got) || i >= len(tt.want) || !reflect.DeepEqual(got[i], tt.want[i]) {
					t.Fatalf("server %d:\ngot  %+q\nwant %+q", i, got, tt.want)
				}
			}
		})
	}
}

// keysBeside are the keys in these dumps: each lies beside its certificate.
func keysBeside(certificates []string) []string {
	var keys []string
	for _, path := range certificates {
		keys = append(keys, strings.TrimSuffix(path, ".pem")+".key")
	}
	return keys
}

func words(text string) []string { return strings.Fields(text) }

func TestAnAddressSpeaksTLSForAllOfItsServers(t *testing.T) {
	for _, tt := range []struct {
		one, other string
		same       bool
	}{
		{"443 ssl", "*:443", true},
		{"443 ssl", "0.0.0.0:443", true},
		{"443 ssl http2", "443 default_server", true},
		{"443 quic", "443", true},
		{"443 ssl", "[::]:443", false},
		{"[::1] ssl", "[::1]:80", true},
		{"127.0.0.1 ssl", "127.0.0.1:80", true},
		{"127.0.0.1:443 ssl", "443", false},
		{"unix:/a ssl", "unix:/a", true},
	} {
		t.Run(tt.one+" and "+tt.other, func(t *testing.T) {
			servers, err := parse(t.Context(), "# configuration file /n:\nhttp { server { listen "+tt.one+"; } server { listen "+tt.other+"; } }")
			if err != nil || (len(servers) == 2) != tt.same {
				t.Errorf("%d servers, error %v", len(servers), err)
			}
		})
	}
}

func TestACommentThatLooksLikeAHeadingIsOne(t *testing.T) {
	const dump = `# configuration file /etc/nginx/nginx.conf:
# configuration file /etc/nginx/nginx.conf:
http {
# configuration file /etc/nginx/old.conf:
# include old.conf;
    include "conf.d/[!b]*.conf";
# configuration file conf.d/a.conf:
}

# configuration file /etc/nginx/conf.d/a.conf:
server {
    listen 443 ssl;
# configuration file /etc/nginx/conf.d/b.conf:
    ssl_certificate a.pem;
}
# configuration file /etc/nginx/conf.d/c.conf:
server { listen 443;
# configuration file /etc/nginx/conf.d/a.conf:
ssl_certificate c.pem; }
`
	got, err := parse(t.Context(), dump)
	want := []Server{
		{Place: "/etc/nginx/conf.d/a.conf:1", Listen: words("443"), Certificates: words("/etc/nginx/a.pem")},
		{Place: "/etc/nginx/conf.d/c.conf:1", Listen: words("443"), Certificates: words("/etc/nginx/c.pem")},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+q, error %v", got, err)
	}
}

func TestFilesOfOnePatternAreReadInTheOrderOfTheirNames(t *testing.T) {
	got, err := parse(t.Context(), `# configuration file /nginx.conf:
http { include b; include [ab]; }
# configuration file /b:
server { listen 443 ssl; }
# configuration file /a:
server { listen 443 ssl; }
`)
	var places []string
	for _, s := range got {
		places = append(places, s.Place)
	}
	if err != nil || strings.Join(places, " ") != "/b:1 /a:1 /b:1" {
		t.Errorf("got %q, error %v", places, err)
	}
}

// Other readers of nginx's configuration get these wrong.
func TestADirectiveIsReadAsNginxReadsIt(t *testing.T) {
	for _, tt := range []struct{ name, before, word, want string }{
		{"bytes that are not UTF-8", "", "/\xd6\xa4.pem", "/\xd6\xa4.pem"},
		{"a blank of Unicode", "", "/a\u3000b.pem", "/a\u3000b.pem"},
		{"a closing brace in a word", "", "/a}b.pem", "/a}b.pem"},
		{"escapes", "", `/a\\b\"c\td\.pem`, "/a\\b\"c\td\\.pem"},
		{"escapes in quotes", "", `"/a\\b\'c.pem"`, `/a\b'c.pem`},
		{"a variable that is not closed", "set $x ${a;", "/a.pem", "/a.pem"},
		{"an apostrophe in a comment of Lua", "content_by_lua_block {\n-- it's\n}", "/a.pem", "/a.pem"},
		{"Lua that a new module brings", "new_by_lua_block { local t = {1,2} f(t) }", "/a.pem", "/a.pem"},
		{"a block of another module", "match a { map b { c d e; } }", "/a.pem", "/a.pem"},
		{"a condition that is empty", "if () { }", "/a.pem", "/a.pem"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parse(t.Context(), "# configuration file /n:\nhttp { server { listen 443 ssl; "+tt.before+" ssl_certificate "+tt.word+"; } }")
			if err != nil || len(got) != 1 || !reflect.DeepEqual(got[0].Certificates, []string{tt.want}) {
				t.Errorf("got %+q, error %v", got, err)
			}
		})
	}
}

// The bound is far above what reading takes, and far below what the square of
// the number would.
//
// fault 175
func TestManySitesAreReadInTimeThatGrowsWithTheirNumber(t *testing.T) {
	const sites = 30_000
	var main, included strings.Builder
	for i := range sites {
		fmt.Fprintf(&main, "include /site/%d/*.conf;\n", i)
		fmt.Fprintf(&included, "# configuration file /site/%d/a.conf:\nserver { listen 443 ssl; }\n", i)
	}
	before := processorTime(t)
	got, err := parse(t.Context(), "# configuration file /n:\nhttp {\n"+main.String()+"}\n"+included.String())
	if err != nil || len(got) != sites {
		t.Errorf("%d servers, error %v", len(got), err)
	}
	if took := processorTime(t) - before; took > 10*time.Second {
		t.Errorf("it took %s of processor time", took)
	}
}

// processorTime is what this process has used; others on the machine do not count.
func processorTime(t *testing.T) time.Duration {
	t.Helper()
	var used unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &used); err != nil {
		t.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// fault 175
func TestAPatternThatTakesTooLongIsGivenUpBetweenTwoNames(t *testing.T) {
	pattern := "/*" + strings.Repeat("a", 2000) + "b*"
	var included strings.Builder
	for i := range 3000 {
		fmt.Fprintf(&included, "# configuration file /%s%d:\na;\n", strings.Repeat("a", 4000), i)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_, err := parse(ctx, "# configuration file /n:\ninclude "+pattern+";\n"+included.String())
	if !errors.Is(err, context.DeadlineExceeded) { // else it was read to the end
		t.Errorf("error %v", err)
	}
}

func TestADumpThatTakesTooLongIsGivenUp(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := parse(ctx, "# configuration file /n:\ninclude a*;")
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func TestADumpThatIsNotUnderstoodSaysWhere(t *testing.T) {
	const heading = "# configuration file /etc/nginx/nginx.conf:\n"
	for _, tt := range []struct{ name, dump, want string }{
		{"no file", "nginx: the syntax is ok\n", "the dump holds no file"},
		{"a block without an end", heading + "http {\n server { }\n", "nginx.conf:3: a block is not closed"},
		{"a brace too many", heading + "a b;\n}\n", "nginx.conf:2: a brace closes no block"},
		{"a directive without an end", heading + "a b", "nginx.conf:1: a is not ended"},
		{"a brace within a directive", heading + "a { b }", "nginx.conf:1: '}' stands where it cannot"},
		{"a block without a name", heading + "\n{ }", "nginx.conf:2: '{' stands where it cannot"},
		{"a quote without an end", heading + "a 'b;\n", "a quoted word is not ended"},
		{"Lua without an end", heading + "access_by_lua_block { {} ", "a block of Lua is not closed"},
		{"blocks without bottom", heading + strings.Repeat("a {", 1<<20), "nested too deeply"},
		{"a file that includes itself", heading + "include nginx.conf;", "nested too deeply"},
		{"a file that doubles itself", heading + strings.Repeat("include nginx.conf;", 20), "nested too deeply"},
		{"quoted text that looks like a heading", heading + "a '\n# configuration file /etc/b:\ninclude /etc/c;';\n# configuration file /etc/c:\nc;\n",
			"nothing includes /etc/c"},
		{"a long comment that is included again and again", "# configuration file /n:\n" + strings.Repeat("include /a;", 1000) +
			"\n# configuration file /a:\n#" + strings.Repeat("a", 1<<20), "more than 268435456 bytes, /a among them"},
		{"files that grow", growing(), "more than 200000 directives"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := parse(t.Context(), tt.dump); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}

// growing is twenty files, each of which includes the next one twice.
func growing() string {
	var dump strings.Builder
	for i := range 20 {
		fmt.Fprintf(&dump, "# configuration file /%d:\na;\ninclude /%d;\ninclude /%d;\n", i, i+1, i+1)
	}
	return dump.String()
}

func TestServersAsksTheRealNginx(t *testing.T) {
	if _, err := exec.LookPath("nginx"); err != nil {
		t.Skip("nginx is not installed: its dump was not read")
	}
	dir := t.TempDir()
	b := bundletest.NewCA(t, "CA").Issue(t, bundletest.Leaf{Names: []string{"example.com"}, NotAfter: time.Now().Add(time.Hour)})
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("site.pem", string(b.FullchainPEM()))
	write("site.key", string(b.KeyPEM()))
	write("site.conf", "server { listen 127.0.0.1:1 ssl; server_name a.example;\nssl_certificate site.pem; ssl_certificate_key site.key; }")
	write("nginx.conf", "pid "+dir+"/pid; events {} http { access_log off; client_body_temp_path "+dir+"/t1; proxy_temp_path "+dir+
		"/t2; fastcgi_temp_path "+dir+"/t3; uwsgi_temp_path "+dir+"/t4; scgi_temp_path "+dir+"/t5; include *.conf.on; include site.con[!g]; }")
	argv := []string{"nginx", "-e", dir + "/error.log", "-c", dir + "/nginx.conf"}

	got, err := Servers(t.Context(), argv)
	want := []Server{{Place: dir + "/site.conf:1", Names: words("a.example"), Listen: words("127.0.0.1:1"), Certificates: words(dir + "/site.pem"), Keys: words(dir + "/site.key")}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+q, error %v", got, err)
	}
	write("site.conf", "server { no_such_directive; }")
	_, err = Servers(t.Context(), argv)
	if err == nil || !strings.Contains(err.Error(), `[emerg] unknown directive \"no_such_directive\" in `+dir+"/site.conf:1") {
		t.Errorf("of a broken configuration: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	dumps, err := filepath.Glob("testdata/*.dump")
	if err != nil || len(dumps) == 0 {
		f.Fatalf("no dumps: %v", err)
	}
	for _, name := range dumps {
		dump, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(dump))
	}
	f.Add(growing())
	f.Fuzz(func(t *testing.T, text string) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second) // as Servers has one; a fuzzer takes ten for a deadlock
		defer cancel()
		servers, _ := parse(ctx, "# configuration file /etc/nginx/nginx.conf:\n"+text)
		for _, s := range servers {
			if s.Place == "" {
				t.Errorf("%+v stands nowhere", s)
			}
			for _, certificate := range s.Certificates {
				if !path.IsAbs(certificate) {
					t.Errorf("%q is not absolute", certificate)
				}
			}
		}
	})
}
