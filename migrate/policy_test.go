package migrate

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"
)

// TestPolicyDigestIsStable pins the JSON form: a change here makes every
// rehearsal that passed worthless.
func TestPolicyDigestIsStable(t *testing.T) {
	p := DefaultPolicy()
	text, err := json.Marshal(p.Canonical())
	if err != nil {
		t.Fatal(err)
	}
	want := `{"target_version":"both",` +
		`"folders":{"map":{},"rules":[],"exclude":[],"include":[],"junk":"exclude","trash":"copy","subscribed_only":false,"into":"","split_by_year":[]},` +
		`"messages":{"deleted":"exclude","absurd_dates":"keep"},"flags":{"keywords":"keep","map":{}},"repairs":[],"into_non_empty":false,` +
		`"users":{"create":true,"password":"generated","update":true,"quota":"csv","account_type":"","groups":[],"all_aliases":true},` +
		`"shares":{"create":true,"writers":[],"rights":"source","subscribe":true},` +
		`"presync":{"follow":true,"ask_above":50,"ask_above_percent":1}}`
	if string(text) != want {
		t.Errorf("JSON form\n%s\nwant\n%s", text, want)
	}
	if got, want := p.Digest(), "44f671411e6df21774fd11a72ad4f205471a24aee0fcae1c87a5b7f400a833e6"; got != want {
		t.Errorf("digest %s, want %s", got, want)
	}
}

func TestPolicyDigestFollowsDecisionsOnly(t *testing.T) {
	a, b := DefaultPolicy(), DefaultPolicy()
	a.Folders.Exclude = []string{"b", "a", "b"}
	b.Folders.Exclude = []string{"a", "b"}
	a.Folders.Map = map[string]string{"x": "X", "y": "Y"}
	b.Folders.Map = map[string]string{"y": "Y", "x": "X"}
	if a.Digest() != b.Digest() {
		t.Error("order and repetition change the digest")
	}
	if a.Folders.Exclude[0] != "b" {
		t.Error("Digest sorted the caller's list")
	}
	b.Folders.Map["x"] = "Z"
	if a.Digest() == b.Digest() {
		t.Error("another target folder leaves the digest as it was")
	}
}

func TestPolicyWithException(t *testing.T) {
	p := DefaultPolicy()
	p.Folders.Map = map[string]string{"a": "A"}
	p.Folders.Exclude = []string{"x"}
	p.Folders.Rules = []FolderRule{{Match: "all", Exclude: true}}
	before := p.Digest()
	got := p.With(Exception{
		Folders: FolderPolicy{Map: map[string]string{"a": "AA", "b": "B"}, Exclude: []string{"w"}, Junk: Copy,
			Rules: []FolderRule{{Match: "own", To: "Own"}}, SubscribedOnly: new(true), Into: "Old", SplitByYear: []string{"INBOX"}},
		Messages: MessagePolicy{Deleted: Copy},
	})
	want := DefaultPolicy()
	want.Folders = FolderPolicy{Map: map[string]string{"a": "AA", "b": "B"}, Exclude: []string{"w", "x"}, Include: []string{}, Junk: Copy, Trash: Copy,
		Rules: []FolderRule{{Match: "own", To: "Own"}, {Match: "all", Exclude: true}}, SubscribedOnly: new(true), Into: "Old", SplitByYear: []string{"INBOX"}}
	want.Messages.Deleted = Copy
	want.Users.Groups, want.Shares.Writers, want.Repairs, want.Flags.Map = []string{}, []string{}, []Repair{}, map[string]string{}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("policy %+v\nwant %+v", got, want)
	}
	if got.With(Exception{Folders: FolderPolicy{SubscribedOnly: new(false)}}); *got.Folders.SubscribedOnly != true {
		t.Error("With changed a choice of the policy it was called on")
	}
	if off := got.With(Exception{Folders: FolderPolicy{SubscribedOnly: new(false)}}); *off.Folders.SubscribedOnly {
		t.Error("an exception can't undo a choice")
	}
	if p.Digest() != before {
		t.Error("With changed the policy it was called on")
	}
}

func fields(problems []Problem) string {
	var all []string
	for _, p := range problems {
		all = append(all, p.Field)
	}
	return strings.Join(all, " ")
}

