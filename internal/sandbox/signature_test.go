package sandbox

import (
	"net/url"
	"testing"
)

// Example parameters, as Alibaba's documents print them; the seed's are those of its chapter on signing.
const (
	seedExample = "AccessKeyId=testid&Action=DescribeUserCertificateList&Format=XML&SignatureMethod=HMAC-SHA1" +
		"&SignatureNonce=3ee8c1b8-83d3-44af-a94f-4e0ad82fd6cf&SignatureVersion=1.0&Version=2018-07-13"
	regionsExample = "AccessKeyId=testid&Action=DescribeRegions&Format=XML&SignatureMethod=HMAC-SHA1" +
		"&SignatureNonce=3ee8c1b8-83d3-44af-a94f-4e0ad82fd6cf&SignatureVersion=1.0&Version=2014-05-26"
	recordsExample = "AccessKeyId=testid&Action=DescribeDomainRecords&DomainName=example.com&Format=XML&SignatureMethod=HMAC-SHA1" +
		"&SignatureNonce=f59ed6a9-83fc-473b-9cc6-99c95df3856e&SignatureVersion=1.0&Timestamp=2016-03-24T16:41:54Z&Version=2015-01-09"
	messageExample = "AccessKeyId=testId&Action=SendSms&Format=XML&OutId=123&PhoneNumbers=15300000001&RegionId=cn-hangzhou" +
		"&SignName=阿里云短信测试专用&SignatureMethod=HMAC-SHA1&SignatureNonce=45e25e9b-0a6f-4070-8c85-2956eda1b466&SignatureVersion=1.0" +
		"&TemplateCode=SMS_71390007&TemplateParam=%7B%22customer%22:%22test%22%7D&Timestamp=2017-07-12T02:42:19Z&Version=2017-05-25"
)

func TestSignaturesOfTheDocumentsVerify(t *testing.T) {
	for _, test := range []struct{ name, method, secret, query, signature string }{
		{"a plain request", "GET", "testsecret", regionsExample + "&Timestamp=2016-02-23T12:46:24Z", "OLeaidS1JvxuMvnyHOwuJ+uX5qY="},
		{"a plain request with TimeStamp", "GET", "testsecret", regionsExample + "&TimeStamp=2016-02-23T12:46:24Z", "CT9X0VtwR86fNWSnsc6v8YGOjuE="},
		{"a search of records", "GET", "testsecret", recordsExample, "uRpHwaSEt3J+6KQD//svCh/x+pI="},
		{"values in Chinese and JSON", "GET", "testSecret", messageExample, "zJDF+Lrzhj/ThnlvIToysFRq6t4="},
		{"a list of certificates by GET", "GET", "testsecret", seedExample + "&Timestamp=2016-02-23T12:46:24Z", "fd/iJRWkD0dBnpNi19ZWEjwJDzo="},
		{"a list of certificates by GET with TimeStamp", "GET", "testsecret", seedExample + "&TimeStamp=2016-02-23T12:46:24Z", "paM7XcXp37TT9YPM2+qcksS1aQE="},
		{"a list of certificates by POST", "POST", "testsecret", seedExample + "&Timestamp=2016-02-23T12:46:24Z", "mMPncA4SnRYI2b2KQnIDYqu/aR8="},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := params{}
			if err := p.parse(test.query + "&Signature=" + url.QueryEscape(test.signature)); err != nil {
				t.Fatal(err)
			}
			s := signedV1{method: test.method, params: p}
			if err := s.verify(test.secret); err != nil {
				t.Error(err)
			}
			if err := s.verify(test.secret + "x"); err == nil {
				t.Error("another secret's signature was accepted")
			}
		})
	}
}

func TestTheSeedsExampleIsSignedForAnotherRequest(t *testing.T) {
	p := params{}
	if err := p.parse(seedExample + "&TimeStamp=2016-02-23T12:46:24Z&Signature=CT9X0VtwR86fNWSnsc6v8YGOjuE%3D"); err != nil {
		t.Fatal(err)
	}
	if (signedV1{method: "GET", params: p}).verify("testsecret") == nil {
		t.Error("the printed signature fits the printed request, which it should not")
	}
}

func TestAllButUnreservedCharactersAreEscaped(t *testing.T) {
	const text = "aZ09-_.~ +*%/阿"
	if got, want := percentEncode(text), "aZ09-_.~%20%2B%2A%25%2F%E9%98%BF"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
