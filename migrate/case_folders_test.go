package migrate_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"bmsync/bmapi/bmsim"
	"bmsync/imap/imaptest"
	"bmsync/migrate"
	"bmsync/state"
)

// planFolders gives the folders of the plan's first account.
func (w *world) planFolders() []migrate.PlanFolder {
	w.t.Helper()
	for a, err := range w.opts.Plan.Accounts() {
		if err != nil {
			w.t.Fatal(err)
		}
		return a.Folders
	}
	w.t.Fatal("the plan has no account")
	return nil
}

// TestC17FoldersThatAreNone: levels that hold nothing are made as parents alone,
// views of other folders' messages are left out by their attributes, and what
// BlueMind has already takes the source's folder of the same role.
func TestC17FoldersThatAreNone(t *testing.T) {
	w := newWorld(t, bmsim.Config{}, "ada")
	ada := w.source.User("ada@old.example")
	folder := func(name string, o imaptest.MailboxOptions, messages ...int) {
		box := ada.CreateMailbox(name, o)
		for _, n := range messages {
			box.Append(message(n))
		}
	}
	folder("[Gmail]", imaptest.MailboxOptions{NoSelect: true})
	folder("[Gmail]/Zz one", imaptest.MailboxOptions{SpecialUse: `\All`}, 1, 2, 3, 4, 5)
	folder("[Gmail]/Zz two", imaptest.MailboxOptions{SpecialUse: `\Flagged`}, 1)
	folder("[Gmail]/Zz three", imaptest.MailboxOptions{Attributes: []string{`\Important`}}, 2, 3)
	folder("[Gmail]/Messages envoyés", imaptest.MailboxOptions{SpecialUse: `\Sent`}, 4, 5)
	folder("Projects", imaptest.MailboxOptions{NoSelect: true})
	folder("Projects/2019", imaptest.MailboxOptions{NoSelect: true})
	folder("Projects/2019/Bridge", imaptest.MailboxOptions{}, 1, 2)
	folder("Work", imaptest.MailboxOptions{}, 3)
	w.plan()
	want := map[string]string{"[Gmail]": migrate.RuleNoSelect, "[Gmail]/Zz one": migrate.RuleVirtual, "[Gmail]/Zz two": migrate.RuleVirtual,
		"[Gmail]/Zz three": migrate.RuleVirtual, "Projects": migrate.RuleNoSelect, "Projects/2019": migrate.RuleNoSelect}
	for _, f := range w.planFolders() {
		if f.Rule != want[f.Source] {
			t.Errorf("the plan says of %q: %q, %q", f.Source, f.Rule, f.Reason)
		}
	}
	w.source.ClearJournal()
	w.complete()
	for _, e := range w.source.Journal().Of("EXAMINE") {
		if !slices.ContainsFunc([]string{"INBOX", "Bridge", "Work", "Messages envoy"}, func(s string) bool { return strings.Contains(e.Line, s) }) {
			t.Errorf("opened, and nothing in it is to be copied: %v", e)
		}
	}
	w.wantCounts("first run", map[string]int{"Sent": 2, "Projects/2019/Bridge": 2, "Work": 1})
	names := w.read(w.opts.Target, "ada@"+domain)
	for _, parent := range []string{"Projects", "Projects/2019"} {
		if _, ok := names[parent]; !ok {
			t.Errorf("there is no folder %q on the target", parent)
		}
	}
	w.balanced("first run")
	_, rows := w.ledger()
	for _, f := range rows {
		if f.Source == "[Gmail]/Zz one" && (f.SrcExists != 5 || f.Rule != migrate.RuleVirtual) {
			t.Errorf("the ledger says of the view: %+v", f)
		}
	}
	w.proven("first run", 5)
}

