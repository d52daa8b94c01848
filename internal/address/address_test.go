package address

import (
	"strings"
	"testing"

	"dvagent/internal/hint"
)

// canary stands in URLs as their secret.
const canary = "canary-4f1d8c7e"

func TestAnEndpointIsASchemeAndAHost(t *testing.T) {
	for _, tt := range []struct {
		name, endpoint string
		ok             bool
	}{
		{"https to anywhere is accepted", "https://cas.aliyuncs.com", true},
		{"a final slash is accepted", "https://cas.aliyuncs.com/", true},
		{"a port is accepted", "https://cas.example.com:8443", true},
		{"http to 127.0.0.1 is accepted", "http://127.0.0.1:8080", true},
		{"http to all of 127/8 is accepted", "http://127.9.9.9", true},
		{"http to ::1 is accepted", "http://[::1]:8080", true},
		{"http to localhost is accepted", "http://localhost:8080", true},
		{"http to anywhere else is refused", "http://cas.aliyuncs.com", false}, // fault 87
		{"http to a name that begins like loopback is refused", "http://127.0.0.1.example.com", false},
		{"http to a name that begins with localhost is refused", "http://localhost.example.com", false},
		{"http to a private address is refused", "http://10.0.0.1", false},
		{"a path is refused", "https://cas.aliyuncs.com/api", false},
		{"a query is refused", "https://cas.aliyuncs.com?a=b", false},
		{"an empty query is refused", "https://cas.aliyuncs.com?", false},
		{"a fragment is refused", "https://cas.aliyuncs.com#a", false},
		{"a user is refused", "https://user:" + canary + "@cas.aliyuncs.com", false},
		{"a bare host is refused", "cas.aliyuncs.com", false},
		{"nothing is refused", "", false},
		{"another scheme is refused", "ftp://127.0.0.1", false},
		{"a scheme without a host is refused", "https://", false},
		{"a percent sign in the host is refused", "https://cas%25.aliyuncs.com", false},
		{"a control character is refused", "https://cas.aliyuncs.com\n", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := CheckEndpoint(tt.endpoint)
			if (err == nil) != tt.ok {
				t.Fatalf("CheckEndpoint(%q) = %v", tt.endpoint, err)
			}
			if err != nil && (strings.Contains(err.Error(), canary) || strings.Contains(err.Error(), "\n")) {
				t.Errorf("error repeats the endpoint: %q", err)
			}
		})
	}
}

func TestAHostIsLoopbackByItsAddressOrAsLocalhost(t *testing.T) {
	for host, want := range map[string]bool{
		"localhost": true, "127.0.0.1": true, "127.9.9.9": true, "::1": true,
		"": false, "0.0.0.0": false, "::": false, "10.0.0.1": false, "127.0.0.1:80": false, "[::1]": false,
		"localhost.example.com": false, "127.0.0.1.example.com": false,
	} {
		if IsLoopback(host) != want {
			t.Errorf("%q: not %v", host, want)
		}
	}
}

func TestAnAddressIsSplitIntoHostAndPort(t *testing.T) {
	for _, tt := range []struct{ text, host, port, says string }{
		{"example.com:443", "example.com", "443", ""},
		{"[::1]:https", "::1", "https", ""},
		{"127.0.0.1", "", "", "is not host:port"},
		{":443", "", "", "is not host:port"},
		{"::1:443", "", "", "is not host:port"},
		{"example.com:no-such-port", "", "", "has no valid port"},
		{"example.com:65536", "", "", "has no valid port"},
	} {
		host, port, err := Split(tt.text)
		says := ""
		if err != nil {
			says = err.Error()
		}
		if host != tt.host || port != tt.port || says != tt.says {
			t.Errorf("%q: got %q, %q, %v", tt.text, host, port, err)
		}
	}
}

// fault 87
func TestAPlainURLElsewhereIsRefusedWithAHint(t *testing.T) {
	err := CheckURL("http://example.com/"+canary, "the address", "https://example.com/")
	if err == nil || hint.Of(err) == "" || strings.Contains(err.Error(), canary) {
		t.Errorf("got %v, hint %q", err, hint.Of(err))
	}
}
