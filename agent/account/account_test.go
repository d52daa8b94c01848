package account

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"dvagent/agent/config"
	"dvagent/agent/state"
	"dvagent/internal/hint"
	"dvagent/internal/secret"
)

func open(configured map[string]config.Account, observe state.Observer) (*Accounts, error) {
	return Open(state.NewHost(&config.Config{Accounts: configured}, nil, observe))
}

func TestEachAccountHasItsOwnClient(t *testing.T) {
	served := map[string]int{} // requests, by access key
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		served[r.FormValue("AccessKeyId")]++
		http.Error(w, `{"Code":"Forbidden.RAM","Message":"no"}`, http.StatusForbidden)
	}))
	defer server.Close()
	configured := map[string]config.Account{}
	for _, name := range []string{"main", "dns"} {
		configured[name] = config.Account{
			AccessKeyID: secret.Secret{Literal: "id-of-" + name}, AccessKeySecret: secret.Secret{Literal: "canary"},
			CASEndpoint: server.URL, DNSEndpoint: server.URL,
		}
	}
	var mu sync.Mutex
	var observed []string
	accounts, err := open(configured, func(e state.Event) {
		if call, ok := e.(state.Call); ok {
			mu.Lock()
			defer mu.Unlock()
			observed = append(observed, call.Account+" "+call.Operation+" "+call.Failure)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	client, err := accounts.Client("dns")
	if err != nil {
		t.Fatal(err)
	}
	if err := client.DeleteDomainRecord(t.Context(), "1"); err == nil {
		t.Error("a refusal is no error")
	}
	if !slices.Equal(observed, []string{"dns DeleteDomainRecord forbidden"}) || served["id-of-dns"] != 1 || len(served) != 1 {
		t.Errorf("observed %q, served %v", observed, served)
	}
}

func TestAnAccountThatCannotWorkIsNamed(t *testing.T) {
	_, err := open(map[string]config.Account{"main": {CAFile: "/nowhere/ca.pem"}}, nil)
	if err == nil || !strings.HasPrefix(err.Error(), "account main: ") {
		t.Errorf("got %v", err)
	}
}

func TestAnAccountThatIsGoneIsMissedWithAHint(t *testing.T) {
	accounts, err := open(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if client, err := accounts.Client("old"); client != nil || err == nil || !strings.Contains(hint.Of(err), "[account.old]") {
		t.Errorf("got %v, hint %q", err, hint.Of(err))
	}
}
