package migrate

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"
)

// writePlan makes a plan of so many accounts with so many folders each, the
// first of them a share, a group of some, a right on each, and what nobody
// takes.
func writePlan(t testing.TB, path string, accounts, folders int, p Policy) {
	t.Helper()
	w, err := CreatePlan(path, PlanHeader{Tool: "test", Created: time.Unix(1e9, 0).UTC(), Policy: p})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Domain(PlanDomain{Name: "example.org", Create: true}); err != nil {
		t.Fatal(err)
	}
	g := PlanGroup{Name: "staff", Domain: "example.org", Create: true}
	for i := range min(accounts, 2*groupMembers) {
		g.Members = append(g.Members, PlanRef{RefUser, fmt.Sprintf("user%05d@example.org", i)})
	}
	if err := w.Group(g); err != nil {
		t.Fatal(err)
	}
	for i := range accounts {
		a := &PlanAccount{Source: "old", SourceLogin: fmt.Sprintf("user%05d@old.example", i), Address: fmt.Sprintf("user%05d@example.org", i), Kind: KindUser, LastName: "User"}
		if i == 0 {
			a.Kind, a.LastName, a.Writer, a.Label = KindShare, "", "user00001@example.org", "Été"
		}
		a.Rights = []PlanRight{{Grantee: PlanRef{RefUser, "user00001@example.org"}, Verbs: []string{VerbRead}, From: "rights.csv:2"}}
		for j := range folders {
			name := fmt.Sprintf("Folder %d", j)
			a.Folders = append(a.Folders, PlanFolder{Source: name, Target: name, Survey: FolderSurvey{Messages: 100, Bytes: 1 << 20, UIDValidity: 1, UIDNext: 101}})
			a.Survey.Messages += 100
			a.Survey.Bytes += 1 << 20
		}
		if err := w.Account(a); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Public(PlanPublic{Source: "old", Folder: "Public/x", Logins: accounts}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Finish(); err != nil {
		t.Fatal(err)
	}
}

// TestEditedPlan: whatever is done to a plan's lines, it is not run.
func TestEditedPlan(t *testing.T) {
	path := filepath.Join(t.TempDir(), "plan.jsonl")
	writePlan(t, path, 3, 2, DefaultPolicy())
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.SplitAfter(bytes.TrimSuffix(whole, []byte("\n")), []byte("\n"))
	join := func(l ...[]byte) []byte { return bytes.Join(l, nil) }
	// 0 header, 1 domain, 2 group, 3 account, 4 5 its folders, 6 its right, 7 account …
	swap := func(i, j int) []byte {
		l := slices.Clone(lines)
		l[i], l[j] = l[j], l[i]
		return join(l...)
	}
	without := func(i int) []byte { return join(slices.Delete(slices.Clone(lines), i, i+1)...) }
	tests := map[string][]byte{
		"empty":                     nil,
		"cut in a line":             whole[:len(whole)/2],
		"without its last line":     join(lines[:len(lines)-1]...),
		"without an account":        without(3),
		"without a folder":          without(4),
		"without a group":           without(2),
		"without a right":           without(6),
		"a right for another":       swap(6, 10),
		"a right before all":        swap(2, 6),
		"another right":             bytes.Replace(whole, []byte(`"verbs":["Read"]`), []byte(`"verbs":["All"]`), 1),
		"another member":            bytes.Replace(whole, []byte(`"name":"user00002@example.org"`), []byte(`"name":"user00009@example.org"`), 1),
		"another writer":            bytes.Replace(whole, []byte(`"writer":"user00001@`), []byte(`"writer":"user00002@`), 1),
		"without what nobody takes": without(len(lines) - 2),
		"without its header":        without(0),
		"accounts exchanged":        swap(3, 7),
		"folders exchanged":         swap(4, 5),
		"an account twice":          join(append(slices.Clone(lines[:7]), append([][]byte{lines[3]}, lines[7:]...)...)...),
		"a line added at the end":   append(slices.Clone(whole), lines[3]...),
		"another address":           bytes.Replace(whole, []byte("user00001@example.org"), []byte("user00009@example.org"), 1),
		"another target":            bytes.Replace(whole, []byte(`"target":"Folder 1"`), []byte(`"target":"Folder 7"`), 1),
		"another policy":            bytes.Replace(whole, []byte(`"trash":"copy"`), []byte(`"trash":"exclude"`), 1),
		"into what is not empty":    bytes.Replace(whole, []byte(`"into_non_empty":false`), []byte(`"into_non_empty":true`), 1),
		"a blank more":              bytes.Replace(whole, []byte(`{"line":"account"`), []byte(`{ "line":"account"`), 1),
		"of another format":         bytes.Replace(whole, []byte(`"format":1`), []byte(`"format":2`), 1),
		"with a key of the future":  bytes.Replace(whole, []byte(`"kind":"user"`), []byte(`"kind":"user","future":1`), 1),
		"with CRLF":                 bytes.ReplaceAll(whole, []byte("\n"), []byte("\r\n")),
		"a line beyond all measure": append(slices.Clone(whole), bytes.Repeat([]byte("x"), maxPlanLine+2)...),
	}
	for name, text := range tests {
		edited := filepath.Join(t.TempDir(), "plan.jsonl")
		if err := os.WriteFile(edited, text, 0o600); err != nil {
			t.Fatal(err)
		}
		var wrong *PlanError
		if _, err := OpenPlan(edited); !errors.As(err, &wrong) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestPlanRoundTrip: what was written is what is read, groups of thousands
// joined again, rights below their mailboxes.
func TestPlanRoundTrip(t *testing.T) {
	path := filepath.Join(t.TempDir(), "plan.jsonl")
	writePlan(t, path, 2500, 1, DefaultPolicy())
	p, err := OpenPlan(path)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if len(p.Groups) != 1 || len(p.Groups[0].Members) != 2000 || p.Groups[0].Members[1999].Name != "user01999@example.org" {
		t.Errorf("%d groups, the first of %d", len(p.Groups), len(p.Groups[0].Members))
	}
	want := PlanTrailer{Line: "end", Domains: 1, Groups: 1, Accounts: 2500, Shares: 1, Folders: 2500, Messages: 250_000, Bytes: 2500 << 20, Rights: 2500, Public: 1, SHA256: p.Trailer.SHA256}
	if p.Trailer != want || len(p.Public) != 1 || p.Public[0].Folder != "Public/x" {
		t.Errorf("trailer %+v, public %+v", p.Trailer, p.Public)
	}
	n := 0
	for r, err := range p.Rights() {
		if err != nil {
			t.Fatal(err)
		}
		if want := fmt.Sprintf("user%05d@example.org", n); r.Mailbox != want || r.Grantee.Name != "user00001@example.org" || r.From != "rights.csv:2" {
			t.Fatalf("right %d is %+v", n, r)
		}
		if n++; n == 2400 { // a reader may stop
			break
		}
	}
	for a, err := range p.Accounts() {
		if err != nil {
			t.Fatal(err)
		}
		again, err := p.at(a.offset)
		if err != nil || len(again.Rights) != 1 || again.Rights[0].Mailbox != a.Address || again.Writer != a.Writer {
			t.Fatalf("%s by its place: %+v, %v", a.Address, again, err)
		}
		if a.Address == "user00003@example.org" {
			break
		}
	}
}

// TestPlanReplacedWhileItIsRead: who has opened a plan goes on with that very
// plan, though another takes its place; one that is changed in its place is
// not gone on with.
func TestPlanReplacedWhileItIsRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "plan.jsonl")
	writePlan(t, path, 3, 2, DefaultPolicy())
	p, err := OpenPlan(path)
	if err != nil {
		t.Fatal(err)
	}
	var at []int64
	for a, err := range p.Accounts() {
		if err != nil {
			t.Fatal(err)
		}
		at = append(at, a.offset)
	}
	other := DefaultPolicy()
	other.Folders.Trash = Exclude
	writePlan(t, path, 2, 3, other)
	n := 0
	for a, err := range p.Accounts() {
		if err != nil || len(a.Folders) != 2 {
			t.Fatalf("after a new plan took its place: %v", err)
		}
		n++
	}
	if a, err := p.at(at[2]); n != 3 || err != nil || a.Address != "user00002@example.org" {
		t.Errorf("%d accounts; the third is %+v, %v", n, a, err)
	}

	q, err := OpenPlan(path)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	first := int64(bytes.Index(text, []byte(`{"line":"account"`)))
	if err := os.WriteFile(path, bytes.ReplaceAll(text, []byte("Folder 1"), []byte("Folder 9")), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := q.at(first); err == nil {
		t.Error("an account that was changed in its place is run")
	}
	for _, err := range q.Accounts() {
		if err != nil {
			return
		}
	}
	t.Error("a plan that was changed in its place is read to its end")
}

// TestPolicyDigest: it is of decisions, in whatever order they were written.
func TestPolicyDigest(t *testing.T) {
	base := DefaultPolicy()
	base.Folders.Map = map[string]string{"a": "1", "b": "2", "c": "3", "d": "4"}
	base.Folders.Exclude = []string{"x", "y"}
	for range 20 { // maps are read in another order each time
		same := base
		same.Folders.Map = map[string]string{"d": "4", "c": "3", "b": "2", "a": "1"}
		same.Folders.Exclude = []string{"y", "x", "y"}
		if same.Digest() != base.Digest() {
			t.Fatal("the order of what is written counts")
		}
	}
	writers := base
	writers.Shares.Writers = []string{"w@example.org"} // who writes is no decision about what is written
	if writers.Digest() != base.Digest() {
		t.Error("writers count")
	}
	asking := base
	asking.Presync.AskAbove, asking.Presync.AskAbovePercent = 7, 7
	if asking.Digest() != base.Digest() {
		t.Error("where runs ask counts")
	}
	if p := writers.Canonical(); len(p.Shares.Writers) != 1 {
		t.Error("writers are lost from the policy's form")
	}
	changes := map[string]func(*Policy){
		"map": func(p *Policy) { p.Folders.Map = map[string]string{"a": "1"} }, "exclude": func(p *Policy) { p.Folders.Exclude = []string{"x"} },
		"rules":      func(p *Policy) { p.Folders.Rules = []FolderRule{{Match: "a", To: "1"}, {Match: "b", To: "2"}} },
		"order":      func(p *Policy) { p.Folders.Rules = []FolderRule{{Match: "b", To: "2"}, {Match: "a", To: "1"}} },
		"subscribed": func(p *Policy) { p.Folders.SubscribedOnly = new(true) }, "into": func(p *Policy) { p.Folders.Into = "Old" },
		"split":   func(p *Policy) { p.Folders.SplitByYear = []string{"x"} },
		"include": func(p *Policy) { p.Folders.Include = []string{"x"} }, "junk": func(p *Policy) { p.Folders.Junk = Copy },
		"trash": func(p *Policy) { p.Folders.Trash = Exclude }, "deleted": func(p *Policy) { p.Messages.Deleted = Copy },
		"repairs": func(p *Policy) { p.Repairs = []Repair{RepairNUL} }, "dates": func(p *Policy) { p.Messages.AbsurdDates = HeaderDates },
		"flag map": func(p *Policy) { p.Flags.Map = map[string]string{"a": "b"} },
		"keywords": func(p *Policy) { p.Flags.Keywords = DropKeywords }, "non-empty": func(p *Policy) { p.IntoNonEmpty = true },
		"create": func(p *Policy) { p.Users.Create = false }, "password": func(p *Policy) { p.Users.Password = NoPassword },
		"version": func(p *Policy) { p.TargetVersion = Target5 }, "given": func(p *Policy) { p.Users.Password = GivenPassword },
		"update": func(p *Policy) { p.Users.Update = false }, "quota": func(p *Policy) { p.Users.Quota = QuotaSource },
		"account type": func(p *Policy) { p.Users.AccountType = AccountSimple }, "groups": func(p *Policy) { p.Users.Groups = []string{"staff"} },
		"all aliases": func(p *Policy) { p.Users.AllAliases = false }, "shares": func(p *Policy) { p.Shares.Create = false },
		"rights": func(p *Policy) { p.Shares.Rights = RightsCSV }, "subscribe": func(p *Policy) { p.Shares.Subscribe = false },
		"follow": func(p *Policy) { p.Presync.Follow = false },
	}
	seen := map[string]string{base.Digest(): "no change"}
	for name, change := range changes {
		p := base
		change(&p)
		if other, ok := seen[p.Digest()]; ok {
			t.Errorf("%s and %s have one digest", name, other)
		}
		seen[p.Digest()] = name
	}
}

// TestAccountDigest: it changes with decisions, and with nothing else.
func TestAccountDigest(t *testing.T) {
	account := func() *PlanAccount {
		return &PlanAccount{Source: "old", SourceLogin: "a", Address: "a@example.org", Kind: KindUser, Aliases: []string{"b@example.org", "c@example.org"}, Groups: []string{"x", "y"},
			Exception: &Exception{Address: "a@example.org", Folders: FolderPolicy{Exclude: []string{"x", "y"}}},
			Folders:   []PlanFolder{{Source: "INBOX", Target: "INBOX"}, {Source: "Spam", Rule: RuleJunk}}}
	}
	want := account().digest()
	same := map[string]func(*PlanAccount){
		"survey":                   func(a *PlanAccount) { a.Survey = Survey{Messages: 9, At: time.Now(), Error: "x"} },
		"folder's survey":          func(a *PlanAccount) { a.Folders[0].Survey = FolderSurvey{Messages: 7, UIDValidity: 3} },
		"reason":                   func(a *PlanAccount) { a.Folders[0].Reason = "so" },
		"wave":                     func(a *PlanAccount) { a.Wave = "2" },
		"order of aliases":         func(a *PlanAccount) { slices.Reverse(a.Aliases) },
		"order of exclusion":       func(a *PlanAccount) { slices.Reverse(a.Exception.Folders.Exclude) },
		"order of groups":          func(a *PlanAccount) { slices.Reverse(a.Groups) },
		"rights":                   func(a *PlanAccount) { a.Rights = []PlanRight{{Verbs: []string{VerbRead}}} },
		"where a quota comes from": func(a *PlanAccount) { a.QuotaFrom = "source" },
	}
	for name, change := range same {
		a := account()
		change(a)
		if a.digest() != want {
			t.Errorf("%s changes the digest", name)
		}
	}
	other := map[string]func(*PlanAccount){
		"address": func(a *PlanAccount) { a.Address = "b@example.org" }, "login": func(a *PlanAccount) { a.SourceLogin = "b" },
		"quota": func(a *PlanAccount) { a.QuotaKiB = 7 }, "alias": func(a *PlanAccount) { a.Aliases = a.Aliases[:1] },
		"name": func(a *PlanAccount) { a.DisplayName = "A" }, "target": func(a *PlanAccount) { a.Folders[0].Target = "In" },
		"rule": func(a *PlanAccount) { a.Folders[1].Rule = RuleTrash }, "folder": func(a *PlanAccount) { a.Folders = a.Folders[:1] },
		"BlueMind login": func(a *PlanAccount) { a.Login = "x" }, "label": func(a *PlanAccount) { a.Label = "L" }, "writer": func(a *PlanAccount) { a.Writer = "w@example.org" },
		"no limit": func(a *PlanAccount) { a.QuotaStated = true }, "groups": func(a *PlanAccount) { a.Groups = a.Groups[:1] },
		"account type": func(a *PlanAccount) { a.AccountType = AccountSimple }, "server": func(a *PlanAccount) { a.DataLocation = "bm-2" }, "password": func(a *PlanAccount) { a.Password = NoPassword },
		"exception": func(a *PlanAccount) { a.Exception.Folders.Junk = Copy }, "no exception": func(a *PlanAccount) { a.Exception = nil },
	}
	for name, change := range other {
		a := account()
		change(a)
		if a.digest() == want {
			t.Errorf("%s doesn't change the digest", name)
		}
	}
}

// BenchmarkPlan reads a plan of 50,000 accounts with 20 folders each, and
// selects from it: time, and what is held in the end.
func BenchmarkPlan(b *testing.B) {
	path := filepath.Join(b.TempDir(), "plan.jsonl")
	writePlan(b, path, 50_000, 20, DefaultPolicy())
	info, err := os.Stat(path)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(info.Size())
	for b.Loop() {
		p, err := OpenPlan(path)
		if err != nil {
			b.Fatal(err)
		}
		r := &runner{opts: RunOptions{Plan: p}}
		queue, err := r.selected(b.Context())
		if err != nil || len(queue) != 50_000 {
			b.Fatal(len(queue), err)
		}
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		b.ReportMetric(float64(m.HeapAlloc)/(1<<20), "MiB-held")
		runtime.KeepAlive(queue)
	}
}
