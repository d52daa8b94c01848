package aliyun

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"runtime"
	"strings"
	"testing"
)

// fault 167; fault 174: what is remembered fits into a line of a journal.
func TestAnAnswerBeyondAnyRealOneIsMalformed(t *testing.T) {
	long := func(n int) string { return strings.Repeat("x", n) }
	for name, body := range map[string]string{
		"deep":                      `{"OrderStatus":"issued","A":` + strings.Repeat("[", 9000) + strings.Repeat("]", 9000) + `}`,
		"deep objects":              strings.Repeat(`{"A":`, 40) + "1" + strings.Repeat("}", 40),
		"deep XML":                  strings.Repeat("<a>", 9000) + strings.Repeat("</a>", 9000),
		"many values":               `{"OrderStatus":"issued","A":[` + strings.Repeat("{},", mostValues) + `{}]}`,
		"many fields":               `{"OrderStatus":"issued"` + strings.Repeat(`,"A":1`, mostValues/2) + `}`,
		"many elements":             "<a><OrderStatus>issued</OrderStatus>" + strings.Repeat("<b/>", mostValues) + "</a>",
		"a long status":             `{"OrderStatus":"` + long(mostWord+1) + `"}`,
		"a long status, in XML":     "<a><OrderStatus>" + long(mostWord+1) + "</OrderStatus></a>",
		"a long value to be proved": `{"OrderStatus":"checking","CheckValue":"` + long(mostWord+1) + `"}`,
		"a long request id":         `{"OrderStatus":"checking","requestId":"` + long(mostWord+1) + `"}`,
		"a long certificate":        `{"OrderStatus":"issued","Certificate":"` + long(mostText+1) + `"}`,
		"a long number":             `{"OrderStatus":"issued","Id":` + strings.Repeat("1", mostText+1) + `}`,
		"a long text within lists":  `{"OrderStatus":"issued","A":[["` + long(mostText+1) + `"]]}`,
		"a long text in an object":  `{"OrderStatus":"issued","A":[{"B":{"InstanceId":"` + long(mostWord+1) + `"}}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := judge(&exchange{status: 200, body: []byte(body)}, []string{"OrderStatus"})
			if err == nil || err.Kind != Malformed || len(err.Error()) > 500 {
				t.Errorf("%.200v", err)
			}
		})
	}
	whole := `{"OrderStatus":"issued","Certificate":"` + long(mostText) + `","InstanceId":"` + long(mostWord) + `","Message":null}`
	if _, err := judge(&exchange{status: 200, body: []byte(whole)}, []string{"OrderStatus"}); err != nil {
		t.Error(err)
	}
}

// fault 167: a body of 8 MiB may say 2.7 million times {}.
func TestAnAnswerCostsNoMoreMemoryThanItsLength(t *testing.T) {
	body := []byte(`{"A":[` + strings.Repeat("{},", maxAnswer/3-10) + `{}]}`)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := decode(body); !errors.Is(err, errTooMany) {
		t.Error(err)
	}
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > 32<<20 {
		t.Errorf("%d MiB", used>>20)
	}
}

// fault 167
func TestAListOfLongPagesIsCutOff(t *testing.T) {
	fetches, row := 0, object{"Name": strings.Repeat("x", mostText)}
	_, err := pages("List", 10, func(i int) int { return i }, func(page, start int) (object, []int, error) {
		fetches++
		return object{"List": []any{row, row, row, row}}, []int{page}, nil
	})
	if e := asOurs(t, err); e.Kind != Malformed || fetches > mostOfList/(4*mostText)+1 {
		t.Errorf("%v after %d fetches", e, fetches)
	}
}

// fault 167: what is cut off at the end could be the half of a secret.
func TestAMessageThatIsTooLongIsWithheld(t *testing.T) {
	text := "https://" + strings.Repeat("x", mostText-12) + " " + canarySecret
	if shown := redact(text, nil); strings.Contains(shown, canarySecret[:6]) {
		t.Error(shown)
	}
}

// fault 167: no error shows a secret, whatever the server writes around it and
// in which spelling.
func FuzzErrorWithSecret(f *testing.F) {
	const canary = "Zanary-4f1d/8c+7e=Q"
	spellings := []string{
		canary, strings.ToLower(canary), url.QueryEscape(canary), hex.EncodeToString([]byte(canary)),
		base64.StdEncoding.EncodeToString([]byte("user:" + canary)), base64.RawURLEncoding.EncodeToString([]byte(canary + ":")),
	}
	f.Add(400, uint(0), `{"Code":"InvalidParameter","Message":"you sent `, `","RequestId":"5D97"}`)
	f.Add(200, uint(1), `<Error><Code>x`, `</Code><Message>no</Message></Error>`)
	f.Add(503, uint(2), `<html>`, ``)
	f.Add(403, uint(3), `{"RequestId":"`, `","Code":"Forbidden"}`)
	f.Add(200, uint(4), `{"`, `":1}`)
	f.Fuzz(func(t *testing.T, status int, spelling uint, before, after string) {
		spelt := spellings[spelling%uint(len(spellings))]
		_, err := judge(&exchange{status: status, body: []byte(before + spelt + after)}, []string{"OrderStatus"})
		if err == nil {
			return
		}
		err.Operation = "CreateDVOrderAudit"
		err.redact([]string{canary})
		err.advise("yundun-cert", 0)
		shown := fmt.Sprintf("%s %s %s %+v %v", err, err.Cause(), err.Hint, err, err.short())
		for _, one := range spellings {
			core := one[2 : len(one)-3] // of base64, the ends hold bits of what is beside it
			if strings.Contains(strings.ToLower(shown), strings.ToLower(core)) {
				t.Errorf("%s", shown)
			}
		}
	})
}
