package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"dvagent/internal/hint"
)

func TestSeveralMistakesAreToldAtOnce(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       []string
	}{
		{"values in several tables", strings.NewReplacer(`"/var/lib/dvagent"`, `"state"`, `"ops@example.com"`, `" "`, `"hangzhou"`, `""`,
			`["shop.example.com"]`, `["a", "b.example.com", "https://c.example.com/"]`).Replace(sound) + "[dns]\nttl = 0\nquorum = \"x\"\n",
			[]string{":1: state_dir", ":8: contact.ops.email", ":10: contact.ops.city", `:19: certificate[1].domains: "a"`,
				`:19: certificate[1].domains: "https`, ":21: dns.ttl", ":22: dns.quorum"}},
		{"unknown keys and tables", "stat_dir = \"/x\"\n[[certificate]]\ndomain = [\"x.example\"]\n[[certificate]]\ndomain = [\"y.example\"]\n[dnss]\nx = 1\n",
			[]string{":1: stat_dir", ":3: certificate[0].domain", ":5: certificate[1].domain", ":6: dnss"}},
		{"values of wrong types and an unknown key", "state_dir = 5\n[dns]\nttl = \"600\"\nquorum = 75\nqorum = 1\n",
			[]string{":1: state_dir", ":3: dns.ttl", ":4: dns.quorum", ":5: dns.qorum"}},
		{"lines that are no TOML", "state_dir = /x\n[dns]\nttl: 600\nquorum = “75%”\n", []string{":1: state_dir", ":3: dns.ttl", ":4: dns.quorum"}},
		{"what comes after a list without its end is not judged", "[dns]\nresolvers = [\"a:53\"\nttl: 600\nquorum = 75\n", []string{":2: dns.resolvers"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := load(t, tt.text)
			var got []string
			for _, one := range Each(err) {
				got = append(got, one.Error())
			}
			if len(got) != len(tt.want) {
				t.Fatalf("got %d:\n%s", len(got), strings.Join(got, "\n"))
			}
			for i, want := range tt.want {
				if !strings.Contains(got[i], want) {
					t.Errorf("%s, want %s", got[i], want)
				}
			}
			var first *Error
			if !errors.As(err, &first) || first.Error() != got[0] {
				t.Errorf("the first is %v", first)
			}
		})
	}
}

func TestMistakesWithoutEndAreCut(t *testing.T) {
	text := "[dns]\n"
	for i := range 2 * mostMistakes {
		text += fmt.Sprintf("key%d = 1\n", i)
	}
	_, err := load(t, text)
	all := Each(err)
	if last := all[len(all)-1].Error(); len(all) != mostMistakes+1 || !strings.HasSuffix(last, "and 20 more mistakes") {
		t.Errorf("%d, the last one %s", len(all), last)
	}
}

