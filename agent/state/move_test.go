package state

import (
	"os"
	"path/filepath"
	"testing"
)

// A move that was cut anywhere can be made again, or be left at that where the old name is
// configured again: the key is wherever the journal is.
func TestAnOrderMovesWithItsKeys(t *testing.T) {
	for _, cut := range []string{"nowhere", "after the keys were copied", "after the journal was moved"} {
		t.Run(cut, func(t *testing.T) {
			d := Dir(t.TempDir())
			id, key, err := d.MakeKey("www", "ec256")
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(d.OrderJournal("www"), []byte("order"), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, _, err := d.MakeKey("renamed", "ec256"); err != nil {
				t.Fatal(err)
			}
			if err := d.GiveKeysUp("renamed"); err != nil {
				t.Fatal(err)
			}
			if cut != "nowhere" {
				if err := d.copyKeys("www", "renamed"); err != nil {
					t.Fatal(err)
				}
			}
			if cut == "after the journal was moved" {
				if err := os.Rename(d.OrderJournal("www"), d.OrderJournal("renamed")); err != nil {
					t.Fatal(err)
				}
			}
			where := "www"
			if _, err := os.Stat(d.OrderJournal("www")); err != nil {
				where = "renamed"
			}
			if found, err := d.Key(where, id); err != nil || string(found) != string(key) {
				t.Errorf("the key is not with the journal: %v", err)
			}
			if err := d.MoveOrder("www", "renamed"); err != nil {
				t.Fatal(err)
			}
			found, err := d.Key("renamed", id)
			if err != nil || string(found) != string(key) || d.HasKeys("www") {
				t.Errorf("the key is not where the journal is, or also where it was: %v", err)
			}
			if journal, err := os.ReadFile(d.OrderJournal("renamed")); err != nil || string(journal) != "order" {
				t.Errorf("the journal: %q, %v", journal, err)
			}
			if kept, err := filepath.Glob(filepath.Join(d.pending("renamed"), "*"+givenUpSuffix)); err != nil || len(kept) != 1 {
				t.Errorf("what was given up under the new name: %v, %v", kept, err)
			}
		})
	}
}
