package config

import "testing"

func TestTheEndOfTheOlderAPIIsSaidWhereAlibabaAnnouncedIt(t *testing.T) {
	const announced = "2018-07-13 (Alibaba announced that it went offline on 2024-12-31)"
	for _, tt := range []struct{ name, endpoint, api, want string }{
		{"at the endpoint that is left out", "", "2018-07-13", announced},
		{"at Alibaba's own", "https://cas.aliyuncs.com", "2018-07-13", announced},
		{"at one of a region", "https://CAS.ap-southeast-1.aliyuncs.com/", "2018-07-13", announced},
		{"at loopback", "http://127.0.0.1:8080", "2018-07-13", "2018-07-13"},
		{"at a private endpoint", "https://cas.example.com", "2018-07-13", "2018-07-13"},
		{"at one that only ends alike", "https://cas.notaliyuncs.com", "2018-07-13", "2018-07-13"},
		{"of the newer one", "https://cas.aliyuncs.com", "2020-04-07", "2020-04-07"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := (Account{CASEndpoint: tt.endpoint}).Spoken(tt.api); got != tt.want {
				t.Errorf("got %q", got)
			}
		})
	}
}
