package address

import "testing"

// fault 155
func TestAHostIsReadInOneWay(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"bücher.example", "xn--bcher-kva.example"},
		{"Bücher.example", "xn--bcher-kva.example"},
		{"www.例子.中国", "www.xn--fsqu00a.xn--fiqs8s"},
		{"例子。中国", "xn--fsqu00a.xn--fiqs8s"},
		{"*.例子.中国", "*.xn--fsqu00a.xn--fiqs8s"},
		{"my_service.例子", "my_service.xn--fsqu00a"},
		{"xn--fsqu00a.xn--fiqs8s", "xn--fsqu00a.xn--fiqs8s"},
		{"Example.com.", "Example.com."},
		{"localhost", "localhost"},
		{"192.0.2.1", "192.0.2.1"},
		{"fe80::1%eth0", "fe80::1%eth0"},
		{"", ""},
		{"a\u00a0b.example", ""},
		{"a b.example", ""},
		{"a.example\n", ""},
		{"a\x00.example", ""},
		{"例 子.example", ""},
	} {
		got, err := Host(tt.text)
		if got != tt.want || (err == nil) != (tt.want != "" || tt.text == "") {
			t.Errorf("%q: %q, %v", tt.text, got, err)
		}
		if host, _, err := Split("[" + tt.text + "]:443"); tt.text != "" && (host != tt.want || (err == nil) != (tt.want != "")) {
			t.Errorf("%q with a port: %q, %v", tt.text, host, err)
		}
	}
}

// fault 155
func TestTheDomainOfAMailboxIsReadAsAHost(t *testing.T) {
	for text, want := range map[string]string{
		"ops@bücher.example":      "ops@xn--bcher-kva.example",
		"Öps <ops@例子.中国>":         "Öps <ops@xn--fsqu00a.xn--fiqs8s>",
		`"a@b" <ops@example.com>`: `"a@b" <ops@example.com>`,
		"ops@example.com":         "ops@example.com",
		"ops@a\u00a0b.example":    "",
	} {
		got, err := Mail(text)
		if err == nil && got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
}