// TestC17AlreadyExists: so BlueMind answers to nearly any refusal of a folder.
// Only what LIST shows afterwards is there.
func TestC17AlreadyExists(t *testing.T) {
	for name, there := range map[string]bool{"and it does": true, "and it does not": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, bmsim.Config{Domains: with(bmsim.User{Login: "ada"}).Domains}, "ada")
			w.letters("Work", 0, 21)
			w.letters("Other", 30, 2)
			w.plan()
			direct := *w
			asked := 0
			w.tap(middle{
				answer: map[string]string{`CREATE "?Work"?`: "$ NO create failed, already exists\r\n"},
				seen: func(command string) {
					if ok, _ := regexp.MatchString(`^CREATE "?Work"?$`, command); ok {
						if asked++; there && asked == 1 { // somebody has been faster
							direct.makeFolder("Work")
						}
					}
				},
			})
			res := w.run()
			if asked != 1 {
				t.Errorf("the folder was asked for %d times", asked)
			}
			if there {
				if res.Outcome() != migrate.Complete {
					t.Fatalf("the run ended with %v: %+v", res.Outcome(), res)
				}
				direct.wantCounts("with the folder", map[string]int{"Work": 21, "Other": 2})
				return
			}
			if res.Outcome() != migrate.Blocked || !strings.Contains(res.Notable[0].Reason, `would not create folder "Work"`) || !strings.Contains(res.Notable[0].Mend, "policy.folders.map") {
				t.Fatalf("the run ended with %v: %+v", res.Outcome(), res)
			}
			w.opts.Target = direct.opts.Target
			w.complete()
			w.same(w.opts.Target)
		})
	}
}

// TestC18Separators maps names in which separators, blanks, case and characters
// mean something else on the target: each gets a folder of its own, and the plan
// says which were renamed, and why. BlueMind turns "^" into a dot and refuses a
// quote.
func TestC18Separators(t *testing.T) {
	tests := map[string]struct {
		source imaptest.Options
		names  []string
		want   map[string]string // where the plan sends those
	}{
		"slash": {imaptest.Options{}, []string{"A.B", "A/B", "Foo ", "Foo", "foo", "a^b", "a.b", `say "x"`, "say _x_", "say 'x'"},
			map[string]string{"A.B": "A.B", "A/B": "A/B", "a^b": "a_b", "a.b": "a.b (2)", `say "x"`: "say _x_", "Foo ": "Foo (2)"}},
		"dot": {imaptest.Options{Delimiter: '.'}, []string{"A.B", "A/B", "A_B", "Foo .x", "Foo.x", "a^b", "inbox.sub", "INBOX.Sub"},
			map[string]string{"A.B": "A/B", "A/B": "A_B", "A_B": "A_B (2)", "a^b": "a_b (3)"}},
		"prefix": {imaptest.Options{Delimiter: '.', Prefix: "INBOX."}, []string{"INBOX.A.B", "INBOX.A/B", "INBOX.inbox", "INBOX.Inbox.x", "INBOX.Foo ", "INBOX.Foo"},
			map[string]string{"INBOX.A.B": "A/B", "INBOX.A/B": "A_B", "INBOX": "INBOX"}},
	}
	try := func(t *testing.T, v migrate.TargetVersion, make func(t *testing.T) *world) {
		for name, test := range tests {
			t.Run(name, func(t *testing.T) {
				w := make(t)
				w.policy.TargetVersion = v
				w.oddNamesArrive(test.source, test.names)
				delim, prefix := string(max(test.source.Delimiter, 0)), test.source.Prefix
				if delim == "\x00" {
					delim = "/"
				}
				for _, f := range w.planFolders() {
					if to, ok := test.want[f.Source]; ok && f.Target != to {
						t.Errorf("%q goes to %q, want %q", f.Source, f.Target, to)
					}
					if same := strings.ReplaceAll(strings.TrimPrefix(f.Source, prefix), delim, "/"); f.Rule == "" && !strings.EqualFold(f.Target, same) && f.Reason == "" {
						t.Errorf("%q goes to %q, and the plan doesn't say why", f.Source, f.Target)
					}
				}
			})
		}
	}
	for _, v := range []migrate.TargetVersion{migrate.Target5, migrate.TargetBoth} {
		t.Run("BlueMind 5, planned for "+string(v), func(t *testing.T) {
			try(t, v, func(t *testing.T) *world { return newWorld(t, bmsim.Config{}, "ada") })
		})
	}
	t.Run("BlueMind 4, Cyrus", func(t *testing.T) {
		try(t, migrate.TargetBoth, func(t *testing.T) *world {
			w, _ := labWorld(t, "ada")
			return w
		})
	})
}

