package config

import (
	"net/url"
	"strings"
)

// AutoAPI lets the account's API be found out.
const AutoAPI = "auto"

// api2018 is the version of CAS's API that Alibaba announced the end of.
const api2018 = "2018-07-13"

// APIs are the versions of CAS's API that an account may speak, the newest first.
var APIs = []string{"2020-04-07", api2018}

// casAPIs are what cas_api may be.
var casAPIs = append([]string{AutoAPI}, APIs...)

// Announced is what Alibaba announced of a version of CAS's API, where the
// account speaks it to Alibaba's own endpoint, or "".
func (a Account) Announced(api string) string {
	endpoint, err := url.Parse(a.CASEndpoint)
	own := a.CASEndpoint == "" || err == nil && strings.HasSuffix(strings.ToLower(endpoint.Hostname()), ".aliyuncs.com")
	if api != api2018 || !own {
		return ""
	}
	return "Alibaba announced that it went offline on 2024-12-31"
}

// Spoken is a version of CAS's API with what Alibaba announced of it.
func (a Account) Spoken(api string) string {
	if announced := a.Announced(api); announced != "" {
		return api + " (" + announced + ")"
	}
	return api
}
