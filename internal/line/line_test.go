package line

import "testing"

// fault 76
func TestTextOfOthersStaysOnOneLine(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"plain text", "no such order", "no such order"},
		{"Chinese", "没有找到必要内容", "没有找到必要内容"},
		{"newlines", "one\r\ntwo\nthree", "one  two three"},
		{"a terminal's escapes", "\x1b[2J\x07\x7f", " [2J  "},
		{"escapes in one rune", "a\u009b2Jb", "a 2Jb"},
		{"a separator of lines", "one\u2028two\u2029three", "one two three"},
		{"a change of direction", "a\u202eb", "a b"},
		{"a NUL", "a\x00b", "a b"},
		{"broken UTF-8", "a\xffb", "a?b"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := Of(tt.text); got != tt.want {
				t.Errorf("got %q", got)
			}
		})
	}
}

func TestALongTextIsCutBetweenLetters(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		most       int
		want       string
	}{
		{"as long as may be", "证书", 6, "证书"},
		{"cut within a letter", "证书", 5, "证"},
		{"cut between lines", "a\nb", 2, "a "},
		{"nothing", "证", 1, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := Short(tt.text, tt.most); got != tt.want {
				t.Errorf("got %q", got)
			}
		})
	}
}
