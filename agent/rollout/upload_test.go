package rollout

import "testing"

func TestWhatIsKnownOfAnUpload(t *testing.T) {
	place := Place{Account: "main", Name: "www_v1", ID: 7, Identifier: "7-cn-hangzhou"}
	begun := func(r *Rollout) error { return r.Uploading("v1", Place{Account: "main", Name: "www_v1"}) }
	done := func(r *Rollout) error { return r.Uploaded("v1", place) }
	told := func(r *Rollout) error { return r.Told("issued", "v1") }
	next := func(r *Rollout) error { return r.Uploading("v2", Place{Account: "main", Name: "www_v2"}) }
	for _, tt := range []struct {
		name         string
		facts        []chapter
		started      string
		known, heard bool // the place, by itself and by the hooks
	}{
		{"one that was begun has no place yet", []chapter{begun, told}, "v1", false, false},
		{"one that was answered has its place", []chapter{begun, done}, "", true, false},
		{"hooks that ran before it did not hear of it", []chapter{begun, told, done}, "", true, false},
		{"hooks that ran after it heard of it", []chapter{begun, done, told}, "", true, true},
		{"a place stays while the next version is on its way", []chapter{done, next}, "v2", true, false},
		{"a place outlives failures", []chapter{done, told, fail(Upload, Failure{Text: "x"})}, "", true, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := record(t, tt.facts...)
			got, heard := r.Place("v1"), r.Targets["issued"].Place
			if known := got != nil && *got == place; known != tt.known {
				t.Errorf("the place is %+v", got)
			}
			if knew := heard != nil && *heard == place; knew != tt.heard || r.Targets[Upload].Started != tt.started {
				t.Errorf("the hooks heard of %+v; begun is %q", heard, r.Targets[Upload].Started)
			}
			if other := r.Place("v0"); other != nil {
				t.Errorf("another version is at %+v", other)
			}
		})
	}
}

func TestAShortenedJournalKeepsThePlace(t *testing.T) {
	place := Place{Account: "main", Name: "www_v1", ID: 7}
	chapters := []chapter{func(r *Rollout) error { return r.Uploaded("v1", place) }, func(r *Rollout) error { return r.Told("issued", "v1") }}
	for range 70 {
		chapters = append(chapters, func(r *Rollout) error { return r.Start("nginx", "v1") })
	}
	r := record(t, chapters...)
	if r.log.Lines() > 60 {
		t.Errorf("%d lines were not shortened", r.log.Lines())
	}
	for _, known := range []*Place{r.Place("v1"), r.Targets["issued"].Place} {
		if known == nil || *known != place {
			t.Errorf("the place is %+v", known)
		}
	}
}
