package message

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
)

func TestTheEnvironmentChoosesTheLanguage(t *testing.T) {
	for name, tt := range map[string]struct {
		set  map[string]string
		want Language
	}{
		"nothing is set":                 {nil, English},
		"LANG asks for Chinese":          {map[string]string{"LANG": "zh_CN.UTF-8"}, Chinese},
		"LANG asks for another language": {map[string]string{"LANG": "de_DE.UTF-8"}, English},
		"the C locale":                   {map[string]string{"LANG": "C.UTF-8"}, English},
		"LC_ALL goes before LANG":        {map[string]string{"LC_ALL": "C", "LANG": "zh_CN.UTF-8"}, English},
		"LC_MESSAGES goes before LANG":   {map[string]string{"LC_MESSAGES": "zh_CN", "LANG": "en_US.UTF-8"}, Chinese},
		"what is set to nothing is not":  {map[string]string{"LC_ALL": "", "LANG": "zh_SG"}, Chinese},
		"no locale at all":               {map[string]string{"LANG": "\xff;;"}, English},
	} {
		t.Run(name, func(t *testing.T) {
			if got := OfEnvironment(func(name string) string { return tt.set[name] }); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

func TestTheBrowserChoosesTheLanguage(t *testing.T) {
	for header, want := range map[string]Language{
		"":                               English,
		"zh-CN,zh;q=0.9,en;q=0.8":        Chinese,
		"en-US,en;q=0.9,zh-CN;q=0.5":     English,
		"de,zh-TW;q=0.8,en;q=0.5":        Chinese,
		"fr":                             English,
		strings.Repeat("zh;q=", 1000):    English,
		"zh-Hant-HK;q=0.1, en-GB;q=0.01": Chinese,
	} {
		if got := OfBrowser(header); got != want {
			t.Errorf("%.40q: %q, want %q", header, got, want)
		}
	}
}

func TestATextIsTranslatedWithWhatStandsInIt(t *testing.T) {
	c, err := parse(`
"nothing is due" = "没有到期的证书"
"in %s" = "%s后"
"%d days" = "%d 天"
"%s: renewed %s" = "%[2]s已续期：%[1]s"
"%s is missing" = "缺少 %s"
"exit code %d; it wrote %q" = "退出码 %d；输出为 %q"
"100%% of %s" = "%s 的 100%%"
", as %s says" = "，由 %s 告知"
"did you mean %s?" = "您是指 %v 吗？"
"renewed" = "已续期"
"is missing" = "缺失"
"nobody has %s" = "没有人有%s"
"choose a name: %s" = "选择名称：%s"
"%s or %s" = "%s 或 %s"
"belongs to %s" = "属于 %s"
"user %s" = "用户 %s"
"%s with %s: %w" = "%s（%s）：%w"
`)
	if err != nil {
		t.Fatal(err)
	}
	for english, want := range map[string]string{
		"nothing is due":                           "没有到期的证书",
		"in 12 days":                               "12 天后",
		"a.example: renewed in 3 days":             "3 天后已续期：a.example",
		"/etc/x is missing; nothing is due":        "缺少 /etc/x；没有到期的证书",
		`exit code -1; it wrote "a \"quoted\" %s"`: `退出码 -1；输出为 "a \"quoted\" %s"`,
		"/etc/x is missing, as ls says":            "缺少 /etc/x，由 ls 告知",
		"100% of it":                               "it 的 100%",
		"a text that nobody translated":            "a text that nobody translated",
		"one; two, three: four":                    "one; two, three: four",
		"b.example: nothing is due":                "b.example：没有到期的证书",
		"did you mean renewed?":                    "您是指 renewed 吗？", // it is to be typed
		"/a.toml:3: renewed: is missing":           "/a.toml:3: renewed：缺失",
		"b.example: choose a name: renewed":        "b.example：选择名称：已续期",
		"ns1.example (192.0.2.1:53) renewed; it":   "ns1.example (192.0.2.1:53) 已续期；it", // nor is a server's address
		"192.0.2.1:53 renewed":                     "192.0.2.1:53 已续期",
		"a text: x or y":                           "a text：x 或 y",
		`the server says "no with what it got: x"`: `the server says "no with what it got: x"`,
		"a record with TLS: it is renewed":         "a record with TLS: it is renewed",
		"a text or one that nobody translated":     "a text or one that nobody translated",
		"a text: /etc/x is missing":                "a text：缺少 /etc/x",
		"/etc/x renewed":                           "/etc/x 已续期",
		"nobody has 3 days":                        "没有人有 3 天",
		"nobody has keys":                          "没有人有 keys",
		"belongs to user a":                        "属于用户 a", // no space between two characters
		"":                                         "",
	} {
		for range 2 { // the second time from memory
			if got := c.text(english, deepest); got != want {
				t.Errorf("%q: %q, want %q", english, got, want)
			}
		}
	}
}

func TestATimeIsOneWordInAShortText(t *testing.T) {
	for english, want := range map[string]string{
		"shows 2026-11-28 00:58 UTC":    "显示 2026-11-28 00:58 UTC",
		"shows 2026-11-28 08:58:01 +08": "显示 2026-11-28 08:58:01 +08",
		"shows what nobody has said":    "shows what nobody has said",
	} {
		if got := Chinese.Text(english); got != want {
			t.Errorf("%q: %q", english, got)
		}
	}
}

func TestAFormatOfTheCatalogueIsFilled(t *testing.T) {
	for want, got := range map[string]string{
		"x（建议：运行 dvagent renew status）": "x" + Chinese.Sprintf(" (hint: %s)", "dvagent renew status"),
		"3 天":         Chinese.Sprintf("%d days", 3),
		"x (hint: y)": "x" + English.Sprintf(" (hint: %s)", "y"),
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestWhatIsOutputOfAProgramIsNotLookedAt(t *testing.T) {
	long := strings.Repeat("is missing; ", longestText)
	if got := Chinese.Text(long); got != long {
		t.Error("it was changed")
	}
}

// Each entry is found again from the text that was made of it, with what stands
// in its holes: no other one takes its place.
func TestNoEntryTakesThePlaceOfAnother(t *testing.T) {
	c := chinese()
	for english, chinese := range c.exact {
		args, shown := samples(english)
		text := fmt.Sprintf(english, args...)
		want := fmt.Sprintf(allStrings(chinese), shown...)
		if got := c.text(text, deepest); got != want {
			t.Errorf("%q:\n got %q\nwant %q", english, got, want)
		}
	}
}

// wrapping is a verb that only fmt.Errorf knows.
var wrapping = regexp.MustCompile(`%(\[\d+\])?w`)

func TestATranslationHasTheVerbsOfItsText(t *testing.T) {
	for english, chinese := range chinese().exact {
		args, _ := samples(english)
		if text := fmt.Sprintf(wrapping.ReplaceAllString(chinese, "%${1}v"), args...); strings.Contains(text, "%!") {
			t.Errorf("%q = %q: %s", english, chinese, text)
		}
		if chinese == english {
			t.Errorf("%q is not translated", english)
		}
	}
}

// samples are arguments for the verbs of a text, and how they are shown.
func samples(format string) (args, shown []any) {
	for i, at := range verbs(format) {
		verb := format[at[0]:at[1]]
		var arg any = fmt.Sprintf("〈%d〉", i)
		switch verb[len(verb)-1] {
		case 'd', 'o', 'x', 'c':
			arg = 41 + i
		case 'f':
			arg = 0.5 + float64(i)
		}
		args, shown = append(args, arg), append(shown, fmt.Sprintf(verb, arg))
	}
	return args, shown
}

func BenchmarkText(b *testing.B) {
	c := chinese()
	for i := range b.N {
		c.text(fmt.Sprintf("the present certificate is valid until %d", i), deepest)
	}
}
