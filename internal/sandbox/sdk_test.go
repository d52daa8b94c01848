package sandbox

import (
	"errors"
	"strings"
	"testing"

	sdk "github.com/aliyun/alibaba-cloud-sdk-go/sdk"
	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/auth/credentials"
	sdkerrors "github.com/aliyun/alibaba-cloud-sdk-go/sdk/errors"
	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/requests"
	dnssdk "github.com/aliyun/alibaba-cloud-sdk-go/services/alidns"
	"github.com/aliyun/alibaba-cloud-sdk-go/services/sts"
)

// host is the API's address as the SDK wants it.
func host(s *Sandbox) string { return strings.TrimPrefix(s.Ready().API, "http://") }

func newSDKClient(id, secret string) (*sdk.Client, error) {
	return sdk.NewClientWithOptions("cn-hangzhou", sdk.NewConfig(), credentials.NewAccessKeyCredential(id, secret))
}

func commonRequest(s *Sandbox, method, action string, query map[string]string) *requests.CommonRequest {
	r := requests.NewCommonRequest()
	r.Method, r.Scheme, r.Domain = method, "http", host(s)
	r.Version, r.ApiName = "2018-07-13", action
	r.QueryParams = query
	return r
}

func TestAlibabasGoSDKDrivesTheCertificateService(t *testing.T) {
	s := start(t, quick)
	key := s.Ready()
	client, err := newSDKClient(key.AccessKeyID, key.AccessKeySecret)
	if err != nil {
		t.Fatal(err)
	}
	for _, method := range []string{"GET", "POST"} {
		response, err := client.ProcessCommonRequest(commonRequest(s, method, "DescribeOrderInstanceList", map[string]string{"StartIndex": "0"}))
		if err != nil || !strings.Contains(response.GetHttpContentString(), s.Instances()[0].InstanceID) {
			t.Errorf("%s: %v", method, err)
		}
	}
	_, err = client.ProcessCommonRequest(commonRequest(s, "POST", "DescribeDVOrderResult", map[string]string{"InstanceId": "nobody"}))
	var refused *sdkerrors.ServerError
	if !errors.As(err, &refused) || refused.ErrorCode() != "NotFound" || refused.HttpStatus() != 404 {
		t.Errorf("an unknown instance: %v", err)
	}
}

func TestAlibabasGoSDKSeesAWrongSecret(t *testing.T) {
	s := start(t, quick)
	client, err := newSDKClient(s.Ready().AccessKeyID, "another secret")
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.ProcessCommonRequest(commonRequest(s, "POST", "DescribeOrderInstanceList", map[string]string{"StartIndex": "0"}))
	var refused *sdkerrors.ServerError
	if !errors.As(err, &refused) || refused.ErrorCode() != "SignatureDoesNotMatch" ||
		!strings.Contains(refused.Recommend(), "InvalidAccessKeySecret") {
		t.Errorf("the SDK does not recognise the string to sign as its own: %v", err)
	}
}

func TestAlibabasGoSDKDrivesAliDNS(t *testing.T) {
	s := start(t, quick)
	key := s.Ready()
	client, err := dnssdk.NewClientWithAccessKey("cn-hangzhou", key.AccessKeyID, key.AccessKeySecret)
	if err != nil {
		t.Fatal(err)
	}
	add := dnssdk.CreateAddDomainRecordRequest()
	add.Scheme, add.Domain = "http", host(s)
	add.DomainName, add.RR, add.Type, add.Value = "example.com", "_dnsauth", "TXT", "a value & more = *~"
	added, err := client.AddDomainRecord(add)
	if err != nil {
		t.Fatal(err)
	}
	find := dnssdk.CreateDescribeSubDomainRecordsRequest()
	find.Scheme, find.Domain, find.SubDomain, find.AcceptFormat = "http", host(s), "_dnsauth.example.com", "XML"
	found, err := client.DescribeSubDomainRecords(find)
	if err != nil {
		t.Fatal(err)
	}
	if rows := found.DomainRecords.Record; len(rows) != 1 || rows[0].RecordId != added.RecordId || rows[0].Value != add.Value {
		t.Errorf("in XML: %+v", rows)
	}
	list := dnssdk.CreateDescribeDomainsRequest()
	list.Scheme, list.Domain = "http", host(s)
	zones, err := client.DescribeDomains(list)
	if err != nil {
		t.Fatal(err)
	}
	if rows := zones.Domains.Domain; len(rows) != 1 || rows[0].RecordCount != 1 || len(rows[0].DnsServers.DnsServer) != 2 {
		t.Errorf("%+v", rows)
	}
	info := dnssdk.CreateDescribeDomainInfoRequest()
	info.Scheme, info.Domain, info.DomainName = "http", host(s), "example.com"
	if got, err := client.DescribeDomainInfo(info); err != nil || got.MinTtl != minTTL || len(got.AvailableTtls.AvailableTtl) == 0 {
		t.Errorf("%v %v", got, err)
	}
	remove := dnssdk.CreateDeleteDomainRecordRequest()
	remove.Scheme, remove.Domain, remove.RecordId = "http", host(s), added.RecordId
	if _, err := client.DeleteDomainRecord(remove); err != nil || len(s.Records("example.com")) != 0 {
		t.Errorf("the delete: %v", err)
	}
}

func TestAlibabasGoSDKAssumesARole(t *testing.T) {
	s := start(t, quick)
	key := s.Ready()
	owner, err := sts.NewClientWithAccessKey("cn-hangzhou", key.AccessKeyID, key.AccessKeySecret)
	if err != nil {
		t.Fatal(err)
	}
	assume := sts.CreateAssumeRoleRequest()
	assume.Scheme, assume.Domain = "http", host(s)
	assume.RoleArn, assume.RoleSessionName = "acs:ram::1:role/dv", "test"
	session, err := owner.AssumeRole(assume)
	if err != nil {
		t.Fatal(err)
	}
	c := session.Credentials
	client, err := sdk.NewClientWithOptions("cn-hangzhou", sdk.NewConfig(),
		credentials.NewStsTokenCredential(c.AccessKeyId, c.AccessKeySecret, c.SecurityToken))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.ProcessCommonRequest(commonRequest(s, "POST", "DescribeOrderInstanceList", map[string]string{"StartIndex": "0"})); err != nil {
		t.Error(err)
	}
}
