package demo

import (
	"testing"

	"dvagent/internal/sandbox"
)

func TestAKeyThatIsSentIsCounted(t *testing.T) {
	const key = "-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n"
	for _, tt := range []struct {
		name, action, value string
		want                int
	}{
		{"a certificate request", "UpdateInstance", "-----BEGIN CERTIFICATE REQUEST-----", 0},
		{"a key beside the request", "UpdateInstance", key, 1},
		{"an upload, whose key the sandbox does not remember", "UploadUserCertificate", "", 1},
		{"an upload of the older API", "CreateUserCertificate", "", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			request := sandbox.Request{Action: tt.action, Params: map[string]string{"Csr": tt.value}}
			if got := keysSent([]sandbox.Request{request}); got != tt.want {
				t.Errorf("got %d", got)
			}
		})
	}
}
