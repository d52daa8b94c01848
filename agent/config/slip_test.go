package config

import (
	"errors"
	"strings"
	"testing"

	"dvagent/internal/hint"
)

// fault 186
func TestACommonSlipIsAnsweredWithWhatToWrite(t *testing.T) {
	const deployment = "[[certificate]]\n[[certificate.deploy]]\n"
	for _, tt := range []struct{ name, text, err, hint string }{
		{"a table of one certificate", "[certificate]\nname = \"www\"\n", "agent.toml:1: certificate: it wants a table in double brackets for each one",
			"write [[certificate]] in place of [certificate]"},
		{"a certificate with a name in its header", "[certificate.www]\nname = \"www\"\n", "agent.toml:1: certificate: it wants a table in double",
			"write [[certificate]] in place of [certificate.www]"},
		{"a table of one deployment", "[[certificate]]\n[certificate.deploy]\nkey = \"/x\"\n", "agent.toml:2: certificate[0].deploy: it wants a table in double",
			"write [[certificate.deploy]] in place of [certificate.deploy]"},
		{"a hook", "[hook]\non = [\"failed\"]\n", "agent.toml:1: hook: it wants", "write [[hook]] in place of [hook]"},
		{"a table that stands once, in double brackets", "[[dns]]\nttl = 600\n", "agent.toml:1: dns[0]: it wants a table", "write [dns] in place of [[dns]]"},
		{"an account without a name", "[account]\nregion = \"x\"\n", "agent.toml:1: account: it wants a table with a name",
			"write [account.main] in place of [account]"},
		{"an account in double brackets", "[[account.main]]\n", "agent.toml:1: account.main[0]: it wants a table", "write [account.main] in place of [[account.main]]"},
		{"a text in place of a table", "dns = 3\n", "agent.toml:1: dns: it wants a table", "write [dns] in a line of its own, and its keys below"},

		{"a domain without a list", "[[certificate]]\ndomains = \"x.example\"\n", "agent.toml:2: certificate[0].domains: it wants a list of texts in quotes",
			`write domains = ["x.example"]`},
		{"domains with commas", "[[certificate]]\ndomains = \"x.example, *.x.example\" # both\n", "it wants a list", `write domains = ["x.example", "*.x.example"]`},
		{"a command as one text", deployment + "check = \"nginx -t\"\n", "agent.toml:3: certificate[0].deploy[0].check: it wants a list of texts in quotes",
			`write check = ["nginx", "-t"]`},
		{"a command for a shell", deployment + "reload = \"a && b\"\n", "it wants a list", shownThere},
		{"a list of one text", "state_dir = [ \"/x\" ]\n", "it wants a text in quotes", `write state_dir = "/x"`},
		{"a list of one number", "[dns]\nttl = [600]\n", "it wants a whole number", "write ttl = 600"},
		{"a list of several", "[dns]\nquorum = [1, 2]\n", "it wants a text in quotes", shownThere},
		{"a list of lists", "state_dir = [[\"/x\"]]\n", "it wants a text in quotes", shownThere},
		{"a table in place of a text", "state_dir = {a = 1}\n", "it wants a text in quotes", shownThere},
		{"words in place of a number", "[dns]\nttl = \"ten minutes\"\n", "it wants a whole number", shownThere},
		{"half a number", "[dns]\nttl = 7.5\n", "it wants a whole number", shownThere},
		{"a number without end", "[dns]\nttl = 99999999999999999999\n", "it wants a whole number", shownThere},
		{"a day in place of yes", "[[certificate]]\nupload = 2026-01-01\n", "it wants true or false", shownThere},
		{"a word in place of yes", "[[certificate]]\nupload = maybe\n", "it wants true or false", shownThere},
		{"numbers in a list", "[[certificate]]\ndomains = [1, 2]\n", "it wants a list", `write domains = ["1", "2"]`},
		{"an event without a list", "[[hook]]\non = \"failed\"\n", "agent.toml:2: hook[0].on: it wants a list", `write on = ["failed"]`},
		{"a mode as a number", deployment + "mode = 644\n", "agent.toml:3: certificate[0].deploy[0].mode: it wants a text in quotes", `write mode = "0644"`},
		{"a mode with its zero", deployment + "key_mode = 0640\n", "agent.toml:3: certificate[0].deploy[0].key_mode: it wants a text in quotes", `write key_mode = "0640"`},
		{"a part of one of a few words", "[account.main]\ncas_api = 2020\n", "agent.toml:2: account.main.cas_api: it wants a text in quotes", `write cas_api = "2020-04-07"`},
		{"a day that is one of a few words", "[account.main]\ncas_api = 2018-07-13\n", "it wants a text in quotes", `write cas_api = "2018-07-13"`},
		{"a number in place of one of a few words", "[[certificate]]\nkey_type = 3\n", "it wants a text in quotes", `write key_type = "rsa2048" or "rsa3072" or "rsa4096" or "ec256"`},
		{"yes in place of one of two words", "[[certificate]]\nprivate_key = true\n", "it wants a text in quotes", `write private_key = "host" or "cas"`},
		{"a time as a number", "[service]\ninterval = 60\n", "agent.toml:2: service.interval: it wants a text in quotes", `write interval = "60s"`},
		{"a share as a number", "[dns]\nquorum = 75\n", "it wants a text in quotes", `write quorum = "75%"`},
		{"a number in quotes", "[dns]\nttl = \"600\"\n", "agent.toml:2: dns.ttl: it wants a whole number", "write ttl = 600"},
		{"a number that may be left out, in quotes", "[limits]\nrequests_per_second = \"5\"\n", "it wants a whole number", "write requests_per_second = 5"},
		{"yes in quotes", "[[certificate]]\nupload = \"yes\"\n", "agent.toml:2: certificate[0].upload: it wants true or false", "write upload = true"},
		{"no", "[[certificate]]\nupload = no\n", "agent.toml:2: certificate[0].upload: it wants true or false", "write upload = false"},
		{"no quotes", "[[certificate]]\nname = www\n", "agent.toml:2: certificate[0].name: it wants a text in quotes", `write name = "www"`},
		{"other quotes", "[[certificate]]\nname = “www”\n", "agent.toml:2: certificate[0].name: the sign \"“\" is not of TOML", `write name = "www"`},
		{"a colon", "state_dir: /x\n", "agent.toml:1: state_dir: no equals sign stands between", `write state_dir = "/x"`},
		{"no comma in a list", "[[certificate]]\ndomains = [\"a.example\" \"b.example\"]\n", "it wants a list of texts in quotes", `write domains = ["a.example", "b.example"]`},
		{"a bracket too few", "[[certificate]\nname = \"x\"\n", "agent.toml:1: this is no whole header of a table", "write [[certificate]]"},
		{"a table twice", "[dns]\n[dns]\n", "agent.toml:2: dns: stands twice", "it stands in line 1 already: remove one of them"},
		{"a key twice", "[dns]\nttl = 600\nttl = 60\n", "agent.toml:3: dns.ttl: stands twice", "it stands in line 2 already: remove one of them"},

		{"a misspelt key", "[[certificate]]\ndomain = [\"x\"]\n", "agent.toml:2: certificate[0].domain: unknown key", "did you mean domains?"},
		{"a misspelt table", "[certficate]\nx = 1\n", "agent.toml:1: certficate: unknown table", "did you mean [[certificate]]?"},
		{"a misspelt table of one", "[acount.main]\nregion = \"x\"\n", "acount.main: unknown table", "did you mean [account.main]?"},
		{"a misspelt key of an account", "[account.main]\nacces_key_id = \"x\"\n", "account.main.acces_key_id: unknown key", "did you mean access_key_id?"},
		{"a key of another table", "[[certificate]]\ninterval = \"1h\"\n", "certificate[0].interval: unknown key", "it belongs below [service]"},
		{"a key of a target", "[[certificate]]\nreload = [\"x\"]\n", "certificate[0].reload: unknown key", "it belongs below [[certificate.deploy]]"},
		{"the state directory below a table", "[service]\nstate_dir = \"/x\"\n", "service.state_dir: unknown key", "it belongs above the first table"},
		{"a key that nobody knows", "[dns]\nfrobnicate = 1\n", "dns.frobnicate: unknown key", "agent.toml.example shows every key"},
		{"a name of other programs", "[contact.ops]\nphone = \"133\"\n", "contact.ops.phone: unknown key", "did you mean mobile?"},
		{"a deployment outside of its certificate", "[[deploy]]\nkey = \"/k\"\n", "deploy[0]: unknown table", "did you mean [[certificate.deploy]]?"},
		{"a table with the name of a file", "[[cert]]\nname = \"x\"\n", "cert[0]: unknown table", "did you mean [[certificate]]?"},

		{"no bracket at all", "[[certificate\nname = \"x\"\n", "agent.toml:1: this is no whole header of a table", "write [[certificate]]"},
		{"a Chinese name of an account", "[account.主]\nregion = \"x\"\n", "agent.toml:1: this is no header of a table", ""},
		{"a Chinese equals sign", "state_dir＝\"/x\"\n", "the sign \"＝\" is not of TOML", `write state_dir="/x"`},
		{"Chinese commas", "[[certificate]]\ndomains = [\"a.example\"，\"b.example\"]\n", "agent.toml:2: certificate[0].domains: the sign \"，\" is not", `write domains = ["a.example","b.example"]`},
		{"Chinese brackets", "【dns】\n", "agent.toml:1: the sign \"【\" is not of TOML", "write [dns]"},
		{"a wide blank", "state_dir　= \"/x\"\n", "the sign \"U+3000\" is not of TOML", `write state_dir = "/x"`},
		{"Chinese quotes of a secret", "[account.main]\naccess_key_secret = “canary”\n", "account.main.access_key_secret: the sign \"“\" is not of TOML", ""},
		{"a list without its end", "[[certificate]]\nname = \"a\"\ndomains = [\"a.example\"\naccount = \"main\"\n", "agent.toml:3: certificate[0].domains: the list that begins here does not end", "end it with ]"},
		{"no value", "state_dir =\n", "agent.toml:1: state_dir: no value stands behind the equals sign", ""},
		{"a path of Windows", "state_dir = \"C:\\Users\"\n", "a backslash in double quotes begins an escape", "use single quotes, or two backslashes"},
		{"a comment of another language", "// x\n", "agent.toml:1: this line is neither KEY = VALUE nor [TABLE] nor a comment after #", ""},
		{"JSON", "{\"state_dir\": \"/x\"}\n", "agent.toml:1: this line is neither", ""},
		{"UTF-16", "s\x00t\x00", "agent.toml:1: this is no text, or one in UTF-16", "save the file as plain text in UTF-8"},
		{"GBK", "# x\n# \xd5\xc5\n", "agent.toml:2: this is not UTF-8", "save the file as plain text in UTF-8"},
		{"lines of an old Macintosh", "# x\r# y", "agent.toml:1: a line ends in CR alone", "save the file as plain text in UTF-8"},
		{"a control character", "# \x1b[1m\n", "agent.toml:1: the control character U+001B stands here", "save the file as plain text in UTF-8"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := load(t, tt.text)
			var wrong *Error
			if !errors.As(err, &wrong) || !strings.Contains(err.Error(), tt.err) || hint.Of(err) != tt.hint {
				t.Errorf("got %v\nhint %s\nwant %s\nhint %s", err, hint.Of(err), tt.err, tt.hint)
			}
		})
	}
}

