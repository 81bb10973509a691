package migrate

import (
	"path/filepath"
	"slices"
	"testing"
	"time"

	"bmsync/imap"
	"bmsync/state"
)

func TestYearOf(t *testing.T) {
	for want, date := range map[string]time.Time{
		"2019":      time.Date(2019, 12, 31, 23, 59, 59, 0, time.FixedZone("", -11*3600)),
		"2020":      time.Date(2020, 1, 1, 0, 0, 0, 0, time.FixedZone("", 13*3600)),
		"1970":      time.Unix(0, 0).UTC(),
		partUndated: {},
	} {
		if got := yearOf(date); got != want {
			t.Errorf("%v is of %s, want %s", date, got, want)
		}
	}
	for _, year := range []int{1, 1969, 2101, 9999} {
		if got := yearOf(time.Date(year, 6, 1, 0, 0, 0, 0, time.UTC)); got != partUndated {
			t.Errorf("the year %d is %s", year, got)
		}
	}
}

// TestPartIsKept: a source that gives its dates in another zone later doesn't
// move a message to another year, for that would copy it twice.
func TestPartIsKept(t *testing.T) {
	ctx := t.Context()
	s, err := state.Open(ctx, filepath.Join(t.TempDir(), "test.db"), state.Identity{Target: "test"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	a, err := s.EnsureAccount(ctx, state.Account{Source: "old", SourceLogin: "a", Address: "a@x.test", Kind: KindUser})
	if err != nil {
		t.Fatal(err)
	}
	split := &splitFolder{source: "Big", store: s, validity: 7, parts: map[string]int64{partUndated: 0}, strays: map[uint32]bool{}}
	for _, part := range []string{"2019", "2020"} {
		f, err := s.EnsureFolder(ctx, state.Folder{Account: a.ID, Source: "Big", Part: part})
		if err != nil {
			t.Fatal(err)
		}
		split.parts[part] = f.ID
	}
	if err := s.Record(ctx, split.parts["2019"], []state.Message{{SrcUIDValidity: 7, SrcUID: 5, State: state.Copied, DstUIDValidity: 1, DstUID: 1}}); err != nil {
		t.Fatal(err)
	}
	newYear := time.Date(2020, 1, 1, 0, 30, 0, 0, time.UTC)
	for _, test := range []struct {
		uid  uint32
		date time.Time
		want string
	}{
		{5, newYear.Add(-time.Hour), "2019"}, {5, newYear, "2019"}, {6, newYear, "2020"}, {6, newYear.Add(-time.Hour), "2019"},
		{7, time.Time{}, partUndated}, {8, time.Date(2021, 6, 1, 0, 0, 0, 0, time.UTC), ""},
	} {
		if got, err := split.part(ctx, imap.Message{UID: test.uid, InternalDate: test.date}); err != nil || got != test.want {
			t.Errorf("UID %d of %v is of %q, %v; want %q", test.uid, test.date, got, err, test.want)
		}
	}
	if own, err := split.only("2020")(ctx, imap.Message{UID: 8, InternalDate: time.Date(2021, 6, 1, 0, 0, 0, 0, time.UTC)}); own || err != nil || !split.strays[8] {
		t.Error("a year without a part goes unnoticed")
	}
}

// TestSplitJobs: parts keep the targets of plan and state, new ones take no
// name that is taken.
func TestSplitJobs(t *testing.T) {
	jobs := []folderJob{{Mapped: Mapped{Source: "Big", Target: "Big", Split: true}}, {Mapped: Mapped{Source: "Big/2021", Target: "Big/2021"}},
		{Mapped: Mapped{Source: "Out", Rule: RulePolicy, Split: true}}}
	a := &PlanAccount{Kind: KindUser, Folders: []PlanFolder{{Source: "Big", Part: partUndated, Target: "Big"}, {Source: "Big", Part: "2019", Target: "Big/2019 (2)"}}}
	known := []state.Folder{{Source: "Big", Part: "2018", Target: "Big/2018 (3)", DstMaxUID: 4}, {Source: "Big", Part: "2017", Target: "x"}}
	var got []string
	for _, job := range splitJobs(jobs, a, known, map[string][]string{"Big": {"2021", "2019", partUndated, "2022"}}) {
		late := ""
		if job.late {
			late = " late"
		}
		got = append(got, job.Source+" "+job.Part+" → "+job.Target+late)
	}
	want := []string{"Big undated → Big", "Big 2017 → Big/2017 late", "Big 2018 → Big/2018 (3) late", "Big 2019 → Big/2019 (2)", "Big 2021 → Big/2021 (2) late",
		"Big 2022 → Big/2022 late", "Big/2021  → Big/2021", "Out  → "}
	if !slices.Equal(got, want) {
		t.Errorf("jobs\n%q\nwant\n%q", got, want)
	}
}