func TestPolicyProblems(t *testing.T) {
	if got := DefaultPolicy().Problems(); len(got) > 0 {
		t.Errorf("the default policy has problems: %v", got)
	}
	p := Policy{
		TargetVersion: "6", Flags: FlagPolicy{Keywords: "hold", Map: map[string]string{"ok": "$Fine", "x": "a b", "\\Seen": "y", "Z": "", "z": "\\Flagged"}}, Repairs: []Repair{RepairNUL, "lines"}, Users: UserPolicy{Password: "hunter2", AccountType: "gold", Groups: []string{"ok", "a@b", " "}}, Shares: SharePolicy{Rights: "some", Writers: []string{"ok@example.org", "Ada@example.org", "ada", "o'neil@example.org"}}, Messages: MessagePolicy{Deleted: "x", AbsurdDates: "guess"},
		Folders: FolderPolicy{Junk: "a", Trash: "b",
			Map:     map[string]string{"A": "Outbox/x", "B": "", "C": "a//b", "D": "Same", "E": "same", "F": "tab\t", "G": "x<y", "H*": "h", "I": "Shared Folders/x", "J": "ok"},
			Exclude: []string{"*", "ok", "j", "role:inbox", "role:spam", "role:junk"}, Include: []string{"", "ok", "role:outbox"},
			Rules: []FolderRule{{Match: "a(", To: "x"}, {Match: "", To: "x"}, {Match: "a", To: "$1"}, {Match: "(a)", To: "$1x"}, {Match: "a"}, {Match: "a", To: "x", Exclude: true},
				{Match: "(a)", To: "Outbox/$1"}, {Match: "(?P<all>.*)", To: "Old/${all}/$1/$$"}, {Match: "a$|b", Exclude: true}, {Match: "a", To: "b$/"}},
			Into: "a//b", SplitByYear: []string{"role:inbox", " ", "Big*"}},
	}
	want := "target_version flags::keywords users::password users::quota users::account_type users::groups::1 users::groups::2 shares::rights shares::writers::1 shares::writers::2 shares::writers::3 folders::junk folders::trash messages::deleted messages::absurd_dates repairs::1 flags::map::\\Seen flags::map::x flags::map::z " +
		"folders::map::A folders::map::A folders::map::B folders::map::B folders::map::C folders::map::C folders::map::D folders::map::E folders::map::E " +
		"folders::map::F folders::map::F folders::map::G folders::map::G folders::map::H* folders::map::H* folders::map::I folders::map::I folders::map::J " +
		"folders::rules::0::match folders::rules::1::match folders::rules::2::to folders::rules::3::to folders::rules::4::to folders::rules::5::exclude folders::rules::6::to " +
		"folders::rules::9::to folders::rules::9::to " +
		"folders::exclude::0 folders::exclude::3 folders::exclude::4 folders::include::0 folders::include::1 folders::include::2 folders::split_by_year::1 folders::into"
	problems := p.Problems()
	if got := fields(problems); got != want {
		t.Errorf("fields\n%s\nwant\n%s", got, want)
	}
	for _, problem := range problems {
		if strings.Contains(problem.Error(), "hunter2") {
			t.Errorf("a password in a word's place is quoted: %v", problem)
		}
	}
}

func TestTargetFolderOfEmojiNeedsVersion5(t *testing.T) {
	p := DefaultPolicy()
	p.Folders.Map = map[string]string{"a": "🎉"}
	if got := fields(p.Problems()); got != "folders::map::a" {
		t.Errorf("for both versions: problems at %q", got)
	}
	p.TargetVersion = Target5
	if got := p.Problems(); len(got) > 0 {
		t.Errorf("for version 5: %v", got)
	}
}

func TestExceptionProblems(t *testing.T) {
	for _, tt := range []struct {
		name string
		e    Exception
		want string
	}{
		{"sound", Exception{Address: "ada@example.org", Reason: "x", Folders: FolderPolicy{Junk: Copy}}, ""},
		{"left out", Exception{Address: "ada@example.org", Reason: "x", Skip: true}, ""},
		{"no reason", Exception{Address: "ada@example.org", Skip: true}, "reason"},
		{"bad address", Exception{Address: "ada", Reason: "x", Skip: true}, "address"},
		{"left out with rules", Exception{Address: "ada@example.org", Reason: "x", Skip: true, Messages: MessagePolicy{Deleted: Copy}}, "skip"},
		{"changes nothing", Exception{Address: "ada@example.org", Reason: "x"}, ""},
		{"unknown choice", Exception{Address: "ada@example.org", Reason: "x", Folders: FolderPolicy{Trash: "burn"}}, "folders::trash"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			problems := tt.e.Problems(TargetBoth)
			if got := fields(problems); got != tt.want {
				t.Errorf("fields %q, want %q", got, tt.want)
			}
			if sound := tt.name == "sound" || tt.name == "left out"; sound != (len(problems) == 0) {
				t.Errorf("problems %v", problems)
			}
		})
	}
}

func TestLimitsProblems(t *testing.T) {
	if got := DefaultLimits().Problems(); len(got) > 0 {
		t.Errorf("the default limits have problems: %v", got)
	}
	none := Limits{Retries: -1, MessageErrors: -1}
	if got, want := fields(none.Problems()), "accounts retries batch_messages provision message_errors batch_bytes memory settle"; got != want {
		t.Errorf("fields %s, want %s", got, want)
	}
	much := Limits{Accounts: 5000, BatchMessages: 5000, Provision: 500, Memory: 32 << 20, BatchBytes: 64 << 20, Settle: time.Hour}
	if got, want := fields(much.Problems()), "provision accounts batch_messages batch_bytes settle"; got != want {
		t.Errorf("fields %s, want %s", got, want)
	}
}
