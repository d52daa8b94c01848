package setup

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/BurntSushi/toml"

	"dvagent/internal/message"
)

func TestAProbeReachesWhereAServerListens(t *testing.T) {
	for _, tt := range []struct {
		name    string
		listens []string
		want    string
	}{
		{"a port", []string{"443"}, "127.0.0.1:443"},
		{"every address", []string{"80", "*:8443"}, "127.0.0.1:8443"},
		{"one address", []string{"10.0.0.1:443"}, "10.0.0.1:443"},
		{"every address of IPv6", []string{"[::]:443"}, "[::1]:443"},
		{"one of IPv6 without a port", []string{"[2001:db8::1]", "443"}, "127.0.0.1:443"},
		{"a socket", []string{"unix:/run/nginx.sock"}, "127.0.0.1:443"},
		{"nothing", nil, "127.0.0.1:443"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := probeOf(tt.listens); got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
}

func TestOnlyNamesThatACertificateCanBeForAreProposed(t *testing.T) {
	got := dnsNames([]string{"example.com", "*.example.com", "localhost", "~^www", "_", "www.*", "$host", "."})
	if !slices.Equal(got, []string{"example.com", "*.example.com"}) {
		t.Errorf("got %q", got)
	}
}

func TestTheSiteThatSaysMostForTheDomainsIsMeant(t *testing.T) {
	sites := []Site{{Names: []string{"a.example", "b.example"}, Place: "1"}, {Names: []string{"a.example", "b.example", "c.example"}, Place: "2"}}
	for _, tt := range []struct {
		name    string
		domains []string
		place   string
	}{
		{"all of them", []string{"a.example", "c.example"}, "2"},
		{"the first of those that say as much", []string{"b.example"}, "1"},
		{"the first domain, where none has all", []string{"a.example", "z.example"}, "1"},
		{"none", []string{"z.example"}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if site, _ := Named(sites, tt.domains); site.Place != tt.place {
				t.Errorf("site %q, want %q", site.Place, tt.place)
			}
		})
	}
}

// What is typed is text in the configuration, whatever is in it.
func TestWhatIsTypedIsNoTOML(t *testing.T) {
	odd := "a\"\\\n[x]\t\x7f\u202e网"
	d := Document{At: time.Now(), KeyID: odd, SecretFile: odd, Name: odd, Domains: []string{odd, "b"}, Server: "nginx",
		Contact: Contact{Username: odd, Mobile: "1", Email: "e"}, Site: Site{Fullchain: odd, Key: "/k", Probe: "127.0.0.1:443"},
		DNS: DNS{Resolvers: []string{odd}}, Reload: []string{odd}}
	text, err := d.TOML()
	if err != nil {
		t.Fatal(err)
	}
	var read struct {
		Account     map[string]map[string]string
		Certificate []struct {
			Name    string
			Domains []string
			Deploy  []struct{ Fullchain string }
		}
	}
	if _, err := toml.Decode(text, &read); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	c := read.Certificate[0]
	if read.Account["main"]["access_key_id"] != odd || c.Name != odd || !slices.Equal(c.Domains, []string{odd, "b"}) || c.Deploy[0].Fullchain != odd {
		t.Errorf("read %+v from\n%s", read, text)
	}
	if strings.Contains(text, "ram_role") {
		t.Error("what is empty is written")
	}
}

// Who reads Chinese is told everything in it, by a service without a locale too.
func TestAConfigurationSpeaksTheLanguageOfWhoMadeIt(t *testing.T) {
	for _, tt := range []struct {
		name     string
		language message.Language
		comment  string
		chosen   bool
	}{
		{"English", message.English, "# Whom the CA may call", false},
		{"Chinese", message.Chinese, "# CA 可联系的人", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			text, err := Document{At: time.Now(), Language: tt.language, WithoutSite: true}.TOML()
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(text, tt.comment) || strings.Contains(text, "\n[messages]\nlanguage = \"zh\"\n") != tt.chosen {
				t.Errorf("it reads\n%s", text)
			}
		})
	}
}
