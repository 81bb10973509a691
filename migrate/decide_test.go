package migrate

import (
	"testing"

	"bmsync/state"
)

func inPlan(source, target string) PlanFolder {
	return PlanFolder{Source: source, Target: target, Survey: FolderSurvey{Messages: 5}}
}

func listed(names ...string) []Mapped {
	out := make([]Mapped, len(names))
	for i, n := range names {
		out[i] = Mapped{Source: n, Target: n}
	}
	return out
}

func TestDecideFolders(t *testing.T) {
	tests := map[string]struct {
		mapped []Mapped
		plan   []PlanFolder
		known  []state.Folder
		want   map[string]string // source → target, "!rule" or "target (late)"
	}{
		"as planned": {
			mapped: listed("INBOX", "Letters"), plan: []PlanFolder{inPlan("INBOX", "INBOX"), inPlan("Letters", "Briefe")},
			want: map[string]string{"INBOX": "INBOX", "Letters": "Briefe"}},
		"excluded as planned, whatever it is called now": {
			mapped: listed("Spam"), plan: []PlanFolder{{Source: "Spam", Rule: RuleJunk}}, want: map[string]string{"Spam": "!junk"}},
		"late, beside a planned target": {
			mapped: listed("letters", "Letters"), plan: []PlanFolder{inPlan("Letters", "Letters")},
			want: map[string]string{"letters": "letters (2) (late)", "Letters": "Letters"}},
		"held no messages when planned, and does now": {
			mapped: listed("Projects"), plan: []PlanFolder{{Source: "Projects", Rule: RuleNoSelect}}, want: map[string]string{"Projects": "Projects (late)"}},
		"was a view when planned, and is a folder now": {
			mapped: listed("Archive"), plan: []PlanFolder{{Source: "Archive", Rule: RuleVirtual}}, want: map[string]string{"Archive": "Archive (late)"}},
		"held messages when planned, and can't now": {
			mapped: []Mapped{{Source: "Projects", Rule: RuleNoSelect}}, plan: []PlanFolder{inPlan("Projects", "Projects")},
			want: map[string]string{"Projects": "!noselect (late)"}},
		"late before, and another late one would take its target": {
			mapped: []Mapped{{Source: "a^b", Target: "a_b"}, {Source: "a_b", Target: "a_b (2)"}},
			known:  []state.Folder{{Source: "a_b", Target: "a_b", DstMaxUID: 7, Late: true}},
			want:   map[string]string{"a_b": "a_b (late)", "a^b": "a_b (2) (late)"}},
		"late before, gone since, and a new one of its target": {
			mapped: []Mapped{{Source: "A_B", Target: "A_B"}},
			known:  []state.Folder{{Source: "a_b", Target: "a_b", DstMaxUID: 7, Late: true}},
			want:   map[string]string{"A_B": "A_B (2) (late)"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			jobs := decideFolders(test.mapped, &PlanAccount{Kind: KindUser, Folders: test.plan}, test.known)
			got := map[string]string{}
			targets := map[string]string{}
			for _, j := range jobs {
				to := j.Target
				if j.Rule != "" {
					to = "!" + j.Rule
				} else if other, taken := targets[foldName(to)]; taken {
					t.Errorf("%q and %q go to %q", other, j.Source, to)
				} else {
					targets[foldName(to)] = j.Source
				}
				if j.late {
					to += " (late)"
				}
				got[j.Source] = to
			}
			for source, want := range test.want {
				if got[source] != want {
					t.Errorf("%q goes to %q, want %q", source, got[source], want)
				}
			}
		})
	}
}

func TestAbsentFolders(t *testing.T) {
	plan := []PlanFolder{inPlan("INBOX", "INBOX"), inPlan("A", "A"), inPlan("B", "B"), inPlan("C", "C"),
		{Source: "Empty", Target: "Empty"}, {Source: "Spam", Rule: RuleJunk, Survey: FolderSurvey{Messages: 9}}}
	tests := map[string]struct {
		mapped []Mapped
		absent int
		halt   bool
	}{
		"all there":                       {listed("INBOX", "A", "B", "C"), 0, false},
		"one was deleted":                 {listed("INBOX", "A", "B"), 1, false},
		"all were renamed":                {listed("INBOX", "D", "E", "F"), 3, false},
		"most are gone":                   {listed("INBOX"), 3, true},
		"most are gone, one is new":       {listed("INBOX", "D"), 3, true},
		"INBOX is gone":                   {listed("A", "B", "C"), 1, true},
		"the listing is empty":            {nil, 4, true},
		"what was left out doesn't count": {listed("INBOX", "A", "B", "C"), 0, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			absent, halt := absentFolders(test.mapped, plan, nil)
			if len(absent) != test.absent || halt != test.halt {
				t.Errorf("%d absent, halt %t; want %d, %t", len(absent), halt, test.absent, test.halt)
			}
		})
	}
}
