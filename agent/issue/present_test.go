package issue

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"dvagent/agent/order"
)

func TestAProofWaitsWhereNoAnswerCouldShowItBesideTheOthers(t *testing.T) {
	const name = "_dnsauth.example.com"
	challenge := order.Challenge{Kind: order.TXT, Name: name, Value: "mine"}
	record := func(value string) order.Record {
		return order.Record{Account: "main", Kind: order.TXT, Zone: "example.com", RR: "_dnsauth", Name: name, Value: value}
	}
	led := record("led")
	led.Name, led.For = "_dnsauth.example.org", name
	page := order.Record{Kind: order.File, Zone: "/var/www", RR: "a.txt", Name: name, Value: "page"}
	for _, tt := range []struct {
		name   string
		others int
		like   order.Record
		asked  order.Challenge
		placed []order.Record // of the order
		waits  bool
	}{
		{"a few", 100, record("x"), challenge, nil, false},
		{"too many", 200, record("x"), challenge, nil, true},
		{"too many, to which CNAMEs of the name lead", 200, led, challenge, nil, true},
		{"many at another name", 200, record("x"), order.Challenge{Kind: order.TXT, Name: "_other.example.com", Value: "mine"}, nil, false},
		{"many files", 200, page, challenge, nil, false},
		{"a file beside too many records", 200, record("x"), order.Challenge{Kind: order.File, Name: name, Value: "mine"}, nil, false},
		{"an order that has its record already", 200, record("x"), challenge, []order.Record{record("mine")}, false},
	} {
		records, err := order.LoadOwed(filepath.Join(t.TempDir(), "records"))
		if err != nil {
			t.Fatal(err)
		}
		for i := range tt.others {
			r := tt.like
			r.Value += fmt.Sprintf("%d", i) + strings.Repeat("v", 190)
			if err := records.Note(order.Added, fmt.Sprintf("host%d", i), r); err != nil {
				t.Fatal(err)
			}
		}
		w := &work{desk: &Desk{records: records}, order: &order.Order{Challenges: []order.Challenge{tt.asked}}}
		for _, r := range tt.placed {
			w.order.Records = append(w.order.Records, order.Placed{Record: r})
		}
		if got := w.tooMany(tt.asked); got != tt.waits {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}
