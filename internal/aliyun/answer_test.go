package aliyun

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestOrderResultFromManyShapes(t *testing.T) { // fault 30
	want := OrderResult{Status: "checking", CheckType: "DNS", CheckName: "_dnsauth.example.com", CheckValue: "20181015"}
	for _, test := range []struct{ name, body string }{
		{"JSON as documented", `{"RequestId":"R","OrderStatus":"checking","CheckType":"DNS","CheckName":"_dnsauth.example.com","CheckValue":"20181015"}`},
		{"a number where a string was", `{"OrderStatus":"checking","CheckType":"DNS","CheckName":"_dnsauth.example.com","CheckValue":20181015}`},
		{"names in the other case", `{"orderStatus":"checking","checkType":"DNS","checkName":"_dnsauth.example.com","checkValue":"20181015"}`},
		{"a byte order mark before", "\xef\xbb\xbf" + `{"OrderStatus":"checking","CheckType":"DNS","CheckName":"_dnsauth.example.com","CheckValue":"20181015"}` + "\r\n"},
		{"a Code that says success", `{"Code":"200","OrderStatus":"checking","CheckType":"DNS","CheckName":"_dnsauth.example.com","CheckValue":"20181015"}`},
		{"XML as documented", `<DescribeDVOrderResultResponse><OrderStatus>checking</OrderStatus><CheckType>DNS</CheckType><CheckName>_dnsauth.example.com</CheckName><CheckValue>20181015</CheckValue></DescribeDVOrderResultResponse>`},
		{"XML under another root, with a declaration", `<?xml version="1.0" encoding="UTF-8"?><DescribeDVOrderResult>
			<OrderStatus>checking</OrderStatus><CheckType>DNS</CheckType><CheckName> _dnsauth.example.com </CheckName><CheckValue>20181015</CheckValue></DescribeDVOrderResult>`},
	} {
		t.Run(test.name, func(t *testing.T) {
			cloud := newCloud(t, always(200, test.body))
			got, err := newTestClient(t, cloud.url).DescribeDVOrderResult(t.Context(), "cas-1")
			if err != nil || got != want {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
}

func TestListsFromJSONAndXML(t *testing.T) { // fault 30
	instances := []Instance{{ID: 1, InstanceID: "cas-1", Source: "BUY", Status: "PAYED", CertType: "DV"},
		{ID: 2, InstanceID: "cas-2", Source: "BUY", Status: "Issued", CertType: "OV"}}
	for _, test := range []struct {
		name, body string
		want       []Instance
	}{
		{"a JSON array", `{"TotalCount":2,"OrderList":[{"Id":1,"InstanceId":"cas-1","Source":"BUY","Status":"PAYED","CertType":"DV"},
			{"Id":"2","InstanceId":"cas-2","Source":"BUY","Status":"Issued","CertType":"OV"}]}`, instances},
		{"repeated XML elements", `<R><TotalCount>2</TotalCount><OrderList><Id>1</Id><InstanceId>cas-1</InstanceId><Source>BUY</Source><Status>PAYED</Status><CertType>DV</CertType></OrderList>
			<OrderList><Id>2</Id><InstanceId>cas-2</InstanceId><Source>BUY</Source><Status>Issued</Status><CertType>OV</CertType></OrderList></R>`, instances},
		{"a single XML element", `<R><TotalCount>1</TotalCount><OrderList><Id>1</Id><InstanceId>cas-1</InstanceId><Source>BUY</Source><Status>PAYED</Status><CertType>DV</CertType></OrderList></R>`, instances[:1]},
		{"an empty JSON array", `{"TotalCount":0,"OrderList":[]}`, nil},
		{"no XML element", `<R><TotalCount>0</TotalCount></R>`, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			cloud := newCloud(t, always(200, test.body))
			got, err := newTestClient(t, cloud.url).DescribeOrderInstanceList(t.Context())
			if err != nil || !reflect.DeepEqual(got, test.want) {
				t.Errorf("got %+v, %v", got, err)
			}
			if calls := len(cloud.seen()); calls != 1 {
				t.Errorf("%d calls for one page", calls)
			}
		})
	}
}

func TestUnintelligibleAnswers(t *testing.T) { // fault 5
	for name, body := range map[string]string{
		"an empty body":                "",
		"null":                         "null",
		"an empty object":              "{}",
		"an array":                     "[]",
		"a string":                     `"OK"`,
		"a web page":                   "<!DOCTYPE html><html><head><title>Sign in</title></head><body><p>Hello</p></body></html>",
		"XML that breaks off":          "<R><OrderStatus>check",
		"JSON that breaks off":         `{"OrderStatus":"chec`, // fault 4
		"JSON and rubbish":             `{"OrderStatus":"checking","RequestId":"R","RecordId":"1","TotalCount":1} tail`,
		"only nulls":                   `{"RequestId":null,"OrderStatus":null,"RecordId":null,"TotalCount":null}`,
		"XML nested without end":       strings.Repeat("<a>", 200_000),
		"JSON nested without end":      strings.Repeat(`{"a":`, 200_000),
		"a private key in broken JSON": `{"PrivateKey":"` + canaryKey,
	} {
		t.Run(name, func(t *testing.T) {
			cloud := newCloud(t, always(200, body))
			client := newTestClient(t, cloud.url)
			for operation, call := range operations {
				want := Unanswered
				if isRead(operation) {
					want = Malformed
				}
				if e := asOurs(t, call(t.Context(), client)); e.Kind != want || e.Operation != actionOf(operation) {
					t.Errorf("%s: %v is %s, want %s", operation, e, e.Kind, want)
				}
			}
		})
	}
}

func TestValuesOfTheWrongType(t *testing.T) {
	for text, want := range map[string][3]any{ // text, number, yes
		`"7"`: {"7", int64(7), false}, `7`: {"7", int64(7), false}, `true`: {"true", int64(0), true},
		`"True"`: {"True", int64(0), true}, `1`: {"1", int64(1), true}, `"1"`: {"1", int64(1), true},
		`null`: {"", int64(0), false}, `[1]`: {"", int64(0), false}, `{"a":1}`: {"", int64(0), false},
		`9007199254740993`: {"9007199254740993", int64(9007199254740993), false},
	} {
		answer, err := decode([]byte(fmt.Sprintf(`{"Field":%s}`, text)))
		if err != nil {
			t.Fatal(err)
		}
		if got := [3]any{answer.text("field"), answer.number("Field"), answer.yes("Field")}; got != want {
			t.Errorf("%s is %v, want %v", text, got, want)
		}
	}
}

func TestTimesInSecondsAndMilliseconds(t *testing.T) {
	for text, want := range map[string]string{
		`1801324800`: "2027-01-30T16:00:00Z", `"1801324800"`: "2027-01-30T16:00:00Z", `1801324800000`: "2027-01-30T16:00:00Z",
		`"1801324800123"`: "2027-01-30T16:00:00.123Z", `999999999999`: "33658-09-27T01:46:39Z", `1000000000000`: "2001-09-09T01:46:40Z",
		`0`: "", `-1`: "", `"0"`: "", `""`: "", `null`: "", `"2027-01-31"`: "",
	} {
		answer, err := decode([]byte(fmt.Sprintf(`{"At":%s}`, text)))
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if at := answer.time("At"); !at.IsZero() {
			got = at.Format(time.RFC3339Nano)
		}
		if got != want {
			t.Errorf("%s is %q, want %q", text, got, want)
		}
	}
}

func TestListsInAnyShape(t *testing.T) {
	for text, want := range map[string][]string{
		`["21","22"]`: {"21", "22"}, `[21,22]`: {"21", "22"}, `"21,22"`: {"21", "22"}, `" 21, 22"`: {"21", "22"}, `21`: {"21"},
		`[]`: nil, `""`: nil, `null`: nil, `[null,""]`: nil, `{"a":1}`: nil,
	} {
		answer, err := decode([]byte(fmt.Sprintf(`{"Ids":%s}`, text)))
		if err != nil {
			t.Fatal(err)
		}
		var numbers []int64
		for _, text := range want {
			n, _ := strconv.ParseInt(text, 10, 64)
			numbers = append(numbers, n)
		}
		if got := answer.texts("Ids"); !slices.Equal(got, want) {
			t.Errorf("texts of %s are %q, want %q", text, got, want)
		}
		if got := answer.numbers("Ids"); !slices.Equal(got, numbers) {
			t.Errorf("numbers of %s are %v, want %v", text, got, numbers)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"OrderList":[{"Id":1},null,"x",[{}]],"Code":7}`))
	f.Add([]byte(`<a><OrderList><Id>1</Id></OrderList><OrderList/></a>`))
	f.Fuzz(func(t *testing.T, body []byte) {
		answer, err := decode(body)
		if (err == nil) != (answer != nil) {
			t.Fatalf("decode(%q) = %v, %v", body, answer, err)
		}
		each(answer.rows("OrderList"), instanceFrom)
		each(answer.inner("Domains").rows("Domain"), domainFrom)
		each(answer.rows("InstanceList"), instance2020From)
		each(answer.rows("DomainValidationList"), validationFrom)
		each(answer.rows("CertificateList"), listedCertificateFrom)
		each(answer.rows("CertificateOrderList"), certificateOrderFrom)
	})
}
