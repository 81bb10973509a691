package migrate_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"bmsync/bmapi/bmsim"
	"bmsync/migrate"
	"bmsync/state"
)

// answer records an answer for the world's target.
func (w *world) answer(rules []string, edit ...func(*migrate.AnswerOptions)) ([]migrate.Answer, error) {
	w.t.Helper()
	o := migrate.AnswerOptions{Target: w.opts.Target, StateDir: w.opts.StateDir, Plan: w.opts.Plan, Rules: rules, By: "Ada Martin"}
	for _, e := range edit {
		e(&o)
	}
	return migrate.RecordAnswers(w.t.Context(), o)
}

// rule gives the result of a rule.
func rule(t *testing.T, res migrate.CheckResult, id string) migrate.RuleResult {
	t.Helper()
	at := slices.IndexFunc(res.Rules, func(r migrate.RuleResult) bool { return r.ID == id })
	if at < 0 {
		t.Fatalf("no rule %s", id)
	}
	return res.Rules[at]
}

func open(res migrate.CheckResult) []string {
	var ids []string
	for _, q := range res.Questions() {
		ids = append(ids, q.ID)
	}
	return ids
}

func after(o *migrate.CheckOptions) { o.Phase = migrate.PhaseAfterDNS }

// TestEachQuestionIsAskedUntilItIsAnswered goes through every rule of the
// table that a person answers, on a server which it concerns.
func TestEachQuestionIsAskedUntilItIsAnswered(t *testing.T) {
	for _, r := range migrate.Rules() {
		if r.How != migrate.Operator {
			continue
		}
		t.Run(r.ID, func(t *testing.T) {
			conf := bmsim.Config{Version: 4}
			switch r.ID {
			case "virtual-folders":
				conf.ReleaseName = "4.0.8"
			case "directory-link":
				conf.Domains = []bmsim.Domain{{Name: domain, Directory: &bmsim.Directory{}}}
			}
			w := newWorld(t, conf, "ada")
			w.opts.Target = w.target("production", w.sim, false)
			first := w.check(after)
			if r.ID == "spool-count" {
				w.haveCopied(first.Installation)
				first = w.check(after)
			}
			got := rule(t, first, r.ID)
			if got.Outcome != migrate.Unanswered || !strings.HasPrefix(got.Text, r.Asks) || first.Unanswered != len(first.Questions()) || !slices.Contains(open(first), r.ID) {
				t.Fatalf("%+v; %d open", got, first.Unanswered)
			}
			if f := fires(t, first, r.Name, migrate.Unanswered, r.Asks); f.Mend != "bmsync check --target production --confirm "+r.ID+" --by NAME" {
				t.Errorf("mend %q", f.Mend)
			}
			if list, err := w.answer([]string{r.ID}, func(o *migrate.AnswerOptions) { o.Note = "seen to" }); err != nil || len(list) != 1 {
				t.Fatalf("%+v, %v", list, err)
			}
			res := w.check(after)
			got = rule(t, res, r.ID)
			if got.Outcome != migrate.Ok || got.By != "Ada Martin" || got.Note != "seen to" || got.Answer != migrate.AnswerConfirmed || res.Unanswered != first.Unanswered-1 {
				t.Errorf("%+v; %d open", got, res.Unanswered)
			}
			if at, err := time.Parse(time.RFC3339, got.At); err != nil || time.Since(at) > time.Hour {
				t.Errorf("at %q: %v", got.At, err)
			}
			fires(t, res, r.Name, migrate.Ok, "confirmed by Ada Martin on ")
			if _, err := w.answer([]string{r.ID}, func(o *migrate.AnswerOptions) { o.Withdraw = true }); err != nil {
				t.Fatal(err)
			}
			if got := rule(t, w.check(after), r.ID); got.Outcome != migrate.Unanswered || got.By != "" {
				t.Errorf("withdrawn: %+v", got)
			}
		})
	}
}

