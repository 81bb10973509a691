package state

import (
	"maps"
	"testing"
)

// TestRenames gives two folders each other's names, notes a RENAME before and
// after it, and forgets a folder that was removed.
func TestRenames(t *testing.T) {
	ctx := t.Context()
	s := openTest(t)
	account, err := s.EnsureAccount(ctx, Account{Source: "old", SourceLogin: "ada", Address: "ada@x.test", Kind: "user"})
	must(t, err)
	ids := map[string]int64{}
	for i, name := range []string{"A", "A/x", "B"} {
		f, err := s.EnsureFolder(ctx, Folder{Account: account.ID, Source: name, Target: name, SrcUIDValidity: uint32(i + 1), DstUIDValidity: 9, DstMaxUID: 5})
		must(t, err)
		ids[name] = f.ID
	}
	must(t, s.NoteMade(ctx, account.ID, 3, []string{"A", "A/x", "C"}))
	must(t, s.NoteMade(ctx, account.ID, 4, []string{"A"}))
	must(t, s.RenameSources(ctx, []SourceRename{{ids["A"], "B", "B", "B"}, {ids["A/x"], "B/x", "B/x", "B/x"}, {ids["B"], "A", "A", "A"}}))
	byID := func() map[int64]Folder {
		list, err := s.Folders(ctx, account.ID)
		must(t, err)
		out := map[int64]Folder{}
		for _, f := range list {
			out[f.ID] = f
		}
		return out
	}
	if f := byID()[ids["A"]]; f.Source != "B" || f.SourceWire != "B" || f.Was != "A" || f.Wanted != "B" || f.Target != "A" {
		t.Errorf("renamed at the source: %+v", f)
	}
	must(t, s.RenameSources(ctx, []SourceRename{{ids["A/x"], "Z", "Z", "Z"}}))
	if f := byID()[ids["A/x"]]; f.Was != "A/x" || f.Source != "Z" {
		t.Errorf("renamed again: %+v", f)
	}

	if _, ok, err := s.OpenRename(ctx, account.ID); ok || err != nil {
		t.Errorf("a rename is open: %v, %v", ok, err)
	}
	step := FolderRename{Account: account.ID, From: "A", To: "A/x", Run: 4}
	must(t, s.BeginRename(ctx, FolderRename{Account: account.ID, From: "A", To: "elsewhere", Run: 3}))
	must(t, s.BeginRename(ctx, step))
	if got, ok, err := s.OpenRename(ctx, account.ID); got != step || !ok || err != nil {
		t.Errorf("open: %+v, %v, %v", got, ok, err)
	}
	// Each new name is another's old one.
	must(t, s.EndRename(ctx, account.ID, map[string]string{"A": "A/x", "A/x": "A/x/x", "B": "A"}))
	now := byID()
	if now[ids["A"]].Target != "A/x" || now[ids["A"]].Wanted != "B" || now[ids["A/x"]].Target != "A/x/x" || now[ids["B"]].Target != "A" || now[ids["B"]].Wanted != "" {
		t.Errorf("after the rename: %+v", now)
	}
	made, err := s.Made(ctx, account.ID)
	if want := map[string]bool{"A/x": true, "A/x/x": true, "C": true}; err != nil || !maps.Equal(made, want) {
		t.Errorf("made %v, %v", made, err)
	}
	if _, ok, _ := s.OpenRename(ctx, account.ID); ok {
		t.Error("the rename is still open")
	}

	must(t, s.BeginRename(ctx, step))
	must(t, s.KeepTarget(ctx, account.ID, ids["A"]))
	if _, ok, _ := s.OpenRename(ctx, account.ID); ok || byID()[ids["A"]].Wanted != "" {
		t.Errorf("kept: %+v", byID()[ids["A"]])
	}
	must(t, s.Unmade(ctx, account.ID, "A/x"))
	if f := byID()[ids["A"]]; f.DstMaxUID != 0 || f.DstUIDValidity != 0 || f.SrcUIDValidity != 1 {
		t.Errorf("removed: %+v", f)
	}
	if made, _ := s.Made(ctx, account.ID); made["A/x"] {
		t.Errorf("made %v", made)
	}
}