// TestC19UTF7Names: names are decoded once, the source is asked for them as it
// lists them, and the target gets them encoded. BlueMind 5 decodes a name of ASCII
// letters once more, so that a plain "&" needs care.
func TestC19UTF7Names(t *testing.T) {
	names := []string{"R&D", "R&D/Éléments envoyés", "Été à la plage", "🙂", "Réunion 🙂", "&AOk-", "é", "Q&A-", "日本語&"}
	arrive := map[migrate.TargetVersion]map[string]string{
		migrate.Target5:    {"R&D": "R&D", "R&D/Éléments envoyés": "R&D/Éléments envoyés", "🙂": "🙂", "Réunion 🙂": "Réunion 🙂", "&AOk-": "+AOk-", "é": "é"},
		migrate.TargetBoth: {"R&D": "R&D", "🙂": "_", "Réunion 🙂": "Réunion _", "é": "é"},
	}
	for v, want := range arrive {
		t.Run("planned for "+string(v), func(t *testing.T) {
			w := newWorld(t, bmsim.Config{}, "ada")
			w.policy.TargetVersion = v
			w.oddNamesArrive(imaptest.Options{}, names)
			got := w.holds("ada@" + domain)
			for _, f := range w.planFolders() {
				if to, ok := want[f.Source]; ok && (f.Target != to || got[to] != 1) {
					t.Errorf("%q goes to %q, want %q, which holds %d", f.Source, f.Target, to, got[to])
				}
			}
			asked := w.source.Journal().Of("EXAMINE").String()
			for _, wire := range []string{`"R&-D"`, `"R&-D/&AMk-l&AOk-ments envoy&AOk-s"`, `"&2D3eQg-"`, `"&-AOk-"`} {
				if !strings.Contains(asked, wire) {
					t.Errorf("the source wasn't asked for %s:\n%s", wire, asked)
				}
			}
		})
	}
}

// TestC19MalformedNames copies folders whose names aren't modified UTF-7: asked for
// as the source lists them, kept so in the state, shown as they can be read.
func TestC19MalformedNames(t *testing.T) {
	w := newWorld(t, bmsim.Config{}, "ada")
	ada := w.source.User("ada@old.example")
	wires := map[string]string{"cut": "&AB", "raw": "Caf\xc3\xa9", "latin": "\xc9t\xe9", "and": "R&D"}
	for name, wire := range wires {
		ada.CreateMailbox(name, imaptest.MailboxOptions{Wire: wire}).Append(message(len(name)))
	}
	ada.CreateMailbox("R&D", imaptest.MailboxOptions{}).Append(message(50)) // rightly R&-D
	w.plan()
	for _, f := range w.planFolders() {
		if f.Source == "&AB" && !strings.Contains(f.Reason, "malformed at the source") {
			t.Errorf("of a malformed name the plan says %q", f.Reason)
		}
	}
	w.source.ClearJournal()
	w.complete()
	asked := w.source.Journal().Of("EXAMINE").String()
	for _, wire := range wires {
		if !strings.Contains(asked, wire) {
			t.Errorf("the source wasn't asked for %q as it lists it:\n%s", wire, asked)
		}
	}
	got := w.holds("ada@" + domain)
	total := 0
	for name, n := range got {
		total += n
		if strings.ContainsRune(name, '\uFFFD') {
			t.Errorf("a folder %q on the target", name)
		}
	}
	if total != 5 || got["Café"] != 1 || got["Été"] != 1 || got["R&D"] != 1 {
		t.Errorf("folders %v", got)
	}
	w.proven("malformed names", 5)
	s, err := state.OpenReadOnly(t.Context(), migrate.StatePath(w.opts.StateDir, w.opts.Target.Name))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	list, err := s.Folders(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, wire := range wires {
		if !slices.ContainsFunc(list, func(f state.Folder) bool { return f.SourceWire == wire && utf8.ValidString(f.Source) }) {
			t.Errorf("no row keeps the name %q as it is listed", wire)
		}
	}
}