// haveCopied makes it that an earlier run has copied a message.
func (w *world) haveCopied(installation string) {
	w.t.Helper()
	s, err := state.Open(w.t.Context(), migrate.StatePath(w.opts.StateDir, w.opts.Target.Name),
		state.Identity{Target: w.opts.Target.Name, Installation: installation, Version: 4, URL: w.opts.Target.URL})
	if err != nil {
		w.t.Fatal(err)
	}
	b := &books{Store: s, t: w.t}
	_, folder := b.account("ada", migrate.AccountComplete, "", "")
	b.must(s.Record(w.t.Context(), folder.ID, []state.Message{row(1)}))
	b.must(s.Close())
}

func TestQuestionsThatAreNotAsked(t *testing.T) {
	tests := []struct {
		title string
		conf  bmsim.Config
		phase migrate.Phase
		id    string
		want  migrate.Severity
		text  string
	}{
		{"cyrus on 5", bmsim.Config{}, migrate.PhaseAfterDNS, "cyrus-tree", migrate.Moot, "BlueMind 5 has neither Cyrus"},
		{"replications on 5", bmsim.Config{}, migrate.PhaseAfterDNS, "mail-servers", migrate.Moot, "BlueMind 5 has neither Cyrus"},
		{"memory of an upgrade on 5", bmsim.Config{}, migrate.PhaseAfterDNS, "memory", migrate.Moot, "from 3.5 to 4"},
		{"virtual folders since 4.1", bmsim.Config{Version: 4}, migrate.PhaseAfterDNS, "virtual-folders", migrate.Moot, "since 4.1"},
		{"no directory", bmsim.Config{Version: 4}, migrate.PhaseAfterDNS, "directory-link", migrate.Moot, "no domain"},
		{"production at a rehearsal", bmsim.Config{}, migrate.PhaseRehearsal, "clean-server", migrate.Later, "--phase before"},
		{"workstations before the DNS change", bmsim.Config{}, migrate.PhaseBefore, "workstation-urls", migrate.Later, "--phase after-dns"},
		{"counts before the copy", bmsim.Config{Version: 4}, migrate.PhaseBefore, "spool-count", migrate.Later, "once mail has been copied"},
	}
	for _, tt := range tests {
		t.Run(tt.title, func(t *testing.T) {
			w := newWorld(t, tt.conf, "ada")
			got := rule(t, w.check(func(o *migrate.CheckOptions) { o.Phase = tt.phase }), tt.id)
			if got.Outcome != tt.want || !strings.Contains(got.Text, tt.text) {
				t.Errorf("%+v", got)
			}
		})
	}
}

func TestARehearsalOnBlueMind5AsksNothing(t *testing.T) {
	res := newWorld(t, bmsim.Config{}, "ada").check()
	if res.Phase != migrate.PhaseRehearsal || res.Unanswered != 0 || len(res.Questions()) != 0 || res.Confirm() != "" {
		t.Errorf("phase %s, open: %q", res.Phase, open(res))
	}
}

func TestQuestionsOnlyLookAtNobody(t *testing.T) {
	w := newWorld(t, bmsim.Config{Domains: []bmsim.Domain{{Name: domain, Users: []bmsim.User{{Login: "ada"}}}}}, "ada")
	w.opts.Target = w.target("production", w.sim, false)
	full := w.check()
	calls := len(w.sim.Journal().Calls())
	quick := w.check(func(o *migrate.CheckOptions) { o.QuestionsOnly, o.Probe = true, true })
	if !slices.Equal(open(full), open(quick)) || len(open(quick)) == 0 {
		t.Errorf("full %q, quick %q", open(full), open(quick))
	}
	for _, c := range w.sim.Journal().Calls()[calls:] {
		if strings.Contains(c.Path, "mailboxes") || strings.Contains(c.Path, "_su") {
			t.Errorf("%s %s", c.Method, c.Path)
		}
	}
}