func TestWhatWasLikelyMeantByAValueIsSaid(t *testing.T) {
	for _, tt := range []struct{ name, old, new, hint string }{
		{"a URL for a domain", `"shop.example.com"`, `"https://shop.example.com/x"`, `did you mean "shop.example.com"?`},
		{"a domain with a port", `"shop.example.com"`, `"shop.example.com:443"`, `did you mean "shop.example.com"?`},
		{"a blank before a domain", `"shop.example.com"`, `" shop.example.com"`, `did you mean "shop.example.com"?`},
		{"two domains in one text", `"shop.example.com"`, `"shop.example.com，x.example.com"`, `did you mean "shop.example.com", "x.example.com"?`},
		{"a star without its dot", `"shop.example.com"`, `"*shop.example.com"`, `did you mean "*.shop.example.com"?`},
		{"quotes within quotes", `"shop.example.com"`, `"“shop.example.com”"`, `did you mean "shop.example.com"?`},
		{"a domain of one label", `"shop.example.com"`, `"shop"`, ""},
		{"a home directory", `"/var/lib/dvagent"`, `"~/state"`, "write the home directory in full, such as /root"},
		{"a blank before a path", `"/var/lib/dvagent"`, `" /var/lib/dvagent"`, `did you mean "/var/lib/dvagent"?`},
		{"the root as the state directory", `"/var/lib/dvagent"`, `"/"`, "give dvagent a directory of its own, such as /dvagent"},
		{"a directory of the system as the state directory", `"/var/lib/dvagent"`, `"/var/lib/"`, "give dvagent a directory of its own, such as /var/lib/dvagent"},
		{"a relative path", `"/var/lib/dvagent"`, `"state"`, "write it in full, from / on"},
		{"days in words", `name = "shop"`, "name = \"shop\"\nrenew_before = \"30 days\"", `did you mean "30d"?`},
		{"days in Chinese", `name = "shop"`, "name = \"shop\"\nrenew_before = \"30天\"", `did you mean "30d"?`},
		{"weeks", `name = "shop"`, "name = \"shop\"\nrenew_before = \"2w\"", `did you mean "14d"?`},
		{"a time without its unit", "[contact.ops]", "[service]\ninterval = \"3600\"\n[contact.ops]", "a unit is missing behind it: s, m, h or d"},
		{"no time at all", "[contact.ops]", "[service]\ninterval = \"0\"\n[contact.ops]", ""},
		{"a share without its sign", "[contact.ops]", "[dns]\nquorum = \"75\"\n[contact.ops]", `did you mean "75%"?`},
		{"a share of more than all", "[contact.ops]", "[dns]\nquorum = \"750\"\n[contact.ops]", ""},
		{"an address in two lines", "[contact.ops]", "[dns]\nresolvers = [\"192.0.2.53\\n:53\"]\n[contact.ops]", ""},
		{"a blank in an address", "[contact.ops]", "[dns]\nresolvers = [\"192.0.2.53 :53\"]\n[contact.ops]", ""},
		{"a NUL in an address", "[contact.ops]", "[dns]\nresolvers = [\"192.0.2.53\\u0000:53\"]\n[contact.ops]", ""},
		{"a negative time", `name = "shop"`, "name = \"shop\"\nrenew_before = \"-5d\"", ""},
		{"a resolver without a port", "[contact.ops]", "[dns]\nresolvers = [\"192.0.2.53\"]\n[contact.ops]", `did you mean "192.0.2.53:53"?`},
		{"a resolver of IPv6 without a port", "[contact.ops]", "[dns]\nresolvers = [\"2001:db8::1\"]\n[contact.ops]", `did you mean "[2001:db8::1]:53"?`},
		{"a Chinese colon", "[contact.ops]", "[dns]\nresolvers = [\"192.0.2.53：53\"]\n[contact.ops]", `did you mean "192.0.2.53:53"?`},
		{"a port beyond all", "[contact.ops]", "[dns]\nresolvers = [\"192.0.2.53:65536\"]\n[contact.ops]", ""},
		{"another name of a language", "[contact.ops]", "[messages]\nlanguage = \"zh_CN\"\n[contact.ops]", `did you mean "zh"?`},
		{"the name of a country", "[contact.ops]", "[messages]\nlanguage = \"cn\"\n[contact.ops]", `did you mean "zh"?`},
		{"a scheme before an address", "[contact.ops]", "[dns]\nresolvers = [\"udp://192.0.2.53:53\"]\n[contact.ops]", `did you mean "192.0.2.53:53"?`},
		{"a URL for a probe", `"/etc/nginx/tls/www.key"`, "\"/etc/nginx/tls/www.key\"\nprobe = [\"https://127.0.0.1/\"]", `did you mean "127.0.0.1:443"?`},
		{"a port for a probe", `"/etc/nginx/tls/www.key"`, "\"/etc/nginx/tls/www.key\"\nprobe = [\"443\"]", `did you mean "127.0.0.1:443"?`},
		{"a kind of key in capitals", `name = "shop"`, "name = \"shop\"\nkey_type = \"RSA2048\"", `did you mean "rsa2048"?`},
		{"a misspelt account", `name = "shop"`, "name = \"shop\"\naccount = \"mian\"", `did you mean "main"?`},
		{"a misspelt event", "[contact.ops]", "[[hook]]\non = [\"issue\"]\ncommand = [\"/x\"]\n[contact.ops]", `did you mean "issued"?`},
		{"a region without its country", "access_key_id =", "region = \"hangzhou\"\naccess_key_id =", "regions are written as cn-hangzhou"},
		{"a secret with a blank", `"canary-secret"`, `"canary-secret "`, "copy it from the RAM console once more"},
		{"an id that is a placeholder", `"LTAIexample"`, `"LTAI…"`, "copy it from the RAM console once more"},
		{"a user and a group in one", "  key =", "  owner = \"root:root\"\n  key =", "owner and group are two keys, with one name each"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if strings.Count(sound, tt.old) != 1 {
				t.Fatalf("%q does not stand once in the sound configuration", tt.old)
			}
			_, err := load(t, strings.Replace(sound, tt.old, tt.new, 1))
			if err == nil || hint.Of(err) != tt.hint || len(Each(err)) != 1 || strings.Contains(err.Error(), "canary") {
				t.Errorf("got %v\nhint %s\nwant %s", err, hint.Of(err), tt.hint)
			}
		})
	}
}

func TestOfAnotherErrorThereIsOne(t *testing.T) {
	err := errors.New("x")
	if got := Each(err); !slices.Equal(got, []error{err}) {
		t.Errorf("got %v", got)
	}
}