// fault 186
func TestNoSlipMakesAnErrorRepeatASecret(t *testing.T) {
	const canary = "Canary0Secret"
	for _, text := range []string{
		"[account.main]\naccess_key_secret = " + canary + "\n",
		"[account.main]\naccess_key_secret: \"" + canary + "\"\n",
		"[account.main]\naccess_key_secret = [\"" + canary + "\"]\n",
		"[account.main]\naccess_key_secret = “" + canary + "”\n",
		"[account.main]\naccess_key_secret = '" + canary + "\n",
		"[account.main]\naccess_key_secret = \"\n" + canary + "\"\n",
		"[account]\naccess_key_secret = \"" + canary + "\"\n",
		"[[account]]\naccess_key_secret = \"" + canary + "\"\n",
		"[dns]\naccess_key_secret = \"" + canary + "\"\n",
		"account = \"" + canary + "\"\n",
		"[[notify]]\nurl = https://" + canary + "/\n",
		"[[certificate]]\n[[certificate.deploy]]\npassword = " + canary + "\n",
		"[service]\ntoken = " + canary + "\n",
	} {
		_, err := load(t, text)
		if err == nil || strings.Contains(err.Error()+hint.Of(err), canary) || strings.Contains(err.Error(), "0Secret") {
			t.Errorf("%q: %v (hint: %s)", text, err, hint.Of(err))
		}
	}
}