// TestAnswersBelongToAnInstallation: a server that was built anew asks again,
// and so does one of the next major version.
func TestAnswersBelongToAnInstallation(t *testing.T) {
	w := newWorld(t, bmsim.Config{}, "ada")
	w.opts.Target = w.target("production", w.sim, false)
	if _, err := w.answer([]string{"no-pst"}); err != nil {
		t.Fatal(err)
	}
	if got := rule(t, w.check(), "no-pst"); got.Outcome != migrate.Ok {
		t.Errorf("%+v", got)
	}
	w.start(bmsim.Config{}) // another BlueMind under the same name
	w.opts.Target = w.target("production", w.sim, false)
	got := rule(t, w.check(), "no-pst")
	if got.Outcome != migrate.Unanswered || !strings.Contains(got.Text, "Ada Martin has confirmed it on") || got.By != "" {
		t.Errorf("built anew: %+v", got)
	}
	if list, err := w.answer([]string{"no-pst"}, func(o *migrate.AnswerOptions) { o.Withdraw = true }); err != nil || len(list) != 0 {
		t.Errorf("nothing to withdraw: %+v, %v", list, err)
	}
	if _, err := w.answer([]string{"no-pst"}); err != nil {
		t.Fatal(err)
	}
	if got := rule(t, w.check(), "no-pst"); got.Outcome != migrate.Ok {
		t.Errorf("%+v", got)
	}
	path := migrate.AnswersPath(w.opts.StateDir, "production")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(string(text), `"major":5`, `"major":4`)), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := rule(t, w.check(), "no-pst"); got.Outcome != migrate.Unanswered {
		t.Errorf("of version 4: %+v", got)
	}
}

func TestAnswersOfATargetThatCanNotBeReached(t *testing.T) {
	w := newWorld(t, bmsim.Config{}, "ada")
	w.opts.Target = w.target("production", w.sim, false)
	if _, err := w.answer([]string{"no-pst"}); err != nil {
		t.Fatal(err)
	}
	w.opts.Target.URL = "https://" + nobody(t)
	res := w.check()
	if got := rule(t, res, "no-pst"); got.Outcome != migrate.Skipped || got.By != "" || res.Installation != "" || !strings.Contains(got.Text, "confirmed by Ada Martin on ") {
		t.Errorf("%+v", got)
	}
	if got := rule(t, res, "compatibility"); got.Outcome != migrate.Skipped || got.Text != "the target could not be asked" {
		t.Errorf("%+v", got)
	}
	if _, err := w.answer([]string{"no-pst"}); err == nil {
		t.Error("an answer for nobody knows which server is recorded")
	}
}

