package view

import (
	"testing"

	"dvagent/agent/config"
)

func TestTheAPIOfAnAccountIsTheConfiguredOrThatOfTheLatestOrder(t *testing.T) {
	const announced = "Alibaba announced that it went offline on 2024-12-31"
	for _, tt := range []struct {
		name, configured, latest string
		want                     API
	}{
		{"configured, whatever was before", "2020-04-07", "2018-07-13", API{"2020-04-07", "2020-04-07", ""}},
		{"found out, and no order yet", "auto", "", API{"auto", "", ""}},
		{"found out", "auto", "2020-04-07", API{"auto", "2020-04-07", ""}},
		{"found out, and announced to be closed", "auto", "2018-07-13", API{"auto", "2018-07-13", announced}},
		{"configured, and announced to be closed", "2018-07-13", "", API{"2018-07-13", "2018-07-13", announced}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := *apiOf(config.Account{CASAPI: tt.configured}, tt.latest); got != tt.want {
				t.Errorf("got %+v", got)
			}
		})
	}
}
