package dashboard

import (
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"dvagent/agent/order"
	"dvagent/internal/message"
)

func TestEachCertificateHasAPageOfItsOwn(t *testing.T) {
	h := newHost(t, append(everyState(), past{name: "buecher", domains: "xn--bcher-kva.example", age: day, left: 99 * day})...)
	address := h.open()
	for _, tt := range []struct {
		name string
		has  []string
	}{
		{"www", []string{"The open order", "submitted", "wrote the TXT record _dnsauth.www.example.com", "Versions, newest first", "current", "/etc/nginx/tls/www.pem"}},
		{"intranet", []string{"stopped: an operator is needed", "add a CAA record for the CA", "cas-cn-7pp2v9x1"}},
		{"static", []string{"probes do not show the new certificate", "start the server that listens"}},
		{"damaged", []string{"unreadable"}},
		{"host-only", []string{"cas_dv-cn-host-only", "subscription until"}},
		{"wiki", []string{"current and held"}},
		{"buecher", []string{"bücher.example"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			text, _ := look(t, address+"/certificate?"+url.Values{"name": {tt.name}}.Encode())
			for _, want := range tt.has {
				if !strings.Contains(text, want) {
					t.Errorf("%q is not in %s", want, text)
				}
			}
		})
	}
	answer, err := http.Get(address + "/certificate?name=%3Cscript%3E")
	h.must(err)
	answer.Body.Close()
	if answer.StatusCode != http.StatusNotFound {
		t.Errorf("one that is not configured: %s", answer.Status)
	}
}

func TestTheHistoryOfAnOrderIsBounded(t *testing.T) {
	facts := submitted("www", "cas-1")
	for range 3 * mostFacts {
		facts = append(facts, order.Fact{Kind: order.Waiting, Reason: "issuance"}, order.Fact{Kind: order.Visible})
	}
	h := newHost(t, past{name: "www", order: facts, bare: true})
	seen, err := h.service.Detail("www")
	h.must(err)
	if p := pageOf(seen, time.Now()); len(p.Order.History) != mostFacts {
		t.Errorf("%d facts are shown", len(p.Order.History))
	}
}

// in asks for a page in the language of that header.
func in(t *testing.T, address, header string) string {
	t.Helper()
	request, err := http.NewRequest("GET", address, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Accept-Language", header)
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestThePageSpeaksTheLanguageOfTheBrowserOrOfTheConfiguration(t *testing.T) {
	h := newHost(t, past{name: "www", age: day, left: 90 * day})
	address := h.open()
	for _, tt := range []struct {
		name, header string
		speaks       message.Language
		lang         string
	}{
		{"a browser that wants Chinese", "zh-CN,zh;q=0.9", "", `<html lang="zh">`},
		{"a browser that wants English", "en-GB", "", `<html lang="en">`},
		{"a browser that wants neither", "fr", "", `<html lang="en">`},
		{"a configuration that wants Chinese", "en-GB", message.Chinese, `<html lang="zh">`},
		{"a configuration that wants English", "zh-CN", message.English, `<html lang="en">`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h.board.Speak(tt.speaks)
			for _, path := range []string{"/", "/certificate?name=www"} {
				if text := in(t, address+path, tt.header); !strings.Contains(text, tt.lang) {
					t.Errorf("%s is in another language: %.60s", path, text)
				}
			}
		})
	}
}

func TestThePageSaysWhereItIsAndInWhichZoneItsClockGoes(t *testing.T) {
	name, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	text, _ := look(t, newHost(t, past{name: "www", age: day, left: 90 * day}).open())
	zone, _ := time.Now().Zone()
	for _, want := range []string{"on " + name, time.Now().Format("as of 2006-01-02 "), zone} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in %s", want, text)
		}
	}
}