// TestAnswersSurviveATornLine: what was cut short spoils neither what stands
// before it nor what comes after.
func TestAnswersSurviveATornLine(t *testing.T) {
	w := newWorld(t, bmsim.Config{}, "ada")
	w.opts.Target = w.target("production", w.sim, false)
	if _, err := w.answer([]string{"no-pst", "no-pst", "compatibility"}); err != nil {
		t.Fatal(err)
	}
	path := migrate.AnswersPath(w.opts.StateDir, "production")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(text), "\n"); n != 2 {
		t.Errorf("%d lines:\n%s", n, text)
	}
	if err := os.WriteFile(path, append(text, `{"rule":"mapi-first","answer":"conf`...), 0o600); err != nil {
		t.Fatal(err)
	}
	res := w.check()
	if got := rule(t, res, "no-pst"); got.Outcome != migrate.Ok {
		t.Errorf("%+v", got)
	}
	fires(t, res, "state", migrate.Warning, "1 lines that are no answer")
	if _, err := w.answer([]string{"disk"}); err != nil {
		t.Fatal(err)
	}
	list, unreadable, err := migrate.ReadAnswers(path)
	if err != nil || len(list) != 3 || unreadable != 1 || list[2].Rule != "disk" {
		t.Errorf("%+v, %d unreadable, %v", list, unreadable, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

func TestAnswersThatAreNone(t *testing.T) {
	w := newWorld(t, bmsim.Config{}, "ada")
	tests := []struct {
		title, text, mend string
		rules             []string
		edit              func(*migrate.AnswerOptions)
	}{
		{title: "unknown rule", rules: []string{"no-pts"}, text: `no rule "no-pts"`, mend: "did you mean no-pst?"},
		{title: "nothing like it", rules: []string{"whatever it takes"}, text: "no rule", mend: "bmsync check lists"},
		{title: "a rule that is looked at", rules: []string{"no-pst", "version"}, text: "nobody can confirm it", mend: "mend what"},
		{title: "another version's", rules: []string{"no-pst", "cyrus-tree"}, text: "rule cyrus-tree concerns BlueMind 4 only, and test is BlueMind 5", mend: "leave it out"},
		{title: "no rule", text: "no rule is named"},
		{title: "nobody", rules: []string{"no-pst"}, edit: func(o *migrate.AnswerOptions) { o.By = "  " }, text: "name of who answers is missing", mend: "--by NAME"},
		{title: "the printed command as it stands", rules: []string{"no-pst"}, edit: func(o *migrate.AnswerOptions) { o.By = "NAME" }, text: "NAME is to be replaced", mend: "--by"},
		{title: "two lines", rules: []string{"no-pst"}, edit: func(o *migrate.AnswerOptions) { o.Note = "a\nb" }, text: "the note holds"},
		{title: "a bell", rules: []string{"no-pst"}, edit: func(o *migrate.AnswerOptions) { o.By = "A\a" }, text: "the name of who answers holds"},
		{title: "a book", rules: []string{"no-pst"}, edit: func(o *migrate.AnswerOptions) { o.Note = strings.Repeat("é", 501) }, text: "longer than 500"},
	}
	for _, tt := range tests {
		t.Run(tt.title, func(t *testing.T) {
			_, err := w.answer(tt.rules, func(o *migrate.AnswerOptions) {
				if tt.edit != nil {
					tt.edit(o)
				}
			})
			e, ok := errors.AsType[*migrate.AnswerError](err)
			if !ok || !strings.Contains(e.Reason, tt.text) || !strings.Contains(e.Mend, tt.mend) {
				t.Errorf("%v", err)
			}
		})
	}
	if _, err := os.Stat(w.opts.StateDir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the state's folder: %v", err)
	}
}

func TestAnswersThatCanNotBeKept(t *testing.T) {
	w := newWorld(t, bmsim.Config{}, "ada")
	if err := os.MkdirAll(filepath.Join(w.opts.StateDir, "test.answers.jsonl"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := w.answer([]string{"no-pst"}); err == nil || !strings.Contains(err.Error(), "answers for target test") && !strings.Contains(err.Error(), "is a directory") {
		t.Errorf("%v", err)
	}
	fires(t, w.check(), "state", migrate.Blocker, "the answers could not be read")
	w.opts.Target.AdminSecret = func(context.Context) (string, error) { return "wrong", nil }
	if _, err := w.answer([]string{"no-pst"}); err == nil || strings.Contains(err.Error(), "wrong\"") {
		t.Errorf("%v", err)
	}
}

// TestDiskSpaceIsAskedAgainWhenThePlanGrows: who said yes to a small plan has
// not said yes to a large one.
func TestDiskSpaceIsAskedAgainWhenThePlanGrows(t *testing.T) {
	w := newWorld(t, bmsim.Config{}, "ada")
	w.opts.Target = w.target("production", w.sim, false)
	if got := rule(t, w.check(), "disk"); !strings.Contains(got.Text, "no plan yet") {
		t.Errorf("%+v", got)
	}
	w.fill(20)
	w.plan()
	if got := rule(t, w.check(), "disk"); !strings.Contains(got.Text, "are needed in all, by the plan (estimated)") {
		t.Errorf("%+v", got)
	}
	if _, err := w.answer([]string{"disk"}); err != nil {
		t.Fatal(err)
	}
	if got := rule(t, w.check(), "disk"); got.Outcome != migrate.Ok {
		t.Errorf("%+v", got)
	}
	w.fill(40)
	w.plan()
	got := rule(t, w.check(), "disk")
	if got.Outcome != migrate.Unanswered || !strings.Contains(got.Text, "Ada Martin has confirmed it for ") || got.By != "" {
		t.Errorf("%+v", got)
	}
}
