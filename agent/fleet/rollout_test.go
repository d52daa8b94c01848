package fleet

import (
	"errors"
	"strings"
	"testing"

	"dvagent/agent/config"
	"dvagent/agent/fleet/fleettest"
	"dvagent/internal/bundle/bundletest"
)

// fault 123
func TestARolloutThatIsDamagedIsToldAndPublishedOver(t *testing.T) {
	const version = `{"id":"20261127-0123456789ab"}`
	f := open(t, fleettest.One(t).Settings(newIdentity(t)))
	b := bundletest.NewCA(t, "fleet").Issue(t, bundletest.Leaf{Names: []string{"www.example.com"}})
	for _, tt := range []struct {
		name, text string
		damaged    bool
	}{
		{"sound", `{"id":"x","version":` + version + `,"newest":` + version + `}`, false},
		{"no JSON", `{`, true},
		{"no version", `{"id":"x","newest":` + version + `}`, true},
		{"a version that is none", `{"id":"x","version":{"id":"../../x"},"newest":` + version + `}`, true},
		{"no id", `{"version":` + version + `,"newest":` + version + `}`, true},
		{"an id without end", `{"id":"` + strings.Repeat("x", 65) + `","version":` + version + `,"newest":` + version + `}`, true},
		{"nothing", `{}`, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			entry, err := f.Read(t.Context(), "rollouts/www")
			if err == nil {
				err = f.Write(t.Context(), entry.Put([]byte(tt.text)))
			}
			if err != nil {
				t.Fatal(err)
			}
			r, err := f.Rollout(t.Context(), "www")
			var damaged *RolloutError
			if errors.As(err, &damaged) != tt.damaged || r.Known() == tt.damaged || err != nil && !tt.damaged {
				t.Errorf("%+v: %v", r, err)
			}
			if r, err = f.Publish(t.Context(), r, Publication{Bundle: b, By: "a"}); err != nil || r.Version.ID != b.ID() {
				t.Errorf("published over: %+v: %v", r, err)
			}
		})
	}
}

func TestWhatOtherHostsWriteIsOneLine(t *testing.T) {
	const version = `{"id":"20261127-0123456789ab"}`
	r, err := readRollout(Entry{Key: "rollouts/www", Revision: 1,
		Value: []byte(`{"id":"x","by":"a\nb","version":` + version + `,"newest":` + version + `,"tries":{"c\u001b[2Jd":{"state":"failed","error":"e\nf"}}}`)})
	if err != nil || len(r.Tries) != 1 {
		t.Fatalf("%+v: %v", r, err)
	}
	for host, one := range r.Tries {
		if strings.ContainsAny(r.By+host+one.Error, "\n\x1b") {
			t.Errorf("%q, %q, %q", r.By, host, one.Error)
		}
	}
	for _, tt := range []struct{ text, want string }{
		{`{"host":"a\nb\u001b[2J","machine":"m"}`, "a b [2J"},
		{`{"host":"` + strings.Repeat("证", 200) + `"}`, strings.Repeat("证", mostName/3)},
		{`{`, ""},
	} {
		if name := holderOf([]byte(tt.text)).Name; name != tt.want {
			t.Errorf("the holder is called %q", name)
		}
	}
}

// fault 121
func TestWhatIsKnownOfAnOrderNamesAHostAndAVersion(t *testing.T) {
	o := &Orders{fleet: New(config.Fleet{})}
	for _, tt := range []struct {
		name, text string
		host, says string
	}{
		{"it does", `{"host":"a","brought":{"version":"20261127-0123456789ab"}}`, "a", ""},
		{"the host is of two lines", `{"host":"a\nb"}`, "a b", ""},
		{"the version is a path", `{"host":"a","brought":{"version":"../../x"}}`, "", "no version"},
		{"it is cut", `{"host":"a"`, "", "cannot be read"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			k, err := o.decode("www", []byte(tt.text))
			if k.Host != tt.host || (err == nil) != (tt.says == "") || err != nil && !strings.Contains(err.Error(), tt.says) {
				t.Errorf("%+v: %v", k, err)
			}
		})
	}
}

func TestOfTwoThatPublishAtOnceOneIsFirst(t *testing.T) {
	f := open(t, fleettest.One(t).Settings(newIdentity(t)))
	ca := bundletest.NewCA(t, "fleet")
	first, second := ca.Issue(t, bundletest.Leaf{Names: []string{"a.example"}}), ca.Issue(t, bundletest.Leaf{Names: []string{"a.example"}})
	read, err := f.Rollout(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Publish(t.Context(), read, Publication{Bundle: first, By: "a"}); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Publish(t.Context(), read, Publication{Bundle: second, By: "b"}); !errors.Is(err, ErrChanged) {
		t.Errorf("got %v", err)
	}
	r, err := f.Rollout(t.Context(), "a")
	if err != nil || r.By != "a" {
		t.Fatalf("%+v: %v", r, err)
	}
	if b, err := f.Bundle(t.Context(), r); err != nil || b.ID() != first.ID() {
		t.Errorf("%v", err)
	}
}
