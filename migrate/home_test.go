package migrate

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// subtree cuts a listing down as listTree does.
func subtree(t *testing.T, list []SourceFolder, ns SourceNamespaces, folder, share string) SourceTree {
	t.Helper()
	tree := SourceTree{Folders: list, Spaces: ns, Share: share}
	if folder == "" {
		return tree
	}
	root, err := tree.below(folder)
	if err != nil || root == nil {
		t.Fatalf("source folder %q: %v, %v", folder, root, err)
	}
	return tree.only(root)
}

// TestMapShares maps logins of their own and subtrees to shared mailboxes, and
// subtrees to users.
func TestMapShares(t *testing.T) {
	public := SourceNamespaces{Foreign: []string{"Public/", "Other Users/"}}
	tests := map[string]struct {
		delim  rune
		ns     SourceNamespaces
		folder string
		share  string
		change func(*Policy)
		list   []string
		want   map[string]string // what is not in it is not the account's
	}{
		"a login of its own": {'/', public, "", "compta", nil,
			[]string{"INBOX", "Sent", `Rebut \Trash`, "Brouillons", "Courrier indésirable", "Modèles", "A/B", "Outbox", "Public/x"},
			map[string]string{"INBOX": "compta", "Sent": "compta/Sent", "Rebut": "compta/Trash", "Brouillons": "compta/Brouillons", "Courrier indésirable": "!junk",
				"Modèles": "compta/Modèles", "A/B": "compta/A/B", "Outbox": "!outbox", "Public/x": "!namespace"}},
		"junk, where it is copied": {'/', public, "", "compta", func(p *Policy) { p.Folders.Junk = Copy },
			[]string{"INBOX", "Junk", "Junk/A"}, map[string]string{"INBOX": "compta", "Junk": "compta/Junk", "Junk/A": "compta/Junk/A"}},
		"children of INBOX and what lies beside it": {'.', SourceNamespaces{}, "", "compta", nil,
			[]string{"INBOX", "INBOX.A", "A", "INBOX.Sent", "INBOX.inbox", "INBOX.inbox.B"},
			map[string]string{"INBOX": "compta", "INBOX.A": "compta/A (2)", "A": "compta/A", "INBOX.Sent": "compta/Sent", "INBOX.inbox": "compta/inbox (2)", "INBOX.inbox.B": "compta/inbox (2)/B"}},
		"a folder named as the share": {'/', SourceNamespaces{}, "", "compta", nil,
			[]string{"INBOX", "compta", "compta/Sent"}, map[string]string{"INBOX": "compta", "compta": "compta/compta", "compta/Sent": "compta/compta/Sent"}},
		"names but for case": {'/', SourceNamespaces{}, "", "compta", nil,
			[]string{"INBOX", "Foo", "foo", "SENT/x", "Sent"}, map[string]string{"INBOX": "compta", "Foo": "compta/Foo", "foo": "compta/foo (2)", "SENT/x": "compta/SENT/x", "Sent": "compta/Sent"}},
		"a public folder": {'/', public, "Public/Compta", "compta", nil,
			[]string{"INBOX", "Public/Compta", "Public/Compta/2019", "Public/Compta/Sent Items", "Public/Comptabilité", `Public/Compta/2019/x^y`},
			map[string]string{"Public/Compta": "compta", "Public/Compta/2019": "compta/2019", "Public/Compta/Sent Items": "compta/Sent", "Public/Compta/2019/x^y": "compta/2019/x_y"}},
		"written with /, of another delimiter": {'.', SourceNamespaces{Foreign: []string{"shared."}}, "shared/compta/", "compta", nil,
			[]string{"INBOX", "shared.compta", "shared.compta.A"}, map[string]string{"shared.compta": "compta", "shared.compta.A": "compta/A"}},
		"without the prefix of the personal namespace": {'.', SourceNamespaces{Personal: "INBOX."}, "Team", "team", nil,
			[]string{"INBOX", "INBOX.Team", "INBOX.Team.A"}, map[string]string{"INBOX.Team": "team", "INBOX.Team.A": "team/A"}},
		"in another case": {'/', public, "public/COMPTA", "compta", nil,
			[]string{"Public/Compta", "Public/Compta/A"}, map[string]string{"Public/Compta": "compta", "Public/Compta/A": "compta/A"}},
		"a root that holds no messages, with INBOX in it": {'/', public, "Other Users/ada", "ada", nil,
			[]string{`Other Users/ada \Noselect`, "Other Users/ada/INBOX", "Other Users/ada/INBOX/x", "Other Users/ada/Drafts"},
			map[string]string{"Other Users/ada": "!noselect", "Other Users/ada/INBOX": "ada", "Other Users/ada/INBOX/x": "ada/x", "Other Users/ada/Drafts": "ada/Drafts"}},
		"a root that isn't listed": {'/', public, "Public/Compta", "compta", nil,
			[]string{"Public/Compta/A", "Public/Compta/B/C"}, map[string]string{"Public/Compta/A": "compta/A", "Public/Compta/B/C": "compta/B/C"}},
		"a root with messages, and INBOX in it": {'/', public, "Other Users/ada", "ada", nil,
			[]string{"Other Users/ada", "Other Users/ada/INBOX"}, map[string]string{"Other Users/ada": "ada", "Other Users/ada/INBOX": "ada/INBOX (2)"}},
		"into a user's mailbox": {'/', public, "Other Users/ada", "", nil,
			[]string{"Other Users/ada", "Other Users/ada/Envoyés", "Other Users/ada/A/B", "Other Users/ada/Brouillons"},
			map[string]string{"Other Users/ada": "INBOX", "Other Users/ada/Envoyés": "Sent", "Other Users/ada/A/B": "A/B", "Other Users/ada/Brouillons": "Drafts"}},
		"into a folder of a user's mailbox": {'/', public, "Public/Old", "", func(p *Policy) { p.Folders.Map = map[string]string{"Public/Old": "Archive/Old"} },
			[]string{"Public/Old", "Public/Old/A"}, map[string]string{"Public/Old": "Archive/Old", "Public/Old/A": "Archive/Old/A"}},
		"into a folder of a share": {'/', public, "Public/Old", "compta", func(p *Policy) { p.Folders.Map = map[string]string{"INBOX": "Old"} },
			[]string{"Public/Old", "Public/Old/A"}, map[string]string{"Public/Old": "compta/Old", "Public/Old/A": "compta/Old/A"}},
		"mapped to INBOX": {'/', public, "", "compta", func(p *Policy) {
			p.Folders.Map = map[string]string{"Arrivées": "INBOX", "INBOX": "INBOX/Old"}
		},
			[]string{"INBOX", "Arrivées", "Arrivées/A"}, map[string]string{"INBOX": "compta/Old", "Arrivées": "compta", "Arrivées/A": "compta/A"}},
		"include and exclude": {'/', public, "Public/Compta", "compta", func(p *Policy) {
			p.Folders.Include, p.Folders.Exclude = []string{"inbox", "20*"}, []string{"Public/Compta/2018*"}
		}, []string{"Public/Compta", "Public/Compta/2019", "Public/Compta/2018", "Public/Compta/Other"},
			map[string]string{"Public/Compta": "compta", "Public/Compta/2019": "compta/2019", "Public/Compta/2018": "!policy", "Public/Compta/Other": "!policy"}},
		"INBOX, in any case, as a subtree": {'/', SourceNamespaces{}, "INBOX", "compta", nil,
			[]string{"INBOX", "INBOX/A", "Inbox/B", "Other"}, map[string]string{"INBOX": "compta", "INBOX/A": "compta/A", "Inbox/B": "compta/B"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p := DefaultPolicy()
			if test.change != nil {
				test.change(&p)
			}
			list := folders(test.delim, test.list...)
			for range 3 {
				out, err := MapFolders(subtree(t, slices.Clone(list), test.ns, test.folder, test.share), p)
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
				for source, want := range test.want {
					if got[source] != want {
						t.Errorf("%q goes to %q, want %q", source, got[source], want)
					}
				}
				if len(got) != len(test.want) {
					t.Errorf("decided %q, want %q", got, test.want)
				}
				rand.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
			}
		})
	}
}

