package migrate

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// folders writes source folders in short: "name", or `name \Attr \Attr`.
func folders(delim rune, list ...string) []SourceFolder {
	out := make([]SourceFolder, len(list))
	for i, text := range list {
		name, attrs, _ := strings.Cut(text, ` \`)
		out[i] = SourceFolder{Name: name, Delim: delim}
		if attrs != "" {
			out[i].Attrs = strings.Fields(`\` + strings.ReplaceAll(attrs, " ", " "))
		}
	}
	return out
}

func mapped(t *testing.T, list []SourceFolder, ns SourceNamespaces, p Policy) map[string]string {
	t.Helper()
	out, err := MapFolders(SourceTree{Folders: list, Spaces: ns}, p)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, m := range out {
		got[m.Source] = m.Target
		if m.Rule != "" {
			got[m.Source] = "!" + m.Rule
		}
	}
	return got
}

func TestMapFolders(t *testing.T) {
	tests := map[string]struct {
		delim  rune
		ns     SourceNamespaces
		change func(*Policy)
		list   []string
		want   []string // targets, in the order of list
	}{
		"as it is":                     {'/', SourceNamespaces{}, nil, []string{"INBOX", "A", "A/B"}, []string{"INBOX", "A", "A/B"}},
		"another delimiter":            {'.', SourceNamespaces{}, nil, []string{"INBOX", "A.B", "A.B.C/D"}, []string{"INBOX", "A/B", "A/B/C_D"}},
		"Courier":                      {'.', SourceNamespaces{Personal: "INBOX."}, nil, []string{"INBOX", "INBOX.Sent", "INBOX.A.B", "INBOX.INBOX"}, []string{"INBOX", "Sent", "A/B", "INBOX (2)"}},
		"children of INBOX":            {'/', SourceNamespaces{}, nil, []string{"INBOX", "INBOX/A", "inbox/B"}, []string{"INBOX", "INBOX/A", "INBOX/B"}},
		"two of one name but for case": {'/', SourceNamespaces{}, nil, []string{"Foo", "foo", "FOO"}, []string{"Foo (2)", "foo (3)", "FOO"}},
		"INBOX's child twice":          {'/', SourceNamespaces{}, nil, []string{"INBOX", "INBOX/A", "inbox/A"}, []string{"INBOX", "INBOX/A", "INBOX/A (2)"}},
		"INBOX in INBOX":               {'/', SourceNamespaces{}, nil, []string{"INBOX", "INBOX/Inbox", "INBOX/Inbox/A"}, []string{"INBOX", "INBOX/Inbox_", "INBOX/Inbox_/A"}},
		"a folder listed twice":        {'/', SourceNamespaces{}, nil, []string{"INBOX", "A", "A"}, []string{"INBOX", "A", "A"}},
		"roles by attribute":           {'/', SourceNamespaces{}, nil, []string{`Envoi \Sent`, `Sent`, `Rebut \Trash`}, []string{"Sent", "Sent (2)", "Trash"}},
		"two of one role":              {'/', SourceNamespaces{}, nil, []string{`A \Sent`, `B \Sent`}, []string{"Sent", "B"}},
		"French names":                 {'/', SourceNamespaces{}, nil, []string{"Éléments envoyés", "Brouillons", "Corbeille", "Courrier indésirable", "Modèles"}, []string{"Sent", "Drafts", "Trash", "!junk", "Templates"}},
		"children of a role follow":    {'/', SourceNamespaces{}, nil, []string{`Envoyés \Sent`, "Envoyés/2019"}, []string{"Sent", "Sent/2019"}},
		"a level that holds nothing":   {'/', SourceNamespaces{}, nil, []string{`Sent \Noselect`, "Sent/2019"}, []string{"!noselect", "Sent/2019"}},
		"Gmail":                        {'/', SourceNamespaces{}, nil, []string{`[Gmail] \Noselect`, `[Gmail]/All Mail \All`, `[Gmail]/Starred \Flagged`, `[Gmail]/Sent Mail \Sent`, "Work"}, []string{"!noselect", "!virtual", "!virtual", "Sent", "Work"}},
		"Outbox":                       {'/', SourceNamespaces{}, nil, []string{"Outbox", "Outbox/Old", "A/Outbox"}, []string{"!outbox", "Outbox_/Old", "A/Outbox"}},
		"Outbox that isn't listed":     {'/', SourceNamespaces{}, nil, []string{"outbox/Old"}, []string{"outbox_/Old"}},
		"Outbox that holds nothing":    {'/', SourceNamespaces{}, nil, []string{`Outbox \Noselect`, "Outbox/Old"}, []string{"!noselect", "Outbox (2)/Old"}},
		"a virtual root":               {'/', SourceNamespaces{}, nil, []string{"Dossiers partagés/x", "Autres utilisateurs"}, []string{"Dossiers partagés_/x", "Autres utilisateurs (2)"}},
		"below junk and trash": {'/', SourceNamespaces{}, func(p *Policy) { p.Folders.Trash = Exclude }, []string{"Junk", "Junk/A", "Trash", `Trash/B \Noselect`, "Trash/B/C"},
			[]string{"!junk", "!junk", "!trash", "!noselect", "!trash"}},
		"other people's": {'/', SourceNamespaces{Foreign: []string{"Other Users/", "Public/"}}, nil, []string{"Public/A", "Publicity", `Other Users \Noselect`}, []string{"!namespace", "Publicity", "!namespace"}},
		"include, exclude": {'.', SourceNamespaces{Personal: "INBOX."}, func(p *Policy) {
			p.Folders.Include = []string{"INBOX", "Work*"}
			p.Folders.Exclude = []string{"work/old*"}
		}, []string{"INBOX", "INBOX.Work", "INBOX.Work.Old.x", "INBOX.Play"}, []string{"INBOX", "Work", "!policy", "!policy"}},
		"map, with children": {'.', SourceNamespaces{}, func(p *Policy) {
			p.Folders.Map = map[string]string{"Projects": "Archive/Projects", "Old/Stuff": "Attic"}
		}, []string{"Projects", "Projects.A", "Old.Stuff", "Old.Stuff.B"}, []string{"Archive/Projects", "Archive/Projects/A", "Attic", "Attic/B"}},
		"map of another account's folder": {'/', SourceNamespaces{}, func(p *Policy) { p.Folders.Map = map[string]string{"Archives": "Archive"} }, []string{"Archive"}, []string{"Archive"}},
		"map onto a name that is there":   {'/', SourceNamespaces{}, func(p *Policy) { p.Folders.Map = map[string]string{"B": "A"} }, []string{"A", "B", "a"}, []string{"A", "A", "a (2)"}},
		"map of several onto one": {'/', SourceNamespaces{}, func(p *Policy) {
			p.Folders.Map = map[string]string{"B": "All/Old", "C": "All/Old", "Sent Items": "sent"}
		}, []string{"B", "C", "C/x", "B/x", "Sent", "Sent Items"}, []string{"All/Old", "All/Old", "All/Old/x (2)", "All/Old/x", "Sent", "Sent"}},
		"rules": {'.', SourceNamespaces{Personal: "INBOX."}, func(p *Policy) {
			p.Folders.Rules = []FolderRule{{Match: "Old/(\\d+)(/.*)?", To: "Archive/Year $1$2"}, {Match: "Old/.*", Exclude: true}, {Match: "(?i)old", To: "Archive"}, {Match: "X(.*)", To: "Y/$1"}}
			p.Folders.Map = map[string]string{"Old/2001": "First"}
		}, []string{"INBOX", "INBOX.OLD", "INBOX.Old.2001", "INBOX.Old.2002", "INBOX.Old.2002.a/b", "INBOX.Old.x", "INBOX.X.^", "INBOX.Xy.z"},
			[]string{"INBOX", "Archive", "First", "Archive/Year 2002", "Archive/Year 2002/a/b", "!policy", "Y/_", "Y/y/z"}},
		"rules that make BlueMind's own": {'/', SourceNamespaces{}, func(p *Policy) {
			p.Folders.Rules = []FolderRule{{Match: "Old/(.*)", To: "$1"}}
		}, []string{"INBOX", "Old/outbox", "Old/Outbox/x", "Old/inbox", "Old/sent/x", "Old/Dossiers partagés"}, []string{"INBOX", "outbox (2)", "Outbox_/x", "INBOX", "Sent/x", "Dossiers partagés (2)"}},
		"roles, in and out": {'/', SourceNamespaces{}, func(p *Policy) {
			p.Folders.Exclude = []string{"role:trash", "role:archive"}
			p.Folders.Include = []string{"role:inbox", "role:sent", "role:archive", "Work*"}
		}, []string{"INBOX", "INBOX/A", `Envoi \Sent`, "Envoi/2020", "Trash", "Trash/x", "Archive", "Archive/x", "Workshop", "Play"},
			[]string{"INBOX", "INBOX/A", "Sent", "Sent/2020", "!policy", "!policy", "!policy", "!policy", "Workshop", "!policy"}},
		"subscribed only": {'/', SourceNamespaces{}, func(p *Policy) { p.Folders.SubscribedOnly = new(true) }, []string{"INBOX", `A \Subscribed`, "B", `Sent \Sent`},
			[]string{"INBOX", "A", "!unsubscribed", "!unsubscribed"}},
		"into a folder": {'/', SourceNamespaces{}, func(p *Policy) {
			p.Folders.Into = "Old mailbox/2019"
			p.Folders.Map = map[string]string{"M": "Mapped"}
		}, []string{"INBOX", "INBOX/A", "Sent Items", "Work", "M", "Outbox", "Outbox/x"},
			[]string{"Old mailbox/2019/INBOX", "Old mailbox/2019/INBOX/A", "Old mailbox/2019/Sent", "Old mailbox/2019/Work", "Old mailbox/2019/Mapped", "!outbox", "Old mailbox/2019/Outbox_/x"}},
		"several outboxes":         {'/', SourceNamespaces{}, nil, []string{"INBOX", "Outbox", "Postausgang", "INBOX/Boîte d'envoi"}, []string{"INBOX", "!outbox", "!outbox", "!outbox"}},
		"the better known name":    {'/', SourceNamespaces{}, nil, []string{"Enviados", "Sent Messages", "Sent Items", "INBOX/Sent"}, []string{"Enviados", "Sent Messages", "Sent", "INBOX/Sent"}},
		"announced before known":   {'/', SourceNamespaces{}, nil, []string{`X \Sent`, "Sent Items", "Sent Items/2020"}, []string{"Sent", "Sent Items", "Sent Items/2020"}},
		"NUL in a name":            {'0', SourceNamespaces{}, nil, []string{"0000", "000000", "\x000000"}, []string{"_/_/_/_", "_/_/_/_/_/_", "_/_/_/_ (2)"}},
		"a namespace of views":     {'/', SourceNamespaces{Virtual: []string{"virtual/"}}, nil, []string{"INBOX", "virtual/unread", `virtual/All \All`}, []string{"INBOX", "!virtual", "!virtual"}},
		"everybody's beside INBOX": {'.', SourceNamespaces{Personal: "INBOX.", Foreign: []string{"user."}, Rest: true}, nil, []string{"INBOX", "INBOX.A", "news.local", "user.bob.A"}, []string{"INBOX", "A", "!namespace", "!namespace"}},

		"characters":                   {'/', SourceNamespaces{}, nil, []string{"a^b", `c"d`, "e%f", "~g", " h ", "R&D", "é&", "🙂", "tab\there"}, []string{"a_b", "c_d", "e_f", "_g", "h", "R&D", "é &", "_", "tab_here"}},
		"empty levels":                 {'/', SourceNamespaces{}, nil, []string{"A//B", "/C", "D/"}, []string{"A/_/B", "_/C", "D"}},
		"trailing delimiter beside it": {'/', SourceNamespaces{}, nil, []string{"D", "D/"}, []string{"D", "D (2)"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p := DefaultPolicy()
			if test.change != nil {
				test.change(&p)
			}
			list := folders(test.delim, test.list...)
			for range 3 {
				got := mapped(t, list, test.ns, p)
				for i, text := range test.list {
					source, _, _ := strings.Cut(text, ` \`)
					if got[source] != test.want[i] {
						t.Errorf("%q goes to %q, want %q", source, got[source], test.want[i])
					}
				}
				rand.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
			}
		})
	}
}

// TestMapMerges: folders that go into one say so; one that is split shares with
// no other, and what a person must decide is asked.
func TestMapMerges(t *testing.T) {
	p := DefaultPolicy()
	p.Folders.Map = map[string]string{"Old": "Sent"}
	out, err := MapFolders(SourceTree{Folders: folders('/', "Old", "Sent", "Work")}, p)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"Old": `mapped by the policy; goes into one folder with "Sent"`, "Sent": `goes into one folder with "Old"`, "Work": ""}
	for _, m := range out {
		if m.Reason != want[m.Source] {
			t.Errorf("%q: %q", m.Source, m.Reason)
		}
	}
	p.Folders.SplitByYear = []string{"Old"}
	_, err = MapFolders(SourceTree{Folders: folders('/', "Old", "Sent")}, p)
	var b *BlockedError
	if !errors.As(err, &b) || b.Mend == "" || judge(err).scope != accountHalt {
		t.Errorf("got %v", err)
	}
	p = DefaultPolicy()
	p.Folders.SubscribedOnly = new(true)
	if _, err := MapFolders(SourceTree{Folders: folders('/', "INBOX", "Old")}, p); !errors.As(err, &b) || b.Mend == "" {
		t.Errorf("no subscriptions: %v", err)
	}
	if _, err := MapFolders(SourceTree{Folders: folders('/', "INBOX", `Old \Noselect`)}, p); err != nil {
		t.Errorf("nothing but INBOX: %v", err)
	}
	p = DefaultPolicy()
	p.Folders.Rules = []FolderRule{{Match: "(x?)Old", To: "$1"}}
	if _, err := MapFolders(SourceTree{Folders: folders('/', "Old")}, p); !errors.As(err, &b) || b.Mend == "" {
		t.Errorf("an empty target: %v", err)
	}
}

// TestMapReasons: each decision is told in words.
func TestMapReasons(t *testing.T) {
	p := DefaultPolicy()
	p.Folders.Rules = []FolderRule{{Match: "R(.)", To: "Rules/$1"}, {Match: "E.*", Exclude: true}}
	p.Folders.Exclude = []string{"Priv*"}
	list := folders('/', "INBOX", "Sent Items", "Sent Messages", "Sent Items/2020", "Rx", "Ex", "Private", "Spam", "Spam/x", "Outbox", `All \All`, "A^", "a", "A", "Dossiers partagés")
	list = append(list, SourceFolder{Name: "R&D", Wire: "R&D", Delim: '/'})
	out, err := MapFolders(SourceTree{Folders: list}, p)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"INBOX": "", "Sent Items": "known by its name", "Sent Messages": `keeps its name: "Sent Items" is the folder for sent mail`,
		"Sent Items/2020": "follows its parent", "Rx": "by rule 1 of the policy, `R(.)`", "Ex": "by rule 2 of the policy, `E.*`", "Private": `excluded by "Priv*"`,
		"Spam": "known by its name", "Spam/x": "lies below it", "Outbox": "BlueMind could send what is in it", "All": "a view of messages that lie in other folders",
		"A^": "characters that the target refuses were replaced", "A": "", "a": `the name "a" is taken`, "Dossiers partagés": `the name "Dossiers partagés" is taken`, "R&D": malformedName}
	for _, m := range out {
		if m.Reason != want[m.Source] {
			t.Errorf("%q: %q, want %q", m.Source, m.Reason, want[m.Source])
		}
	}
}

// TestMapLongName: a level of a megabyte is cut in no time.
func TestMapLongName(t *testing.T) {
	for _, level := range []string{strings.Repeat("x", 1<<20), strings.Repeat("é", 1<<19), strings.Repeat("&", 1<<20)} {
		began := time.Now()
		got := sanitizeLevel(level, TargetBoth)
		if n := wireLen(got); n > maxLevelOctets || n < maxLevelOctets-8 || sanitizeLevel(got, TargetBoth) != got {
			t.Errorf("cut to %d octets: %q", n, got)
		}
		if other := sanitizeLevel(level+"y", TargetBoth); other == got {
			t.Error("two long names became one")
		}
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("took %s", took)
		}
	}
}

// TestMapFoldersFast: some people have folders by the ten thousand.
func TestMapFoldersFast(t *testing.T) {
	var list []SourceFolder
	for i := range 20_000 {
		list = append(list, SourceFolder{Name: fmt.Sprintf("%d/%d/Same", i%100, i), Delim: '/'})
	}
	began := time.Now()
	if _, err := MapFolders(SourceTree{Folders: list}, DefaultPolicy()); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("took %s", took)
	}
}

// sound checks what holds for every mapping: each source once, targets unique
// without regard to case, nothing in Outbox or below a virtual root, names that the target takes unchanged.
func sound(t *testing.T, list []SourceFolder, p Policy) []Mapped {
	t.Helper()
	out, err := MapFolders(SourceTree{Folders: list}, p)
	if b, ok := errors.AsType[*BlockedError](err); ok && strings.Contains(b.Reason, "makes no name") {
		return nil
	}
	if err != nil {
		t.Fatalf("%q: %v", list, err)
	}
	seen, targets, chosen := map[string]bool{}, map[string]string{}, map[string]bool{}
	for _, m := range out {
		if seen[m.Source] {
			t.Errorf("%q is decided twice", m.Source)
		}
		seen[m.Source] = true
		if m.Rule != "" {
			continue
		}
		if other, taken := targets[foldName(m.Target)]; taken && !m.Chosen && !chosen[other] {
			t.Errorf("%q and %q both go to %q", other, m.Source, m.Target)
		}
		targets[foldName(m.Target)], chosen[m.Source] = m.Source, m.Chosen
		if why := badTargetFolder(m.Target, p.TargetVersion); why != "" {
			t.Errorf("%q goes to %q, which %s", m.Source, m.Target, why)
		}
	}
	for _, f := range list {
		if !seen[f.Name] {
			t.Errorf("%q is not decided", f.Name)
		}
	}
	return out
}

// TestMappingProperties maps random names, and what came of them once more:
// they must not change again.
func TestMappingProperties(t *testing.T) {
	pieces := []string{"A", "a", "é", "É", "&", "-", "R&D", "^", "\"", "%", "~", " ", "/", ".", "INBOX", "inbox", "Sent", "sent", "Outbox", "OUTBOX",
		"Junk", "Corbeille", "🙂", "\x01", "ß", "ẞ", "İ", "i\u0307", "Dossiers partagés", "(2)", " (2)", "_", "\u00a0", "\u2028", strings.Repeat("long ", 30), strings.Repeat("é", 90), "{", "|", "`", "\\", "!", "é\u0301", "e\u0301"}
	r := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		delim := []rune{'/', '.', '\\', 0}[r.IntN(4)]
		var list []SourceFolder
		names := map[string]bool{}
		for range 1 + r.IntN(12) {
			var b strings.Builder
			for range 1 + r.IntN(4) {
				b.WriteString(pieces[r.IntN(len(pieces))])
				if delim != 0 && r.IntN(3) == 0 {
					b.WriteRune(delim)
				}
			}
			f := SourceFolder{Name: b.String(), Delim: delim}
			if names[f.Name] {
				continue
			}
			names[f.Name] = true
			switch r.IntN(8) {
			case 0:
				f.Attrs = []string{`\Noselect`}
			case 1:
				f.Attrs = []string{[]string{`\Sent`, `\Trash`, `\Junk`, `\All`, `\Drafts`, `\Archive`}[r.IntN(6)]}
			}
			list = append(list, f)
		}
		p := DefaultPolicy()
		p.TargetVersion = []TargetVersion{Target4, Target5, TargetBoth}[r.IntN(3)]
		out := sound(t, list, p)
		again := folders('/', "INBOX", `Sent \Sent`, `Trash \Trash`, `Drafts \Drafts`, `Junk \Junk`, "Templates", "Outbox") // as BlueMind lists it
		for _, m := range out {
			if m.Rule == "" && !slices.Contains(defaultFolders, m.Target) {
				again = append(again, SourceFolder{Name: m.Target, Delim: '/'})
			}
		}
		for _, m := range sound(t, again, p) {
			if m.Rule == "" && m.Target != m.Source {
				t.Errorf("%q became %q, and that becomes %q", list, m.Source, m.Target)
			}
		}
		if t.Failed() {
			t.Fatalf("with delimiter %q and version %s: %q", delim, p.TargetVersion, list)
		}
	}
}

// TestMappingPropertiesUnderPolicies maps random names under random policies:
// what goes into one folder with others was sent there by the policy.
func TestMappingPropertiesUnderPolicies(t *testing.T) {
	pieces := []string{"A", "a", "é", "&", "-", "R&D", "^", " ", "/", "INBOX", "inbox", "Sent", "Outbox", "Junk", "Corbeille", "🙂", "Dossiers partagés", "\x01", "{", strings.Repeat("long ", 40)}
	rules := []FolderRule{{Match: "A(.*)", To: "B$1"}, {Match: "(.*)/(.*)", To: "$2/$1"}, {Match: "(.+)", To: "Old/$1"}, {Match: "(.)(.*)", To: "$1/$2"}, {Match: ".*a", Exclude: true},
		{Match: "(?i)inbox/?(.*)", To: "inbox/$1"}, {Match: "(.*)é(.*)", To: "sent/$1$2"}, {Match: ".+", To: "One"}}
	r := rand.New(rand.NewPCG(3, 4))
	for range 3000 {
		var list []SourceFolder
		names := map[string]bool{}
		for range 1 + r.IntN(10) {
			var b strings.Builder
			for range 1 + r.IntN(4) {
				b.WriteString(pieces[r.IntN(len(pieces))])
			}
			if !names[b.String()] {
				names[b.String()] = true
				list = append(list, SourceFolder{Name: b.String(), Delim: '/'})
			}
		}
		p := DefaultPolicy()
		p.TargetVersion = []TargetVersion{Target4, Target5, TargetBoth}[r.IntN(3)]
		for range r.IntN(4) {
			p.Folders.Rules = append(p.Folders.Rules, rules[r.IntN(len(rules))])
		}
		if r.IntN(3) == 0 {
			p.Folders.Into = "Old/Mail"
		}
		if r.IntN(3) == 0 {
			p.Folders.Map = map[string]string{"A": "Sent", "a": "A/a", "INBOX": "Work"}
		}
		if sound(t, list, p); t.Failed() {
			t.Fatalf("with policy %+v: %q", p.Folders, list)
		}
	}
}

func FuzzMapFolders(f *testing.F) {
	f.Add("INBOX\nSent\nsent\nA/B\na^b", "/", "", "")
	f.Add("INBOX.é&\nINBOX.\U0001f642\nINBOX.inbox", ".", "4", "Old/$1")
	f.Add("Éléments envoyés\nSent\nOutbox/x\n[Gmail]/All Mail", "/", "5", "$1/Outbox")
	f.Fuzz(func(t *testing.T, names, delim, version, to string) {
		var list []SourceFolder
		seen := map[string]bool{"": true}
		for name := range strings.SplitSeq(strings.ToValidUTF8(names, "\uFFFD"), "\n") {
			if seen[name] || len(list) == 200 {
				continue
			}
			seen[name] = true
			s := SourceFolder{Name: name}
			for _, r := range delim {
				s.Delim = r
				break
			}
			list = append(list, s)
		}
		p := DefaultPolicy()
		if v := TargetVersion(version); v == Target4 || v == Target5 {
			p.TargetVersion = v
		}
		p.Folders.Rules = []FolderRule{{Match: "A(.+)", To: to}}
		if len(p.Problems()) > 0 {
			p.Folders.Rules = nil
		}
		sound(t, list, p)
	})
}