// TestSubtreeIsClear: a source folder that may be two, or is none, is for a
// person to correct.
func TestSubtreeIsClear(t *testing.T) {
	tree := SourceTree{Folders: folders('/', "Public/Compta", "public/compta", "Old/Compta", "Public/x")}
	if _, err := tree.below("PUBLIC/COMPTA"); !strings.Contains(judge(err).reason, `may be "Public/Compta" or "public/compta"`) || judge(err).scope != accountHalt {
		t.Errorf("ambiguous: %v", err)
	}
	if root, err := tree.below("public/compta"); err != nil || root.Name != "public/compta" {
		t.Errorf("exact: %v, %v", root, err)
	}
	root, err := tree.below("Public/Comptabilité")
	if root != nil || err != nil {
		t.Errorf("none: %v, %v", root, err)
	}
	b, ok := errors.AsType[*BlockedError](tree.unknown("Shared/compta"))
	if !ok || !strings.Contains(b.Mend, `"Old/Compta"`) || !strings.Contains(b.Reason, `"Shared/compta"`) {
		t.Errorf("unknown: %+v", b)
	}
}

// TestShareNames: below a share every name is one that BlueMind takes, with the
// share's own name counted in, and no two are the same.
func TestShareNames(t *testing.T) {
	pieces := []string{"A", "a", "é", "&", "-", "^", "~", " ", "/", "INBOX", "inbox", "Sent", "sent", "Trash", "Outbox", "Junk", "Corbeille", "🙂", "compta", "(2)", "Dossiers partagés",
		strings.Repeat("long ", 40), strings.Repeat("é", 90)}
	r := rand.New(rand.NewPCG(3, 4))
	share := strings.Repeat("compta.", 9) // as long as a name may be
	for range 3000 {
		var list []SourceFolder
		names := map[string]bool{}
		for range 1 + r.IntN(12) {
			var b strings.Builder
			for range 1 + r.IntN(5) {
				b.WriteString(pieces[r.IntN(len(pieces))])
				if r.IntN(3) == 0 {
					b.WriteRune('/')
				}
			}
			if name := b.String(); !names[name] {
				names[name] = true
				list = append(list, SourceFolder{Name: "Public/" + name, Delim: '/'})
			}
		}
		p := DefaultPolicy()
		tree := SourceTree{Folders: list, Share: share, Subtree: &SourceFolder{Name: "Public", Delim: '/'}}
		out, err := MapFolders(tree, p)
		if err != nil || len(out) != len(list) {
			t.Fatalf("%q: %d of %d, %v", list, len(out), len(list), err)
		}
		targets := map[string]string{}
		for _, m := range out {
			if m.Rule != "" {
				continue
			}
			below, ok := strings.CutPrefix(m.Target, share)
			if other, taken := targets[foldName(m.Target)]; taken || !ok || below != "" && below[0] != '/' {
				t.Errorf("%q goes to %q, as %q does", m.Source, m.Target, other)
			}
			targets[foldName(m.Target)] = m.Source
			if below == "" {
				continue
			}
			top, _, _ := strings.Cut(below[1:], "/")
			if why := badTargetFolder("x"+below, p.TargetVersion); why != "" || strings.EqualFold(top, "INBOX") || wireLen(m.Target) > maxPathOctets {
				t.Errorf("%q goes to %q, %d octets, which %s", m.Source, m.Target, wireLen(m.Target), why)
			}
		}
		if t.Failed() {
			t.Fatalf("%q", list)
		}
	}
}

// TestDecideShares: a folder of a share that comes late gets a name of its own
// in that share.
func TestDecideShares(t *testing.T) {
	long := strings.Repeat("x", maxLevelOctets)
	a := &PlanAccount{Kind: KindShare, Address: "compta@example.org", Folders: []PlanFolder{inPlan("INBOX", "compta"), inPlan("A", "compta/A"), inPlan(long, "compta/"+long)}}
	jobs := decideFolders([]Mapped{{Source: "a", Target: "compta/a"}, {Source: "Inbox2", Target: "compta"}, {Source: "y", Target: "compta/" + long}}, a, nil)
	want := []string{"compta/a (2)", "compta/INBOX (2)", "compta/" + long[:maxLevelOctets-4] + " (2)"}
	for i, job := range jobs {
		if job.Target != want[i] || !job.late {
			t.Errorf("%q goes to %q, want %q", job.Source, job.Target, want[i])
		}
	}
}
